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

-- Begins to move a job type, or changes its share. Answers: closed, again, held (by another pipeline),
-- begun or finished (its retirement).
CREATE OR REPLACE FUNCTION bailey.close(
    the_queue text, the_type text, the_share integer, the_pipeline text, the_operator text, must_drain boolean, the_pause interval
) RETURNS TABLE (answer text, fence bigint, state text, pipeline text) LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s' AS $bailey$
#variable_conflict use_column
DECLARE
    switch bailey.switch;
    said text := 'closed';
BEGIN
    PERFORM bailey.known(the_queue);
    INSERT INTO bailey.switch AS s (queue, job_type, state, share, fence, pipeline, by, drain, pause, first_closed_at, closed_at)
    VALUES (the_queue, the_type, 'legacy', 0, 0, the_pipeline, the_operator, must_drain, the_pause, now(), now())
    ON CONFLICT DO NOTHING;
    SELECT * INTO STRICT switch FROM bailey.switch s WHERE s.queue = the_queue AND s.job_type = the_type FOR UPDATE;
    IF switch.retirement IS NOT NULL THEN
        said := switch.retirement;
    ELSIF switch.state <> 'legacy' AND switch.pipeline <> the_pipeline THEN
        said := 'held';
    ELSIF switch.state <> 'legacy' AND switch.share = the_share THEN
        said := 'again';
    ELSE
        -- A smaller share takes nothing from legacy, so nothing has to be held or drained.
        UPDATE bailey.switch s SET
            state = CASE WHEN s.state = 'airflow' AND the_share < s.share THEN 'airflow' ELSE 'closing' END,
            share = the_share, fence = s.fence + 1, pipeline = the_pipeline, by = the_operator,
            drain = CASE WHEN s.state = 'legacy' THEN must_drain ELSE s.drain OR must_drain END,
            pause = the_pause, closed_at = now(), since = NULL, quiet_since = NULL, swept = true
        WHERE s.queue = the_queue AND s.job_type = the_type
        RETURNING * INTO switch;
    END IF;
    RETURN QUERY SELECT said, switch.fence, switch.state, switch.pipeline;
END $bailey$;

-- Holds some of the waiting rows that are Airflow's from now on; how many.
CREATE OR REPLACE FUNCTION bailey.hold(the_queue text, the_type text, most integer) RETURNS integer LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
DECLARE
    found integer;
BEGIN
    PERFORM bailey.known(the_queue);
    EXECUTE format('SELECT bailey.%I($1, $2)', 'hold:' || the_queue) INTO found USING the_type, most;
    RETURN found;
END $bailey$;

-- How many rows of a type are where.
CREATE OR REPLACE FUNCTION bailey.look(the_queue text, the_type text)
RETURNS TABLE (waiting bigint, outside bigint, retries bigint, held bigint, due bigint, claimed bigint, running bigint, stuck bigint, last_begun timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
BEGIN
    PERFORM bailey.known(the_queue);
    RETURN QUERY EXECUTE format('SELECT * FROM bailey.%I($1)', 'look:' || the_queue) USING the_type;
END $bailey$;

-- Ends the closing of a job type once nothing of it is under way. Answers: ok, again, changed, waiting (for pending, transactions,
-- running or pause; and how many, or how many seconds).
CREATE OR REPLACE FUNCTION bailey.settle(the_queue text, the_type text, the_fence bigint)
RETURNS TABLE (answer text, reason text, amount bigint) LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s' AS $bailey$
DECLARE
    switch bailey.switch;
    sight record;
BEGIN
    PERFORM bailey.known(the_queue);
    SELECT * INTO switch FROM bailey.switch s WHERE s.queue = the_queue AND s.job_type = the_type FOR UPDATE;
    IF switch.fence IS DISTINCT FROM the_fence OR switch.state = 'legacy' THEN
        RETURN QUERY SELECT 'changed', coalesce(switch.state, 'legacy'), coalesce(switch.fence, 0);
        RETURN;
    END IF;
    IF switch.state = 'airflow' THEN
        RETURN QUERY SELECT 'again', '', 0::bigint;
        RETURN;
    END IF;
    -- A row that a transaction wrote before it could see the closing is found only after that transaction has ended.
    IF switch.since IS NULL THEN
        switch.since := pg_current_xact_id();
        UPDATE bailey.switch s SET since = switch.since WHERE s.queue = the_queue AND s.job_type = the_type;
    END IF;
    IF bailey.under_way(switch.since) THEN
        RETURN QUERY SELECT 'waiting', 'transactions', 0::bigint;
        RETURN;
    END IF;
    SELECT * INTO sight FROM bailey.look(the_queue, the_type);
    IF sight.waiting > 0 THEN
        RETURN QUERY SELECT 'waiting', 'pending', sight.waiting;
        RETURN;
    END IF;
    IF switch.drain THEN
        IF sight.running > 0 THEN
            UPDATE bailey.switch s SET quiet_since = NULL WHERE s.queue = the_queue AND s.job_type = the_type;
            RETURN QUERY SELECT 'waiting', 'running', sight.running;
            RETURN;
        END IF;
        IF switch.quiet_since IS NULL OR sight.last_begun >= switch.quiet_since THEN
            switch.quiet_since := clock_timestamp();
            UPDATE bailey.switch s SET quiet_since = switch.quiet_since WHERE s.queue = the_queue AND s.job_type = the_type;
        END IF;
        IF clock_timestamp() < switch.quiet_since + switch.pause THEN
            RETURN QUERY SELECT 'waiting', 'pause', ceil(extract(epoch FROM switch.quiet_since + switch.pause - clock_timestamp()))::bigint;
            RETURN;
        END IF;
    END IF;
    UPDATE bailey.switch s SET state = 'airflow', settled_at = clock_timestamp(), since = NULL, quiet_since = NULL
    WHERE s.queue = the_queue AND s.job_type = the_type;
    RETURN QUERY SELECT 'ok', '', 0::bigint;
END $bailey$;

-- Gives a job type back in this one transaction: what no run has taken waits for legacy again, as it was. Answers: released, legacy (it
-- was never closed, or given back before), held (by another pipeline), begun (its retirement); how many rows; how many claims are open still.
CREATE OR REPLACE FUNCTION bailey.release(the_queue text, the_type text, the_pipeline text, the_operator text)
RETURNS TABLE (answer text, amount bigint, claimed bigint, fence bigint) LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s' AS $bailey$
#variable_conflict use_column
DECLARE
    switch bailey.switch;
    said text := 'released';
    number bigint := 0;
BEGIN
    PERFORM bailey.known(the_queue);
    -- Waits for takes that are under way, and keeps new ones out.
    SELECT * INTO switch FROM bailey.switch s WHERE s.queue = the_queue AND s.job_type = the_type FOR UPDATE;
    IF switch.state IS NULL OR switch.state = 'legacy' THEN
        said := 'legacy';
    ELSIF switch.pipeline <> the_pipeline THEN
        said := 'held';
    ELSIF switch.retirement = 'begun' THEN
        -- Its DAG has no gate, or is about to have none: both sides would run the jobs.
        said := 'begun';
    ELSE
        UPDATE bailey.switch s SET state = 'legacy', fence = s.fence + 1, by = the_operator, given_back_at = clock_timestamp(),
            since = NULL, quiet_since = NULL, swept = false
        WHERE s.queue = the_queue AND s.job_type = the_type
        RETURNING * INTO switch;
    END IF;
    IF said NOT IN ('held', 'begun') THEN
        EXECUTE format('SELECT bailey.%I($1)', 'release:' || the_queue) INTO number USING the_type;
    END IF;
    RETURN QUERY SELECT said, number,
        (SELECT count(*) FROM bailey.claim c WHERE c.queue = the_queue AND c.job_type = the_type AND c.finished_at IS NULL),
        coalesce(switch.fence, 0);
END $bailey$;

-- Releases what transactions that had not seen the giving back have held since; whether none of them is left.
CREATE OR REPLACE FUNCTION bailey.sweep(the_queue text, the_type text) RETURNS TABLE (done boolean, amount bigint) LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s' AS $bailey$
#variable_conflict use_column
DECLARE
    switch bailey.switch;
    number bigint;
    complete boolean := false;
BEGIN
    PERFORM bailey.known(the_queue);
    SELECT * INTO switch FROM bailey.switch s WHERE s.queue = the_queue AND s.job_type = the_type FOR UPDATE;
    IF switch.state IS DISTINCT FROM 'legacy' THEN
        RETURN QUERY SELECT switch.state IS NULL, 0::bigint;
        RETURN;
    END IF;
    IF switch.since IS NULL THEN
        UPDATE bailey.switch s SET since = pg_current_xact_id() WHERE s.queue = the_queue AND s.job_type = the_type;
    ELSE
        complete := NOT bailey.under_way(switch.since);
    END IF;
    EXECUTE format('SELECT bailey.%I($1)', 'release:' || the_queue) INTO number USING the_type;
    IF complete AND NOT switch.swept THEN
        UPDATE bailey.switch s SET swept = true WHERE s.queue = the_queue AND s.job_type = the_type;
    END IF;
    RETURN QUERY SELECT complete OR switch.swept, number;
END $bailey$;

-- Takes due jobs for a run, or tells those that the run has taken before and not finished: a run takes once.
CREATE OR REPLACE FUNCTION bailey.take(the_queue text, the_type text, the_run text, most integer)
RETURNS TABLE (job text, payload jsonb, attempt integer, key text) LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
BEGIN
    PERFORM bailey.known(the_queue);
    RETURN QUERY EXECUTE format('SELECT * FROM bailey.%I($1, $2, $3)', 'take:' || the_queue) USING the_type, the_run, most;
END $bailey$;

-- Settles one job of a run: success or failed. Answers what became of it: success, failed, retry (waits for its next attempt, Airflow's),
-- released (the same, but legacy's again), overtaken (somebody else has changed the row), returned (a person gave the claim back), unknown.
CREATE OR REPLACE FUNCTION bailey.finish(the_queue text, the_job text, the_run text, the_state text, the_error text)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
DECLARE
    said text;
BEGIN
    PERFORM bailey.known(the_queue);
    IF the_state NOT IN ('success', 'failed') THEN
        RAISE EXCEPTION 'BAILEY: a job ends in success or failed, not in %', quote_nullable(the_state);
    END IF;
    EXECUTE format('SELECT bailey.%I($1, $2, $3, $4)', 'finish:' || the_queue) INTO said USING the_job, the_run, the_state, the_error;
    RETURN said;
END $bailey$;

-- Returns the open claims of runs that a person calls dead; how many.
CREATE OR REPLACE FUNCTION bailey.give_up(the_queue text, the_type text, the_runs text[], the_operator text)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
DECLARE
    number bigint;
BEGIN
    PERFORM bailey.known(the_queue);
    EXECUTE format('SELECT bailey.%I($1, $2, $3)', 'give_up:' || the_queue) INTO number USING the_type, the_runs, the_operator;
    RETURN number;
END $bailey$;

-- What a run may do with jobs of a type: live, closing (ask again) or shadow. A run that holds a claim is live until it is finished.
-- Not to be called in the transaction that closed or released the type.
CREATE OR REPLACE FUNCTION bailey.mode(the_queue text, the_type text, the_run text DEFAULT NULL) RETURNS text LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
DECLARE
    switch bailey.switch;
BEGIN
    IF EXISTS (SELECT FROM bailey.claim c
               WHERE c.queue = the_queue AND c.run = the_run AND c.job_type = the_type AND c.finished_at IS NULL) THEN
        RETURN 'live';
    END IF;
    SELECT * INTO switch FROM bailey.switch s WHERE s.queue = the_queue AND s.job_type = the_type;
    -- Whoever asks brings on what a Bailey that was killed has left half done.
    IF current_setting('transaction_read_only') = 'off' THEN
        IF switch.state = 'closing' THEN
            PERFORM bailey.hold(the_queue, the_type, 1000);
            PERFORM bailey.settle(the_queue, the_type, switch.fence);
            SELECT * INTO switch FROM bailey.switch s WHERE s.queue = the_queue AND s.job_type = the_type;
        ELSIF switch.state = 'legacy' AND switch.given_back_at > now() - interval '1 day' THEN
            PERFORM bailey.sweep(the_queue, the_type);
        END IF;
    END IF;
    RETURN CASE switch.state WHEN 'airflow' THEN 'live' WHEN 'closing' THEN 'closing' ELSE 'shadow' END;
END $bailey$;

-- Marks a job type whose DAG is to have no gate, or takes the mark away. Answers: ok, changed (it is not wholly Airflow's, by this pipeline).
CREATE OR REPLACE FUNCTION bailey.mark(the_queue text, the_type text, the_pipeline text, begins boolean) RETURNS text LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s' AS $bailey$
BEGIN
    PERFORM bailey.known(the_queue);
    UPDATE bailey.switch s SET retirement = CASE WHEN begins THEN 'begun' END
    WHERE s.queue = the_queue AND s.job_type = the_type AND s.pipeline = the_pipeline AND s.state = 'airflow' AND s.share = 100;
    RETURN CASE WHEN FOUND THEN 'ok' ELSE 'changed' END;
END $bailey$;

-- Lets the held jobs of a marked type wait as they were, for a DAG that asks no switch, in this one transaction; from now on the triggers leave
-- the type alone. Answers: ok, again, changed, claimed (runs have jobs that they have not finished); how many rows, or how many such jobs.
CREATE OR REPLACE FUNCTION bailey.hand_over(the_queue text, the_type text, the_pipeline text, the_operator text)
RETURNS TABLE (answer text, amount bigint) LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s' AS $bailey$
DECLARE
    switch bailey.switch;
    number bigint;
BEGIN
    PERFORM bailey.known(the_queue);
    -- Waits for takes that are under way, and keeps new ones out.
    SELECT * INTO switch FROM bailey.switch s WHERE s.queue = the_queue AND s.job_type = the_type FOR UPDATE;
    IF switch.retirement = 'finished' THEN
        RETURN QUERY SELECT 'again', 0::bigint;
        RETURN;
    END IF;
    IF switch.retirement IS DISTINCT FROM 'begun' OR switch.state <> 'airflow' OR switch.pipeline <> the_pipeline THEN
        RETURN QUERY SELECT 'changed', 0::bigint;
        RETURN;
    END IF;
    SELECT count(*) INTO number FROM bailey.claim c WHERE c.queue = the_queue AND c.job_type = the_type AND c.finished_at IS NULL;
    IF number > 0 THEN
        RETURN QUERY SELECT 'claimed', number;
        RETURN;
    END IF;
    UPDATE bailey.switch s SET state = 'legacy', retirement = 'finished', fence = s.fence + 1, by = the_operator,
        given_back_at = clock_timestamp(), since = NULL, quiet_since = NULL, swept = false
    WHERE s.queue = the_queue AND s.job_type = the_type;
    EXECUTE format('SELECT bailey.%I($1)', 'release:' || the_queue) INTO number USING the_type;
    RETURN QUERY SELECT 'ok', number;
END $bailey$;

-- The functions and triggers of one queue.

CREATE OR REPLACE FUNCTION bailey."arrival:jobs"() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' AS $bailey$
DECLARE
    switch bailey.switch;
    claim bailey.claim;
BEGIN
    IF current_setting('bailey.acting', true) = 'on' THEN
        RETURN new;
    END IF;
    IF tg_op = 'UPDATE' THEN
        -- The open claim, or else the latest.
        SELECT * INTO claim FROM bailey.claim c WHERE c.queue = 'jobs' AND c.job = old."id"::text
        ORDER BY c.finished_at DESC NULLS FIRST LIMIT 1;
        IF new."status" IN ('running') THEN
            -- A worker that locks rows never begins one that does not wait for it.
            IF claim.run IS NOT NULL AND (claim.finished_at IS NULL OR old."status" IN ('completed') OR old."status" IN ('failed')) THEN
                RAISE EXCEPTION 'BAILEY: job % was taken by the Airflow run %', old."id", claim.run
                USING ERRCODE = 'lock_not_available', HINT = 'The worker began a row that it had read before without a row lock.';
            END IF;
            IF old."status" IN ('running') AND old."started_at" IS NOT DISTINCT FROM new."started_at" THEN
                RETURN new;
            END IF;
            INSERT INTO bailey.sighting (queue, job, job_type, what, application)
            VALUES ('jobs', old."id"::text, old."job_type"::text, old."status"::text || ' to ' || new."status"::text,
                current_setting('application_name'));
            RETURN new;
        END IF;
        IF claim.run IS NOT NULL AND claim.finished_at IS NULL THEN
            -- Queued anew in the middle of a run: it stays the run's.
            new."status" := 'bailey_claimed';
            RETURN new;
        END IF;
    END IF;
    -- So that who reads the switch before it changes is seen to be under way afterwards.
    PERFORM pg_current_xact_id();
    SELECT * INTO switch FROM bailey.switch s WHERE s.queue = 'jobs' AND s.job_type = new."job_type"::text;
    IF switch.state IS NULL OR switch.state = 'legacy' THEN
        RETURN new;
    END IF;
    IF tg_op = 'UPDATE' AND old."status" IN ('bailey_held', 'bailey_claimed') THEN
        -- Held already, whatever the share is now.
        new."status" := coalesce(CASE new."status" WHEN 'pending' THEN 'bailey_held' END, new."status"::text);
        RETURN new;
    END IF;
    IF bailey.bucket(new."id"::text) >= switch.share THEN
        RETURN new;
    END IF;
    IF tg_op = 'UPDATE' THEN
        -- A job that legacy has begun stays legacy's, all its retries too.
        IF old."status" IN ('running') OR (old."status" IN ('pending') AND (coalesce(new."retry_count" > 0, false) OR new."started_at" IS NOT NULL)) THEN
            RETURN new;
        END IF;
    END IF;
    new."status" := coalesce(CASE new."status" WHEN 'pending' THEN 'bailey_held' END, new."status"::text);
    RETURN new;
END $bailey$;

CREATE OR REPLACE FUNCTION bailey."hold:jobs"(the_type text, most integer) RETURNS integer LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' SET timezone = 'UTC' SET lock_timeout = '10s' SET "bailey.acting" = 'on' AS $bailey$
DECLARE
    switch bailey.switch;
    number integer;
BEGIN
    SELECT * INTO switch FROM bailey.switch s WHERE s.queue = 'jobs' AND s.job_type = the_type FOR SHARE;
    IF switch.state IS NULL OR switch.state = 'legacy' THEN
        RETURN 0;
    END IF;
    WITH picked AS (
        SELECT j."id" AS id FROM "tasks"."background_jobs" j
        WHERE j."job_type" = the_type AND j."status" IN ('pending') AND NOT (coalesce(j."retry_count" > 0, false) OR j."started_at" IS NOT NULL) AND bailey.bucket(j."id"::text) < switch.share
        LIMIT most FOR UPDATE SKIP LOCKED
    )
    UPDATE "tasks"."background_jobs" j SET "status" = CASE j."status" WHEN 'pending' THEN 'bailey_held' END FROM picked p WHERE j."id" = p.id;
    GET DIAGNOSTICS number = ROW_COUNT;
    RETURN number;
END $bailey$;

CREATE OR REPLACE FUNCTION bailey."look:jobs"(the_type text)
RETURNS TABLE (waiting bigint, outside bigint, retries bigint, held bigint, due bigint, claimed bigint, running bigint, stuck bigint, last_begun timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' SET timezone = 'UTC' AS $bailey$
    WITH switch AS (
        SELECT coalesce((SELECT s.share FROM bailey.switch s WHERE s.queue = 'jobs' AND s.job_type = the_type AND s.state <> 'legacy'), 100) AS share
    ), row AS (
        SELECT bailey.bucket(j."id"::text) < switch.share AS ours, j."status" IN ('pending') AS waits, (coalesce(j."retry_count" > 0, false) OR j."started_at" IS NOT NULL) AS begun,
            j."status" IN ('bailey_held') AS held, j."status" = 'bailey_claimed' AS claimed, j."status" IN ('running') AS running, coalesce(j."next_retry_at" <= now(), true) AS due,
            coalesce(j."started_at" < now() - interval '3600.0 seconds', false) AS old,
            j."started_at"::timestamptz AS started
        FROM "tasks"."background_jobs" j, switch WHERE j."job_type" = the_type
    )
    SELECT count(*) FILTER (WHERE waits AND NOT begun AND ours), count(*) FILTER (WHERE waits AND NOT begun AND NOT ours),
        count(*) FILTER (WHERE waits AND begun), count(*) FILTER (WHERE held), count(*) FILTER (WHERE held AND due),
        count(*) FILTER (WHERE claimed), count(*) FILTER (WHERE running AND ours AND NOT old),
        count(*) FILTER (WHERE running AND ours AND old), max(started) FILTER (WHERE ours AND isfinite(started))
    FROM row
$bailey$;

CREATE OR REPLACE FUNCTION bailey."take:jobs"(the_type text, the_run text, most integer)
RETURNS TABLE (job text, payload jsonb, attempt integer, key text) LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' SET timezone = 'UTC' SET lock_timeout = '10s' SET "bailey.acting" = 'on' AS $bailey$
#variable_conflict use_column
DECLARE
    switch bailey.switch;
BEGIN
    -- Two takes of one run, as after a lost answer, go one after the other.
    PERFORM pg_advisory_xact_lock(hashtextextended('bailey.take ' || the_run || ' ' || the_type, 0));
    SELECT * INTO switch FROM bailey.switch s WHERE s.queue = 'jobs' AND s.job_type = the_type FOR SHARE;
    IF switch.state = 'airflow' AND NOT EXISTS (
        SELECT FROM bailey.claim c WHERE c.queue = 'jobs' AND c.run = the_run AND c.job_type = the_type
    ) THEN
        -- Rows that slipped in as the switch closed; of a worker that does not lock rows they stay legacy's.
        IF NOT switch.drain THEN
            PERFORM bailey."hold:jobs"(the_type, most);
        END IF;
        WITH picked AS (
            SELECT j."id" AS id, j."started_at"::text AS was_started,
                j."status"::text AS was_status, j."created_at" AS o0, j."id" AS o1 FROM "tasks"."background_jobs" j
            WHERE j."job_type" = the_type AND j."status" IN ('bailey_held') AND coalesce(j."next_retry_at" <= now(), true)
            ORDER BY j."created_at", j."id" LIMIT most FOR UPDATE SKIP LOCKED
        ), taken AS (
            UPDATE "tasks"."background_jobs" j SET "status" = 'bailey_claimed', "started_at" = clock_timestamp() FROM picked p WHERE j."id" = p.id
            RETURNING p.id, p.was_started, p.was_status, p.o0, p.o1, j."job_data"::text AS payload,
                coalesce(j."retry_count", 0) + 1 AS attempt, j."job_id"::text AS key
        )
        INSERT INTO bailey.claim (queue, job, job_type, run, fence, attempt, key, payload, was_started, was_status)
        SELECT 'jobs', t.id::text, the_type, the_run, switch.fence, t.attempt, t.key, bailey.parsed(t.payload), t.was_started, t.was_status
        FROM taken t ORDER BY t.o0, t.o1;
        DELETE FROM bailey.claim c WHERE c.place IN (
            SELECT d.place FROM bailey.claim d WHERE d.queue = 'jobs' AND d.finished_at < now() - interval '90 days' LIMIT 200
        );
    END IF;
    RETURN QUERY SELECT c.job, c.payload, c.attempt, c.key FROM bailey.claim c
        WHERE c.queue = 'jobs' AND c.run = the_run AND c.job_type = the_type AND c.finished_at IS NULL ORDER BY c.place;
END $bailey$;

CREATE OR REPLACE FUNCTION bailey."finish:jobs"(the_job text, the_run text, the_state text, the_error text) RETURNS text LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' SET timezone = 'UTC' SET lock_timeout = '10s' SET "bailey.acting" = 'on' AS $bailey$
DECLARE
    switch bailey.switch;
    claim bailey.claim;
    the_id "tasks"."background_jobs"."id"%TYPE := the_job;
    mine boolean;
    said text;
    done integer;
    most integer;
    next_due timestamptz;
BEGIN
    SELECT * INTO claim FROM bailey.claim c WHERE c.queue = 'jobs' AND c.job = the_job AND c.run = the_run;
    IF NOT FOUND THEN
        RETURN 'unknown';
    END IF;
    SELECT * INTO switch FROM bailey.switch s WHERE s.queue = 'jobs' AND s.job_type = claim.job_type FOR SHARE;
    SELECT * INTO claim FROM bailey.claim c WHERE c.queue = 'jobs' AND c.job = the_job AND c.run = the_run FOR UPDATE;
    IF claim.finished_at IS NOT NULL THEN
        RETURN claim.outcome;
    END IF;
    SELECT j."status" = 'bailey_claimed', coalesce(j."retry_count", 0), coalesce(j."max_retries", 0) INTO mine, done, most
    FROM "tasks"."background_jobs" j WHERE j."id" = the_id FOR UPDATE;
    IF mine IS NOT TRUE THEN
        said := 'overtaken';
    ELSIF the_state = 'success' THEN
        said := 'success';
        UPDATE "tasks"."background_jobs" j SET "status" = 'completed', "completed_at" = clock_timestamp() WHERE j."id" = the_id;
    ELSIF done < most THEN
        next_due := clock_timestamp() + least(60.0 * 2.0::float8 ^ done, 86400.0) * interval '1 second';
        IF switch.state IN ('closing', 'airflow') THEN
            said := 'retry';
            UPDATE "tasks"."background_jobs" j SET "status" = 'bailey_held', "retry_count" = done + 1, "next_retry_at" = next_due WHERE j."id" = the_id;
        ELSE
            said := 'released';
            UPDATE "tasks"."background_jobs" j SET "status" = 'pending', "retry_count" = done + 1, "next_retry_at" = next_due WHERE j."id" = the_id;
        END IF;
    ELSE
        said := 'failed';
        UPDATE "tasks"."background_jobs" j SET "status" = 'failed', "completed_at" = clock_timestamp() WHERE j."id" = the_id;
    END IF;
    UPDATE bailey.claim c SET finished_at = clock_timestamp(), outcome = said, error = left(the_error, 2000), payload = NULL
    WHERE c.place = claim.place;
    RETURN said;
END $bailey$;

CREATE OR REPLACE FUNCTION bailey."release:jobs"(the_type text) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' SET timezone = 'UTC' SET lock_timeout = '10s' SET "bailey.acting" = 'on' AS $bailey$
DECLARE
    number bigint;
BEGIN
    -- A row whose type was changed while it was held goes with the first giving back.
    UPDATE "tasks"."background_jobs" j SET "status" = CASE j."status" WHEN 'bailey_held' THEN 'pending' END
    WHERE j."status" IN ('bailey_held') AND (j."job_type" IS NOT DISTINCT FROM the_type OR NOT EXISTS (
        SELECT FROM bailey.switch s WHERE s.queue = 'jobs' AND s.job_type = j."job_type" AND s.state <> 'legacy'
    ));
    GET DIAGNOSTICS number = ROW_COUNT;
    RETURN number;
END $bailey$;

CREATE OR REPLACE FUNCTION bailey."give_up:jobs"(the_type text, the_runs text[], the_operator text) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' SET timezone = 'UTC' SET lock_timeout = '10s' SET "bailey.acting" = 'on' AS $bailey$
DECLARE
    switch bailey.switch;
    claim bailey.claim;
    the_id "tasks"."background_jobs"."id"%TYPE;
    number bigint := 0;
BEGIN
    SELECT * INTO switch FROM bailey.switch s WHERE s.queue = 'jobs' AND s.job_type = the_type FOR UPDATE;
    FOR claim IN SELECT * FROM bailey.claim c
        WHERE c.queue = 'jobs' AND c.job_type = the_type AND c.run = ANY (the_runs) AND c.finished_at IS NULL ORDER BY c.place FOR UPDATE
    LOOP
        the_id := claim.job;
        UPDATE "tasks"."background_jobs" j SET "status" = claim.was_status, "started_at" = claim.was_started::timestamp
        WHERE j."id" = the_id AND j."status" = 'bailey_claimed';
        UPDATE bailey.claim c SET finished_at = clock_timestamp(), outcome = 'returned', error = 'returned by ' || the_operator, payload = NULL
        WHERE c.place = claim.place;
        IF switch.state IS DISTINCT FROM 'airflow' AND switch.state IS DISTINCT FROM 'closing' THEN
            UPDATE "tasks"."background_jobs" j SET "status" = CASE j."status" WHEN 'bailey_held' THEN 'pending' END WHERE j."id" = the_id AND j."status" IN ('bailey_held');
        END IF;
        number := number + 1;
    END LOOP;
    RETURN number;
END $bailey$;

-- Making a trigger locks out writers of the table for an instant.
DROP TRIGGER IF EXISTS bailey_arrival ON "tasks"."background_jobs";
DROP TRIGGER IF EXISTS bailey_change ON "tasks"."background_jobs";
CREATE TRIGGER bailey_arrival BEFORE INSERT ON "tasks"."background_jobs" FOR EACH ROW
WHEN (new."status" IN ('pending')) EXECUTE FUNCTION bailey."arrival:jobs"();
CREATE TRIGGER bailey_change BEFORE UPDATE OF "status", "job_type" ON "tasks"."background_jobs" FOR EACH ROW
WHEN (new."status" IN ('pending') OR (new."status" IN ('running') AND NOT old."status" IN ('pending')))
EXECUTE FUNCTION bailey."arrival:jobs"();

INSERT INTO bailey.queue (queue, on_table, digest) VALUES ('jobs', 'tasks.background_jobs', 'cf7dea45f5a1f117')
ON CONFLICT (queue) DO UPDATE SET on_table = excluded.on_table, digest = excluded.digest, installed_at = now(), installed_by = session_user;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA bailey FROM PUBLIC;
