-- GoodJob 4.19: the install migration of its own repository (create_good_jobs.rb.erb), as Rails 7 writes it for PostgreSQL; indexes left out.
CREATE TABLE good_jobs (
    id uuid DEFAULT gen_random_uuid() NOT NULL PRIMARY KEY, queue_name text, priority integer, serialized_params jsonb,
    scheduled_at timestamp(6) without time zone, performed_at timestamp(6) without time zone, finished_at timestamp(6) without time zone, error text,
    created_at timestamp(6) without time zone NOT NULL, updated_at timestamp(6) without time zone NOT NULL,
    active_job_id uuid, concurrency_key text, cron_key text, retried_good_job_id uuid, cron_at timestamp(6) without time zone,
    batch_id uuid, batch_callback_id uuid, is_discrete boolean, executions_count integer, job_class text, error_event smallint,
    labels text[], locked_by_id uuid, locked_at timestamp(6) without time zone, lock_type smallint
);
CREATE TABLE good_job_executions (
    id uuid DEFAULT gen_random_uuid() NOT NULL PRIMARY KEY,
    created_at timestamp(6) without time zone NOT NULL, updated_at timestamp(6) without time zone NOT NULL,
    active_job_id uuid NOT NULL, job_class text, queue_name text, serialized_params jsonb, scheduled_at timestamp(6) without time zone,
    finished_at timestamp(6) without time zone, error text, error_event smallint, error_backtrace text[], process_id uuid, duration interval
);
