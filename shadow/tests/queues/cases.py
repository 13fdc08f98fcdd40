"""Jobs in the tables of other people's queues, and how SQL of our own counts them: by type and status, without a profile."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One queue: how its tables are filled, and its jobs as (type, status, count) by plain SQL."""

    table: str
    # Statements that fill the tables; nothing where the fixture has jobs of a real run.
    fill: tuple[str, ...]
    # Type and status of every job.
    jobs: str
    # The median of seconds that ended jobs of all types took; None where the tables do not tell.
    median: str | None


SPAN = "generate_series(1, 40) n"
STARTED = "timestamptz '2026-11-01 00:00Z' + n * interval '1 minute'"
ENDED = f"{STARTED} + n * interval '1 second'"
NAIVE = "timestamp '2026-11-01 00:00' + n * interval '1 minute'"
NAIVE_ENDED = f"{NAIVE} + n * interval '1 second'"
TYPE = "'Job' || n % 3"

CASES = {
    "procrastinate": Case(
        "public.procrastinate_jobs",
        (),
        "SELECT task_name, status::text FROM procrastinate_jobs",
        """SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM f.at - s.at)::float8) FROM procrastinate_jobs j
           CROSS JOIN LATERAL (SELECT at FROM procrastinate_events WHERE job_id = j.id AND type = 'started' ORDER BY at DESC LIMIT 1) s
           CROSS JOIN LATERAL (SELECT at FROM procrastinate_events WHERE job_id = j.id AND type IN ('succeeded', 'failed')
                               ORDER BY at DESC LIMIT 1) f WHERE j.status IN ('succeeded', 'failed', 'aborted') AND j.task_name = %s""",
    ),
    "pgqueuer": Case(
        "public.pgqueuer",
        (),
        """SELECT entrypoint, status::text FROM pgqueuer UNION ALL
           SELECT entrypoint, status::text FROM (SELECT DISTINCT ON (job_id) * FROM pgqueuer_log
               WHERE status IN ('successful', 'exception', 'canceled', 'deleted') ORDER BY job_id, id DESC) l
           WHERE job_id NOT IN (SELECT id FROM pgqueuer)""",
        None,
    ),
    "river": Case(
        "public.river_job",
        (
            f"""INSERT INTO river_job (state, attempt, max_attempts, attempted_at, finalized_at, kind, args, errors)
                SELECT CASE n % 5 WHEN 0 THEN 'available' WHEN 1 THEN 'discarded' WHEN 2 THEN 'cancelled' ELSE 'completed' END::river_job_state,
                n % 4, 25, {STARTED}, CASE WHEN n % 5 > 0 THEN {ENDED} END, {TYPE}, jsonb_build_object('n', n),
                CASE WHEN n % 5 = 1 THEN ARRAY['{{"error": "no disk"}}'::jsonb] END FROM {SPAN}""",
        ),
        "SELECT kind, state::text FROM river_job",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM finalized_at - attempted_at)::float8) FROM river_job "
        "WHERE state IN ('completed', 'discarded') AND kind = %s",
    ),
    "oban": Case(
        "public.oban_jobs",
        (
            f"""INSERT INTO oban_jobs (state, worker, args, attempt, attempted_at, completed_at, discarded_at)
                SELECT CASE n % 4 WHEN 0 THEN 'retryable' WHEN 1 THEN 'discarded' ELSE 'completed' END::oban_job_state, {TYPE},
                jsonb_build_object('n', n), 1, {NAIVE}, CASE WHEN n % 4 > 1 THEN {NAIVE_ENDED} END, CASE WHEN n % 4 = 1 THEN {NAIVE_ENDED} END FROM {SPAN}""",
        ),
        "SELECT worker, state::text FROM oban_jobs",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM coalesce(completed_at, discarded_at) - attempted_at)::float8) "
        "FROM oban_jobs WHERE state IN ('completed', 'discarded') AND worker = %s",
    ),
    "que": Case(
        "public.que_jobs",
        (
            f"""INSERT INTO que_jobs (job_class, args, job_schema_version, finished_at, expired_at)
                SELECT CASE WHEN n % 3 = 0 THEN 'ActiveJob::QueueAdapters::QueAdapter::JobWrapper' ELSE {TYPE} END,
                jsonb_build_array(jsonb_build_object('job_class', {TYPE})), 2, CASE WHEN n % 4 = 0 THEN {ENDED} END, CASE WHEN n % 4 = 1 THEN {ENDED} END
                FROM {SPAN}""",
        ),
        """SELECT CASE WHEN job_class LIKE 'ActiveJob%%' THEN args->0->>'job_class' ELSE job_class END,
           CASE WHEN finished_at IS NOT NULL THEN 'finished' WHEN expired_at IS NOT NULL THEN 'expired' ELSE 'waiting' END FROM que_jobs""",
        None,
    ),
    "good_job": Case(
        "public.good_jobs",
        (
            f"""INSERT INTO good_jobs (created_at, updated_at, job_class, serialized_params, performed_at, finished_at, error)
                SELECT {NAIVE}, {NAIVE}, {TYPE}, '{{"arguments": [1]}}', CASE WHEN n % 4 > 0 THEN {NAIVE} END, CASE WHEN n % 4 > 1 THEN {NAIVE_ENDED} END,
                CASE WHEN n % 4 = 2 THEN 'StandardError: no' END FROM {SPAN}""",
        ),
        """SELECT job_class, CASE WHEN finished_at IS NULL AND performed_at IS NULL THEN 'queued' WHEN finished_at IS NULL THEN 'running'
           WHEN error IS NULL THEN 'succeeded' ELSE 'discarded' END FROM good_jobs""",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - performed_at)::float8) FROM good_jobs WHERE job_class = %s",
    ),
    "solid_queue": Case(
        "public.solid_queue_jobs",
        (
            f"""INSERT INTO solid_queue_jobs (queue_name, class_name, arguments, created_at, updated_at, finished_at)
                SELECT 'default', {TYPE}, '{{"arguments": [1]}}', {NAIVE}, {NAIVE}, CASE WHEN n % 4 = 0 THEN {NAIVE_ENDED} END FROM {SPAN}""",
            "INSERT INTO solid_queue_failed_executions (job_id, error, created_at) SELECT id, 'no', now() FROM solid_queue_jobs WHERE id % 4 = 1",
            "INSERT INTO solid_queue_claimed_executions (job_id, created_at) SELECT id, now() FROM solid_queue_jobs WHERE id % 8 = 2",
            "INSERT INTO solid_queue_ready_executions (job_id, queue_name, created_at) SELECT id, 'default', now() FROM solid_queue_jobs WHERE id % 8 = 3",
            "INSERT INTO solid_queue_scheduled_executions (job_id, queue_name, scheduled_at, created_at) "
            "SELECT id, 'default', now(), now() FROM solid_queue_jobs WHERE id % 8 IN (6, 7)",
        ),
        """SELECT class_name, CASE WHEN finished_at IS NOT NULL THEN 'finished' WHEN id IN (SELECT job_id FROM solid_queue_failed_executions) THEN 'failed'
           WHEN id IN (SELECT job_id FROM solid_queue_claimed_executions) THEN 'claimed'
           WHEN id IN (SELECT job_id FROM solid_queue_scheduled_executions) THEN 'scheduled' ELSE 'ready' END FROM solid_queue_jobs""",
        None,
    ),
    "delayed_job": Case(
        "public.delayed_jobs",
        (
            f"""INSERT INTO delayed_jobs (handler, run_at, created_at, locked_at, failed_at, attempts)
                SELECT CASE WHEN n % 2 = 0 THEN E'--- !ruby/object:' || {TYPE} || E'\\nto: a\\n'
                ELSE E'--- !ruby/object:ActiveJob::QueueAdapters::DelayedJobAdapter::JobWrapper\\njob_data:\\n  job_class: ' || {TYPE} || E'\\n' END,
                {NAIVE}, {NAIVE}, CASE WHEN n % 4 = 1 THEN {NAIVE} END, CASE WHEN n % 4 = 2 THEN {NAIVE_ENDED} END, n % 3 FROM {SPAN}""",
        ),
        """SELECT CASE WHEN id % 2 = 0 THEN split_part(split_part(handler, 'object:', 2), E'\\n', 1) ELSE split_part(split_part(handler, 'job_class: ', 2), E'\\n', 1) END,
           CASE WHEN failed_at IS NOT NULL THEN 'failed' WHEN locked_at IS NOT NULL THEN 'locked' ELSE 'waiting' END FROM delayed_jobs""",
        None,
    ),
    "graphile_worker": Case(
        "graphile_worker._private_jobs",
        (
            "INSERT INTO graphile_worker._private_tasks (identifier) VALUES ('Job0'), ('Job1'), ('Job2')",
            f"""INSERT INTO graphile_worker._private_jobs (task_id, payload, attempts, max_attempts, locked_at)
                SELECT t.id, '{{}}', CASE WHEN n % 4 = 0 THEN 25 ELSE n % 4 END, 25, CASE WHEN n % 4 = 1 THEN {STARTED} END
                FROM {SPAN} JOIN graphile_worker._private_tasks t ON t.identifier = {TYPE}""",
        ),
        """SELECT identifier, CASE WHEN locked_at IS NOT NULL THEN 'running' WHEN is_available THEN 'queued' ELSE 'failed' END
           FROM graphile_worker._private_jobs j JOIN graphile_worker._private_tasks t ON t.id = j.task_id""",
        None,
    ),
    "pg_boss": Case(
        "pgboss.job",
        (
            f"""INSERT INTO pgboss.job (name, data, state, started_on, completed_on, output)
                SELECT {TYPE}, '{{}}', CASE n % 4 WHEN 0 THEN 'created' WHEN 1 THEN 'failed' WHEN 2 THEN 'cancelled' ELSE 'completed' END::pgboss.job_state,
                {STARTED}, CASE WHEN n % 4 > 0 THEN {ENDED} END, '{{"value": 1}}' FROM {SPAN}""",
        ),
        "SELECT name, state::text FROM pgboss.job_common",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM completed_on - started_on)::float8) FROM pgboss.job "
        "WHERE state IN ('completed', 'failed') AND name = %s",
    ),
    "pgmq": Case(
        "pgmq.q_mail",
        (
            f"""INSERT INTO pgmq.q_mail (vt, message, read_ct) SELECT now() + CASE WHEN n % 4 < 2 THEN interval '1 hour' ELSE interval '-1 hour' END,
                jsonb_build_object('task', {TYPE}), n % 4 FROM {SPAN}""",
        ),
        """SELECT message->>'task', CASE WHEN vt <= now() THEN 'waiting' WHEN read_ct = 0 THEN 'delayed' ELSE 'read' END FROM pgmq.q_mail""",
        None,
    ),
    "django_q2": Case(
        "public.django_q_task",
        (
            f"""INSERT INTO django_q_task (id, name, func, started, stopped, success, attempt_count)
                SELECT 'id' || n, 'name', {TYPE}, {STARTED}, {ENDED}, n % 4 > 0, 1 FROM {SPAN}""",
        ),
        "SELECT func, CASE WHEN success THEN 'success' ELSE 'failure' END FROM django_q_task",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM stopped - started)::float8) FROM django_q_task WHERE func = %s",
    ),
    "django_tasks_db": Case(
        "public.django_tasks_database_dbtaskresult",
        (
            f"""INSERT INTO django_tasks_database_dbtaskresult SELECT gen_random_uuid(), CASE n % 4 WHEN 0 THEN 'READY' WHEN 1 THEN 'FAILED' ELSE 'SUCCESSFUL' END,
                '{{"args": [], "kwargs": {{}}}}', 0, {TYPE}, 'default', 'default', '9999-12-31Z', {STARTED}, CASE WHEN n % 4 > 0 THEN {ENDED} END,
                CASE WHEN n % 4 > 0 THEN {STARTED} END, 'null', '', '', '["w"]' FROM {SPAN}""",
        ),
        "SELECT task_path, status FROM django_tasks_database_dbtaskresult",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - started_at)::float8) "
        "FROM django_tasks_database_dbtaskresult WHERE task_path = %s",
    ),
}
