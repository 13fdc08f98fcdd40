#ifndef BAILEY_TEXTS_H
#define BAILEY_TEXTS_H

// Texts that are part of the program, which so needs no files beside it; each ends with a zero. They are embedded here and not by SwiftPM's
// `.embedInCode`, which makes arrays in Swift of them: those took five seconds of every build of their module.

#pragma clang assume_nonnull begin

// How RedBeat's entries are moved.
const char *carried_common_lua(void);
const char *carried_close_lua(void);
const char *carried_settle_lua(void);
const char *carried_claim_lua(void);
const char *carried_bound_lua(void);
const char *carried_repark_lua(void);
const char *carried_restore_lua(void);
const char *carried_retire_lua(void);
const char *carried_finish_lua(void);
const char *carried_status_lua(void);
const char *carried_give_back_lua(void);

// How jobs of a queue are moved.
const char *carried_queue_tables_sql(void);
const char *carried_queue_helpers_sql(void);
const char *carried_queue_returning_sql(void);
const char *carried_queue_moving_sql(void);
const char *carried_queue_running_sql(void);
const char *carried_queue_retiring_sql(void);

// How entries of django_celery_beat are moved.
const char *carried_beat_tables_sql(void);
const char *carried_beat_helpers_sql(void);
const char *carried_beat_moving_sql(void);
const char *carried_beat_running_sql(void);
const char *carried_beat_copying_sql(void);
const char *carried_beat_retiring_sql(void);

// What other interpreters run.
const char *carried_celery_values_py(void);
const char *carried_celery_places_py(void);
const char *carried_celery_app_py(void);
const char *carried_celery_workers_py(void);
const char *carried_celery_answers_py(void);
const char *carried_celery_once_py(void);
const char *carried_celery_sending_py(void);
const char *carried_celery_silence_py(void);
const char *carried_celery_wire_py(void);
const char *carried_celery_messages_py(void);
const char *carried_celery_copies_py(void);
const char *carried_celery_round_trip_py(void);
const char *carried_celery_proof_py(void);
const char *carried_celery_probe_py(void);
const char *carried_own_probe_py(void);
const char *carried_http_program_py(void);
const char *carried_sql_program_py(void);
const char *carried_notify_program_py(void);
const char *carried_call_function_py(void);
const char *carried_warm_interpreter_py(void);

// The tables of an analytics store.
const char *carried_warehouse_run_sql(void);
const char *carried_warehouse_task_run_sql(void);
const char *carried_warehouse_comparison_sql(void);
const char *carried_warehouse_difference_sql(void);
const char *carried_warehouse_tick_sql(void);
const char *carried_warehouse_journal_sql(void);
const char *carried_warehouse_pipeline_sql(void);
const char *carried_warehouse_entry_sql(void);
const char *carried_warehouse_source_sql(void);
const char *carried_warehouse_gap_sql(void);
const char *carried_warehouse_export_state_sql(void);
const char *carried_warehouse_export_part_sql(void);
const char *carried_warehouse_export_month_sql(void);
const char *carried_warehouse_tick_runner_sql(void);
const char *carried_warehouse_look_sql(void);
const char *carried_warehouse_relations_sql(void);

// The profiles of queues.
const char *carried_background_jobs_yaml(void);
const char *carried_delayed_job_yaml(void);
const char *carried_django_q2_yaml(void);
const char *carried_django_tasks_db_yaml(void);
const char *carried_good_job_yaml(void);
const char *carried_graphile_worker_yaml(void);
const char *carried_oban_yaml(void);
const char *carried_pg_boss_yaml(void);
const char *carried_pgmq_yaml(void);
const char *carried_pgqueuer_yaml(void);
const char *carried_procrastinate_yaml(void);
const char *carried_que_yaml(void);
const char *carried_river_yaml(void);
const char *carried_solid_queue_yaml(void);

#pragma clang assume_nonnull end

#endif
