-- pg-boss 12: the type and tables of its own plans.ts with its defaults; partitions of queues and indexes left out.
CREATE SCHEMA pgboss;
CREATE TYPE pgboss.job_state AS ENUM ('created', 'retry', 'active', 'completed', 'cancelled', 'failed');
CREATE TABLE pgboss.job (
    id uuid not null default gen_random_uuid(), name text not null, priority integer not null default(0), data jsonb,
    state pgboss.job_state not null default 'created', retry_limit integer not null default 2, retry_count integer not null default 0,
    retry_delay integer not null default 0, retry_backoff boolean not null default false, retry_delay_max integer,
    expire_seconds int not null default 900, deletion_seconds int not null default 604800, singleton_key text,
    singleton_on timestamp without time zone, group_id text, group_tier text, start_after timestamp with time zone not null default now(),
    created_on timestamp with time zone not null default now(), started_on timestamp with time zone, completed_on timestamp with time zone,
    keep_until timestamp with time zone NOT NULL default now() + interval '1209600', output jsonb, dead_letter text, policy text,
    heartbeat_on timestamp with time zone, heartbeat_seconds int, blocked boolean not null default false, blocking boolean not null default false,
    pending_dependencies int not null default 0, source_name text, source_id uuid, source_created_on timestamp with time zone, source_retry_count int
) PARTITION BY LIST (name);
CREATE TABLE pgboss.job_common (LIKE pgboss.job INCLUDING GENERATED INCLUDING DEFAULTS);
ALTER TABLE pgboss.job_common ADD PRIMARY KEY (name, id);
ALTER TABLE pgboss.job ATTACH PARTITION pgboss.job_common DEFAULT;
