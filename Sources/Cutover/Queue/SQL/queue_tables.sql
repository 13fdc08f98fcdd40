-- Bailey's switch for queue tables, version 1. Run it as the owner of the queue's tables; running it again changes nothing.
SET LOCAL lock_timeout = '2s';
CREATE SCHEMA IF NOT EXISTS bailey;
CREATE TABLE IF NOT EXISTS bailey.version (
    part text PRIMARY KEY,
    version integer NOT NULL,
    installed_at timestamptz NOT NULL DEFAULT now(),
    installed_by text NOT NULL DEFAULT session_user
);
INSERT INTO bailey.version (part, version) VALUES ('queue', 1) ON CONFLICT DO NOTHING;
DO $bailey$ BEGIN
    IF (SELECT version FROM bailey.version WHERE part = 'queue') <> 1 THEN
        RAISE EXCEPTION 'BAILEY: schema bailey is of another version of Bailey';
    END IF;
END $bailey$;

-- The queues that the switch is installed on.
CREATE TABLE IF NOT EXISTS bailey.queue (
    queue text PRIMARY KEY,
    on_table text NOT NULL UNIQUE,
    digest text NOT NULL,
    installed_at timestamptz NOT NULL DEFAULT now(),
    installed_by text NOT NULL DEFAULT session_user
);

-- Where the table and its columns are found again after the application has renamed them; see bailey.located.
ALTER TABLE bailey.queue ADD COLUMN IF NOT EXISTS relation oid, ADD COLUMN IF NOT EXISTS layout jsonb NOT NULL DEFAULT '{}';

-- Who owns the jobs of a type. No row means legacy.
CREATE TABLE IF NOT EXISTS bailey.switch (
    queue text NOT NULL REFERENCES bailey.queue,
    job_type text NOT NULL,
    state text NOT NULL CHECK (state IN ('legacy', 'closing', 'airflow')),
    share integer NOT NULL CHECK (share BETWEEN 0 AND 100),
    fence bigint NOT NULL,
    pipeline text NOT NULL,
    by text NOT NULL,
    drain boolean NOT NULL,
    pause interval NOT NULL,
    first_closed_at timestamptz NOT NULL,
    closed_at timestamptz NOT NULL,
    settled_at timestamptz,
    given_back_at timestamptz,
    -- Transactions before this one may have decided by what stood here before.
    since xid8,
    quiet_since timestamptz,
    swept boolean NOT NULL DEFAULT true,
    PRIMARY KEY (queue, job_type)
);
-- How far its retirement has come. One that is finished needs the switch no more: its jobs wait for a DAG that asks no switch.
ALTER TABLE bailey.switch ADD COLUMN IF NOT EXISTS retirement text CHECK (retirement IN ('begun', 'finished'));
-- When since was set: a transaction that began later has a snapshot in which the switch stands as it is now.
ALTER TABLE bailey.switch ADD COLUMN IF NOT EXISTS since_at timestamptz;

-- Who took a job; open until it is finished or returned.
CREATE TABLE IF NOT EXISTS bailey.claim (
    place bigint GENERATED ALWAYS AS IDENTITY,
    queue text NOT NULL,
    job text NOT NULL,
    job_type text NOT NULL,
    run text NOT NULL,
    fence bigint NOT NULL,
    attempt integer NOT NULL,
    key text,
    payload jsonb,
    was_started text,
    was_status text,
    taken_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    outcome text CHECK (outcome IN ('success', 'failed', 'retry', 'released', 'overtaken', 'returned')),
    error text,
    PRIMARY KEY (queue, job, run)
);
-- Whether its row is gone: another one may have got its id.
ALTER TABLE bailey.claim ADD COLUMN IF NOT EXISTS former boolean NOT NULL DEFAULT false;
-- The payload as its row holds it, which is what runs read; payload is what runs of an older bailey-runtime read.
ALTER TABLE bailey.claim ADD COLUMN IF NOT EXISTS stored text;
CREATE UNIQUE INDEX IF NOT EXISTS claim_open ON bailey.claim (queue, job) WHERE finished_at IS NULL;
CREATE INDEX IF NOT EXISTS claim_run ON bailey.claim (queue, run, job_type);

-- The due times of rows that are held by deferring them.
CREATE TABLE IF NOT EXISTS bailey.held (
    queue text NOT NULL,
    job text NOT NULL,
    due text,
    PRIMARY KEY (queue, job)
);

-- What a worker did that one which locks rows cannot do; what the application did to rows that were held or taken; errors in the triggers.
CREATE TABLE IF NOT EXISTS bailey.sighting (
    queue text NOT NULL,
    job text NOT NULL,
    job_type text,
    what text NOT NULL,
    application text,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The installation of Airflow whose runs take the jobs of a type: two that have the same DAG give its runs the same ids. Apart from the switch, so
-- that a take which is frozen before it commits keeps nobody from giving the type back.
CREATE TABLE IF NOT EXISTS bailey.named (
    queue text NOT NULL,
    job_type text NOT NULL,
    installation text NOT NULL,
    PRIMARY KEY (queue, job_type)
);
