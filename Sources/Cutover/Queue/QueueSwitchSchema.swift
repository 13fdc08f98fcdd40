/// What schema `bailey` holds for all queues of a database: tables, and functions that find the queue's own ones.
enum QueueSwitchSchema {
    /// The version of tables and functions; another one is refused.
    static let version = 1

    /// The functions that Bailey and Airflow call; all others are called by these.
    static let callable = [
        "mark(text, text, text, boolean)", "hand_over(text, text, text, text)",
        "bucket(text)", "close(text, text, integer, text, text, boolean, interval)", "hold(text, text, integer)",
        "look(text, text)",
        "settle(text, text, bigint)", "release(text, text, text, text)", "sweep(text, text)",
        "take(text, text, text, integer)",
        "finish(text, text, text, text, text)", "give_up(text, text, text[], text)", "mode(text, text, text)",
    ]

    /// The tables.
    static let tables = """
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
        CREATE UNIQUE INDEX IF NOT EXISTS claim_open ON bailey.claim (queue, job) WHERE finished_at IS NULL;
        CREATE INDEX IF NOT EXISTS claim_run ON bailey.claim (queue, run, job_type);

        -- The due times of rows that are held by deferring them.
        CREATE TABLE IF NOT EXISTS bailey.held (
            queue text NOT NULL,
            job text NOT NULL,
            due text,
            PRIMARY KEY (queue, job)
        );

        -- What a worker did that one which locks rows cannot do.
        CREATE TABLE IF NOT EXISTS bailey.sighting (
            queue text NOT NULL,
            job text NOT NULL,
            job_type text,
            what text NOT NULL,
            application text,
            seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
        );
        """

    /// What the functions below share.
    static let helpers = """
        -- A job's bucket from 0 to 99: the first four bytes of the SHA-256 of its id's text, modulo 100.
        CREATE OR REPLACE FUNCTION bailey.bucket(job text) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $bailey$
            SELECT (('x' || encode(substr(sha256(convert_to(job, 'UTF8')), 1, 4), 'hex'))::bit(32)::bigint % 100)::integer
        $bailey$;

        -- A payload as JSON; one that is no JSON is a JSON string.
        CREATE OR REPLACE FUNCTION bailey.parsed(payload text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $bailey$
        BEGIN
            RETURN payload::jsonb;
        EXCEPTION WHEN invalid_text_representation OR untranslatable_character OR numeric_value_out_of_range THEN
            RETURN to_jsonb(payload);
        END $bailey$;

        -- Whether a transaction of this database that began to write before another is under way still; those of others do not matter.
        CREATE OR REPLACE FUNCTION bailey.under_way(since xid8) RETURNS boolean LANGUAGE plpgsql
        SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
        BEGIN
            IF pg_snapshot_xmin(pg_current_snapshot()) >= since THEN
                RETURN false;
            END IF;
            RETURN EXISTS (
                SELECT FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
                WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
                    AND age(l.transactionid) > age(since::xid) AND (a.datname IS NULL OR a.datname = current_database())
            );
        END $bailey$;

        -- Refuses a queue that is not installed.
        CREATE OR REPLACE FUNCTION bailey.known(the_queue text) RETURNS void LANGUAGE plpgsql STABLE
        SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
        BEGIN
            IF NOT EXISTS (SELECT FROM bailey.queue WHERE queue = the_queue) THEN
                RAISE EXCEPTION 'BAILEY: the switch is not installed on queue %', quote_literal(the_queue);
            END IF;
        END $bailey$;
        """
}
