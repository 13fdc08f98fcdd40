#include "texts.h"

// #embed is C23's.
#pragma clang diagnostic ignored "-Wc23-extensions"

#define TEXT(name) \
    const char *carried_##name(void) { return (const char *)name; }

// How RedBeat's entries are moved.

static const unsigned char common_lua[] = {
#embed "../Cutover/RedBeat/Scripts/common.lua" suffix(, )
    0};
TEXT(common_lua)

static const unsigned char close_lua[] = {
#embed "../Cutover/RedBeat/Scripts/close.lua" suffix(, )
    0};
TEXT(close_lua)

static const unsigned char settle_lua[] = {
#embed "../Cutover/RedBeat/Scripts/settle.lua" suffix(, )
    0};
TEXT(settle_lua)

static const unsigned char claim_lua[] = {
#embed "../Cutover/RedBeat/Scripts/claim.lua" suffix(, )
    0};
TEXT(claim_lua)

static const unsigned char bound_lua[] = {
#embed "../Cutover/RedBeat/Scripts/bound.lua" suffix(, )
    0};
TEXT(bound_lua)

static const unsigned char repark_lua[] = {
#embed "../Cutover/RedBeat/Scripts/repark.lua" suffix(, )
    0};
TEXT(repark_lua)

static const unsigned char restore_lua[] = {
#embed "../Cutover/RedBeat/Scripts/restore.lua" suffix(, )
    0};
TEXT(restore_lua)

static const unsigned char retire_lua[] = {
#embed "../Cutover/RedBeat/Scripts/retire.lua" suffix(, )
    0};
TEXT(retire_lua)

static const unsigned char finish_lua[] = {
#embed "../Cutover/RedBeat/Scripts/finish.lua" suffix(, )
    0};
TEXT(finish_lua)

static const unsigned char status_lua[] = {
#embed "../Cutover/RedBeat/Scripts/status.lua" suffix(, )
    0};
TEXT(status_lua)

static const unsigned char give_back_lua[] = {
#embed "../Cutover/RedBeat/Scripts/give_back.lua" suffix(, )
    0};
TEXT(give_back_lua)

// How jobs of a queue are moved.

static const unsigned char queue_tables_sql[] = {
#embed "../Cutover/Queue/SQL/queue_tables.sql" suffix(, )
    0};
TEXT(queue_tables_sql)

static const unsigned char queue_helpers_sql[] = {
#embed "../Cutover/Queue/SQL/queue_helpers.sql" suffix(, )
    0};
TEXT(queue_helpers_sql)

static const unsigned char queue_returning_sql[] = {
#embed "../Cutover/Queue/SQL/queue_returning.sql" suffix(, )
    0};
TEXT(queue_returning_sql)

static const unsigned char queue_moving_sql[] = {
#embed "../Cutover/Queue/SQL/queue_moving.sql" suffix(, )
    0};
TEXT(queue_moving_sql)

static const unsigned char queue_running_sql[] = {
#embed "../Cutover/Queue/SQL/queue_running.sql" suffix(, )
    0};
TEXT(queue_running_sql)

static const unsigned char queue_retiring_sql[] = {
#embed "../Cutover/Queue/SQL/queue_retiring.sql" suffix(, )
    0};
TEXT(queue_retiring_sql)

// How entries of django_celery_beat are moved.

static const unsigned char beat_tables_sql[] = {
#embed "../Cutover/DjangoBeat/SQL/beat_tables.sql" suffix(, )
    0};
TEXT(beat_tables_sql)

static const unsigned char beat_helpers_sql[] = {
#embed "../Cutover/DjangoBeat/SQL/beat_helpers.sql" suffix(, )
    0};
TEXT(beat_helpers_sql)

static const unsigned char beat_moving_sql[] = {
#embed "../Cutover/DjangoBeat/SQL/beat_moving.sql" suffix(, )
    0};
TEXT(beat_moving_sql)

static const unsigned char beat_running_sql[] = {
#embed "../Cutover/DjangoBeat/SQL/beat_running.sql" suffix(, )
    0};
TEXT(beat_running_sql)

static const unsigned char beat_copying_sql[] = {
#embed "../Cutover/DjangoBeat/SQL/beat_copying.sql" suffix(, )
    0};
TEXT(beat_copying_sql)

static const unsigned char beat_retiring_sql[] = {
#embed "../Cutover/DjangoBeat/SQL/beat_retiring.sql" suffix(, )
    0};
TEXT(beat_retiring_sql)

// What other interpreters run.

static const unsigned char celery_values_py[] = {
#embed "../../shadow/bailey_runtime/celery_values.py" suffix(, )
    0};
TEXT(celery_values_py)

static const unsigned char celery_places_py[] = {
#embed "../../shadow/bailey_runtime/celery_places.py" suffix(, )
    0};
TEXT(celery_places_py)

static const unsigned char celery_app_py[] = {
#embed "../../shadow/bailey_runtime/celery_app.py" suffix(, )
    0};
TEXT(celery_app_py)

static const unsigned char celery_workers_py[] = {
#embed "../../shadow/bailey_runtime/celery_workers.py" suffix(, )
    0};
TEXT(celery_workers_py)

static const unsigned char celery_answers_py[] = {
#embed "../../shadow/bailey_runtime/celery_answers.py" suffix(, )
    0};
TEXT(celery_answers_py)

static const unsigned char celery_once_py[] = {
#embed "../../shadow/bailey_runtime/celery_once.py" suffix(, )
    0};
TEXT(celery_once_py)

static const unsigned char celery_sending_py[] = {
#embed "../../shadow/bailey_runtime/celery_sending.py" suffix(, )
    0};
TEXT(celery_sending_py)

static const unsigned char celery_silence_py[] = {
#embed "../../shadow/bailey_runtime/celery_silence.py" suffix(, )
    0};
TEXT(celery_silence_py)

static const unsigned char celery_wire_py[] = {
#embed "../../shadow/bailey_runtime/celery_wire.py" suffix(, )
    0};
TEXT(celery_wire_py)

static const unsigned char celery_messages_py[] = {
#embed "../../shadow/bailey_runtime/celery_messages.py" suffix(, )
    0};
TEXT(celery_messages_py)

static const unsigned char celery_copies_py[] = {
#embed "../../shadow/bailey_runtime/celery_copies.py" suffix(, )
    0};
TEXT(celery_copies_py)

static const unsigned char celery_round_trip_py[] = {
#embed "../../shadow/bailey_runtime/celery_round_trip.py" suffix(, )
    0};
TEXT(celery_round_trip_py)

static const unsigned char celery_proof_py[] = {
#embed "../../shadow/bailey_runtime/celery_proof.py" suffix(, )
    0};
TEXT(celery_proof_py)

static const unsigned char own_probe_py[] = {
#embed "../../shadow/bailey_runtime/own_probe.py" suffix(, )
    0};
TEXT(own_probe_py)

static const unsigned char celery_probe_py[] = {
#embed "../../shadow/bailey_runtime/celery_probe.py" suffix(, )
    0};
TEXT(celery_probe_py)

static const unsigned char http_program_py[] = {
#embed "../../shadow/bailey_runtime/http_program.py" suffix(, )
    0};
TEXT(http_program_py)

static const unsigned char sql_program_py[] = {
#embed "../../shadow/bailey_runtime/sql_program.py" suffix(, )
    0};
TEXT(sql_program_py)

static const unsigned char notify_program_py[] = {
#embed "../../shadow/bailey_runtime/notify_program.py" suffix(, )
    0};
TEXT(notify_program_py)

static const unsigned char call_function_py[] = {
#embed "../../shadow/bailey_runtime/call_function.py" suffix(, )
    0};
TEXT(call_function_py)

static const unsigned char warm_interpreter_py[] = {
#embed "../../shadow/bailey_runtime/warm_interpreter.py" suffix(, )
    0};
TEXT(warm_interpreter_py)

// The tables of an analytics store.

static const unsigned char warehouse_run_sql[] = {
#embed "../Warehouse/SQL/run.sql" suffix(, )
    0};
TEXT(warehouse_run_sql)

static const unsigned char warehouse_task_run_sql[] = {
#embed "../Warehouse/SQL/task_run.sql" suffix(, )
    0};
TEXT(warehouse_task_run_sql)

static const unsigned char warehouse_comparison_sql[] = {
#embed "../Warehouse/SQL/comparison.sql" suffix(, )
    0};
TEXT(warehouse_comparison_sql)

static const unsigned char warehouse_difference_sql[] = {
#embed "../Warehouse/SQL/difference.sql" suffix(, )
    0};
TEXT(warehouse_difference_sql)

static const unsigned char warehouse_tick_sql[] = {
#embed "../Warehouse/SQL/tick.sql" suffix(, )
    0};
TEXT(warehouse_tick_sql)

static const unsigned char warehouse_journal_sql[] = {
#embed "../Warehouse/SQL/journal.sql" suffix(, )
    0};
TEXT(warehouse_journal_sql)

static const unsigned char warehouse_pipeline_sql[] = {
#embed "../Warehouse/SQL/pipeline.sql" suffix(, )
    0};
TEXT(warehouse_pipeline_sql)

static const unsigned char warehouse_entry_sql[] = {
#embed "../Warehouse/SQL/entry.sql" suffix(, )
    0};
TEXT(warehouse_entry_sql)

static const unsigned char warehouse_source_sql[] = {
#embed "../Warehouse/SQL/source.sql" suffix(, )
    0};
TEXT(warehouse_source_sql)

static const unsigned char warehouse_gap_sql[] = {
#embed "../Warehouse/SQL/gap.sql" suffix(, )
    0};
TEXT(warehouse_gap_sql)

static const unsigned char warehouse_export_state_sql[] = {
#embed "../Warehouse/SQL/export_state.sql" suffix(, )
    0};
TEXT(warehouse_export_state_sql)

static const unsigned char warehouse_export_part_sql[] = {
#embed "../Warehouse/SQL/export_part.sql" suffix(, )
    0};
TEXT(warehouse_export_part_sql)

static const unsigned char warehouse_export_month_sql[] = {
#embed "../Warehouse/SQL/export_month.sql" suffix(, )
    0};
TEXT(warehouse_export_month_sql)

static const unsigned char warehouse_tick_runner_sql[] = {
#embed "../Warehouse/SQL/tick_runner.sql" suffix(, )
    0};
TEXT(warehouse_tick_runner_sql)

static const unsigned char warehouse_look_sql[] = {
#embed "../Warehouse/SQL/look.sql" suffix(, )
    0};
TEXT(warehouse_look_sql)

static const unsigned char warehouse_relations_sql[] = {
#embed "../Warehouse/SQL/relations.sql" suffix(, )
    0};
TEXT(warehouse_relations_sql)

// The profiles of queues.

static const unsigned char background_jobs_yaml[] = {
#embed "../../mappings/profiles/background_jobs.yaml" suffix(, )
    0};
TEXT(background_jobs_yaml)

static const unsigned char delayed_job_yaml[] = {
#embed "../../mappings/profiles/delayed_job.yaml" suffix(, )
    0};
TEXT(delayed_job_yaml)

static const unsigned char django_q2_yaml[] = {
#embed "../../mappings/profiles/django_q2.yaml" suffix(, )
    0};
TEXT(django_q2_yaml)

static const unsigned char django_tasks_db_yaml[] = {
#embed "../../mappings/profiles/django_tasks_db.yaml" suffix(, )
    0};
TEXT(django_tasks_db_yaml)

static const unsigned char good_job_yaml[] = {
#embed "../../mappings/profiles/good_job.yaml" suffix(, )
    0};
TEXT(good_job_yaml)

static const unsigned char graphile_worker_yaml[] = {
#embed "../../mappings/profiles/graphile_worker.yaml" suffix(, )
    0};
TEXT(graphile_worker_yaml)

static const unsigned char oban_yaml[] = {
#embed "../../mappings/profiles/oban.yaml" suffix(, )
    0};
TEXT(oban_yaml)

static const unsigned char pg_boss_yaml[] = {
#embed "../../mappings/profiles/pg_boss.yaml" suffix(, )
    0};
TEXT(pg_boss_yaml)

static const unsigned char pgmq_yaml[] = {
#embed "../../mappings/profiles/pgmq.yaml" suffix(, )
    0};
TEXT(pgmq_yaml)

static const unsigned char pgqueuer_yaml[] = {
#embed "../../mappings/profiles/pgqueuer.yaml" suffix(, )
    0};
TEXT(pgqueuer_yaml)

static const unsigned char procrastinate_yaml[] = {
#embed "../../mappings/profiles/procrastinate.yaml" suffix(, )
    0};
TEXT(procrastinate_yaml)

static const unsigned char que_yaml[] = {
#embed "../../mappings/profiles/que.yaml" suffix(, )
    0};
TEXT(que_yaml)

static const unsigned char river_yaml[] = {
#embed "../../mappings/profiles/river.yaml" suffix(, )
    0};
TEXT(river_yaml)

static const unsigned char solid_queue_yaml[] = {
#embed "../../mappings/profiles/solid_queue.yaml" suffix(, )
    0};
TEXT(solid_queue_yaml)
