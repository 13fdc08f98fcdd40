-- Solid Queue 1.x: the tables of jobs of its own schema (queue_schema.rb, version 1), as Rails 7 writes them for PostgreSQL; indexes left out.
CREATE TABLE solid_queue_jobs (
    id bigserial PRIMARY KEY, queue_name character varying NOT NULL, class_name character varying NOT NULL, arguments text,
    priority integer DEFAULT 0 NOT NULL, active_job_id character varying, scheduled_at timestamp(6) without time zone,
    finished_at timestamp(6) without time zone, concurrency_key character varying,
    created_at timestamp(6) without time zone NOT NULL, updated_at timestamp(6) without time zone NOT NULL
);
CREATE TABLE solid_queue_blocked_executions (
    id bigserial PRIMARY KEY, job_id bigint NOT NULL UNIQUE REFERENCES solid_queue_jobs ON DELETE CASCADE, queue_name character varying NOT NULL,
    priority integer DEFAULT 0 NOT NULL, concurrency_key character varying NOT NULL, expires_at timestamp(6) without time zone NOT NULL,
    created_at timestamp(6) without time zone NOT NULL
);
CREATE TABLE solid_queue_claimed_executions (
    id bigserial PRIMARY KEY, job_id bigint NOT NULL UNIQUE REFERENCES solid_queue_jobs ON DELETE CASCADE, process_id bigint,
    created_at timestamp(6) without time zone NOT NULL
);
CREATE TABLE solid_queue_failed_executions (
    id bigserial PRIMARY KEY, job_id bigint NOT NULL UNIQUE REFERENCES solid_queue_jobs ON DELETE CASCADE, error text,
    created_at timestamp(6) without time zone NOT NULL
);
CREATE TABLE solid_queue_ready_executions (
    id bigserial PRIMARY KEY, job_id bigint NOT NULL UNIQUE REFERENCES solid_queue_jobs ON DELETE CASCADE, queue_name character varying NOT NULL,
    priority integer DEFAULT 0 NOT NULL, created_at timestamp(6) without time zone NOT NULL
);
CREATE TABLE solid_queue_scheduled_executions (
    id bigserial PRIMARY KEY, job_id bigint NOT NULL UNIQUE REFERENCES solid_queue_jobs ON DELETE CASCADE, queue_name character varying NOT NULL,
    priority integer DEFAULT 0 NOT NULL, scheduled_at timestamp(6) without time zone NOT NULL, created_at timestamp(6) without time zone NOT NULL
);
