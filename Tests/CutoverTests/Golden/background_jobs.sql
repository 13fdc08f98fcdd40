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

-- A job's bucket from 0 to 99: the first four bytes of the SHA-256 of its id's text, modulo 100.
CREATE OR REPLACE FUNCTION bailey.bucket(job text) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $bailey$
    SELECT (('x' || encode(substr(sha256(convert_to(job, 'UTF8')), 1, 4), 'hex'))::bit(32)::bigint % 100)::integer
$bailey$;

-- A payload as JSON; one that is no JSON is a JSON string.
CREATE OR REPLACE FUNCTION bailey.parsed(payload text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $bailey$
BEGIN
    RETURN payload::jsonb;
EXCEPTION WHEN invalid_text_representation OR untranslatable_character OR numeric_value_out_of_range OR statement_too_complex
    OR program_limit_exceeded THEN
    RETURN to_jsonb(payload);
END $bailey$;

-- Says whether this transaction writes by Bailey's own hand, which the triggers leave alone, and answers what was said before. It is no
-- setting of the functions that act so: only a superuser may give a function one of a name that the server does not know.
CREATE OR REPLACE FUNCTION bailey.acting(word text) RETURNS text LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
DECLARE
    before text := coalesce(current_setting('bailey.acting', true), '');
BEGIN
    PERFORM set_config('bailey.acting', word, true);
    RETURN before;
END $bailey$;

-- Makes what this transaction writes outlive a crash of the server, and ends it if its client falls silent before it commits.
CREATE OR REPLACE FUNCTION bailey.lasting() RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
BEGIN
    IF current_setting('synchronous_commit') IN ('off', 'local') THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    IF (SELECT setting::bigint NOT BETWEEN 1 AND 60000 FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout') THEN
        PERFORM set_config('idle_in_transaction_session_timeout', '60s', true);
    END IF;
END $bailey$;

-- Whether a transaction of this database may still write by what stood in the switch before: one that began to write before another,
-- prepared ones among them, or, if a moment is given, one that began before it and has a snapshot from before.
CREATE OR REPLACE FUNCTION bailey.under_way(since xid8, moment timestamptz) RETURNS boolean LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
BEGIN
    IF pg_snapshot_xmin(pg_current_snapshot()) < since AND EXISTS (
        SELECT FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid LEFT JOIN pg_prepared_xacts x ON x.transaction = l.transactionid
        WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
            AND age(l.transactionid) > age(since::xid)
            AND coalesce(a.datname, x.database, current_database()) = current_database()
    ) THEN
        RETURN true;
    END IF;
    -- Of other users' sessions the beginning may be out of sight: those count.
    RETURN moment IS NOT NULL AND EXISTS (
        SELECT FROM pg_stat_activity a
        WHERE a.pid <> pg_backend_pid() AND coalesce(a.datname, current_database()) = current_database()
            AND coalesce(a.backend_type, '') NOT IN ('walsender', 'autovacuum worker', 'autovacuum launcher')
            AND age(a.backend_xmin) >= age(since::xid) AND coalesce(a.xact_start <= moment, true)
    );
END $bailey$;
DROP FUNCTION IF EXISTS bailey.under_way(xid8);

-- Refuses a queue that is not installed.
CREATE OR REPLACE FUNCTION bailey.known(the_queue text) RETURNS void LANGUAGE plpgsql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
BEGIN
    IF NOT EXISTS (SELECT FROM bailey.queue WHERE queue = the_queue) THEN
        RAISE EXCEPTION 'BAILEY: the switch is not installed on queue %', quote_literal(the_queue);
    END IF;
END $bailey$;

-- Keeps what went wrong in a trigger, once a minute at most.
CREATE OR REPLACE FUNCTION bailey.trouble(the_queue text, the_error text) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
BEGIN
    INSERT INTO bailey.sighting (queue, job, what, application)
    SELECT the_queue, '', 'trouble: ' || the_error, current_setting('application_name')
    WHERE NOT EXISTS (SELECT FROM bailey.sighting s WHERE s.queue = the_queue AND s.what = 'trouble: ' || the_error
        AND s.seen_at > clock_timestamp() - interval '1 minute');
EXCEPTION WHEN OTHERS THEN
    RETURN;
END $bailey$;

-- The table of a queue and its columns as they are called now: the table is the one that has the queue's trigger, a column the one that had
-- that number in it; in a table that was restored elsewhere, or that was put in the place of the first (as tools do that change tables without
-- locking them), the one of that name. What is gone is missing from names.
CREATE OR REPLACE FUNCTION bailey.located(the_queue text) RETURNS TABLE (on_table oid, names jsonb, layout jsonb) LANGUAGE plpgsql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
#variable_conflict use_column
DECLARE
    known bailey.queue;
    place oid;
    named oid;
BEGIN
    SELECT * INTO STRICT known FROM bailey.queue q WHERE q.queue = the_queue;
    SELECT t.tgrelid INTO place FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE p.pronamespace = 'bailey'::regnamespace AND p.proname = 'arrival:' || the_queue AND NOT t.tgisinternal AND t.tgparentid = 0
    ORDER BY t.tgrelid = known.relation DESC LIMIT 1;
    named := to_regclass(format('%I.%I', split_part(known.on_table, '.', 1), split_part(known.on_table, '.', 2)));
    IF place IS NULL OR (
        named <> place AND EXISTS (SELECT FROM pg_class t WHERE t.oid = named AND t.relkind IN ('r', 'p')) AND NOT EXISTS (
            SELECT FROM jsonb_each(known.layout -> 'columns') c
            WHERE c.key IN ('id', 'type', known.layout ->> 'method') AND NOT EXISTS (
                SELECT FROM pg_attribute a WHERE a.attrelid = named AND a.attname = c.value ->> 'name' AND NOT a.attisdropped)
        )
    ) THEN
        place := named;
    END IF;
    RETURN QUERY SELECT place, coalesce(jsonb_object_agg(c.key,
        CASE WHEN c.value ? 'sql' THEN '(SELECT (' || (c.value ->> 'sql') || ') FROM (SELECT j.*) AS jobs)' ELSE 'j.' || quote_ident(a.attname) END)
        FILTER (WHERE c.value ? 'sql' OR a.attname IS NOT NULL), '{}'), known.layout
    FROM jsonb_each(known.layout -> 'columns') c LEFT JOIN pg_attribute a ON a.attrelid = place AND a.attnum > 0 AND NOT a.attisdropped
        AND CASE WHEN place = known.relation THEN a.attnum = (c.value ->> 'number')::integer ELSE a.attname = c.value ->> 'name' END;
END $bailey$;

-- What tells the held rows of a queue that no run has, as a condition on a row j; and a part of it for each word that they are held under.
CREATE OR REPLACE FUNCTION bailey.mark_of(the_queue text, names jsonb, layout jsonb)
RETURNS TABLE (is_held text, assignment text) LANGUAGE plpgsql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
DECLARE
    free text := format('NOT EXISTS (SELECT FROM bailey.claim c WHERE c.queue = %L AND c.job = %s::text AND c.finished_at IS NULL)',
        the_queue, names ->> 'id');
    kept text := format('FROM bailey.held h WHERE h.queue = %L AND h.job = %s::text', the_queue, names ->> 'id');
    bare text := substr(names ->> (layout ->> 'method'), 3);
BEGIN
    CASE layout ->> 'method'
    WHEN 'status' THEN
        RETURN QUERY SELECT format('%s::text = %L', names ->> 'status', p ->> 1), format('%s = %L', bare, p ->> 0)
            FROM jsonb_array_elements(layout -> 'pairs') p;
    WHEN 'due' THEN
        RETURN QUERY SELECT format('%s > %L AND EXISTS (SELECT %s) AND %s', names ->> 'due', layout ->> 'floor', kept, free),
            format('%s = (SELECT h.due %s)::%s', bare, kept, layout ->> 'due_type');
    WHEN 'queue' THEN
        RETURN QUERY SELECT format('starts_with(%s::text, %L) AND %s', names ->> 'queue', layout ->> 'prefix', free),
            format('%1$s = CASE WHEN length(%2$s::text) > %3$s THEN substr(%2$s::text, %4$s) END', bare, names ->> 'queue',
                length(layout ->> 'prefix'), length(layout ->> 'prefix') + 2);
    END CASE;
END $bailey$;

-- Lets some held rows of a type wait for legacy as they were, those that nobody has locked; how many. A row whose type was changed while it was
-- held goes with the first giving back. Needs the columns of id and type, and the one that marks a held row, however they are called now.
CREATE OR REPLACE FUNCTION bailey.give_back(the_queue text, the_type text, most integer) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' SET timezone = 'UTC' SET lock_timeout = '10s' AS $bailey$
DECLARE
    before text;
    place record;
    mark record;
    found bigint;
    total bigint := 0;
BEGIN
    PERFORM bailey.known(the_queue);
    PERFORM bailey.lasting();
    SELECT * INTO place FROM bailey.located(the_queue);
    PERFORM bailey.complete(the_queue, place.on_table, place.names, place.layout);
    PERFORM set_config('timezone', place.layout ->> 'zone', true);
    -- The application's own triggers fire on what is written here.
    PERFORM set_config('search_path', coalesce(place.layout ->> 'path', 'pg_catalog, pg_temp'), true);
    before := bailey.acting('on');
    FOR mark IN SELECT * FROM bailey.mark_of(the_queue, place.names, place.layout) LOOP
        EXECUTE format($sql$
            WITH picked AS (
                -- The type of no other row is asked for: an expression may not be able to take it.
                SELECT j.ctid AS at, j.tableoid AS part FROM %1$s j WHERE %2$s AND CASE WHEN %2$s THEN %3$s::text IS NOT DISTINCT FROM $1 OR NOT EXISTS (
                    SELECT FROM bailey.switch s WHERE s.queue = $2 AND s.job_type = %3$s::text AND s.state <> 'legacy') END
                LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED
            ), given AS (
                UPDATE %1$s j SET %4$s FROM picked p WHERE j.ctid = p.at AND j.tableoid = p.part RETURNING %5$s::text AS job
            ), forgotten AS (
                DELETE FROM bailey.held h USING given g WHERE h.queue = $2 AND h.job = g.job
            )
            SELECT count(*) FROM given
            $sql$, place.on_table::regclass, mark.is_held, place.names ->> 'type', mark.assignment, place.names ->> 'id')
        INTO found USING the_type, the_queue, most - total;
        total := total + found;
        EXIT WHEN total >= most;
    END LOOP;
    PERFORM bailey.acting(before);
    RETURN total;
END $bailey$;

-- Refuses a table that is gone, or that has lost a column which giving back needs.
CREATE OR REPLACE FUNCTION bailey.complete(the_queue text, on_table oid, names jsonb, layout jsonb) RETURNS void LANGUAGE plpgsql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
DECLARE
    missing text;
BEGIN
    IF on_table IS NULL THEN
        RAISE EXCEPTION 'BAILEY: the table of queue % is gone', quote_literal(the_queue) USING ERRCODE = 'undefined_table';
    END IF;
    SELECT string_agg(format('%s (%s)', c.value ->> 'name', c.key), ', ' ORDER BY c.key) INTO missing
    FROM jsonb_each(layout -> 'columns') c WHERE names ->> c.key IS NULL AND c.key IN ('id', 'type', layout ->> 'method');
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'BAILEY: % has lost the columns %', on_table::regclass, missing USING ERRCODE = 'undefined_column';
    END IF;
END $bailey$;

-- How many rows of a type are held and no run has.
CREATE OR REPLACE FUNCTION bailey.held_now(the_queue text, the_type text) RETURNS bigint LANGUAGE plpgsql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' AS $bailey$
DECLARE
    place record;
    number bigint;
BEGIN
    PERFORM bailey.known(the_queue);
    SELECT * INTO place FROM bailey.located(the_queue);
    PERFORM bailey.complete(the_queue, place.on_table, place.names, place.layout);
    EXECUTE format('SELECT count(*) FROM %1$s j WHERE (%3$s) AND CASE WHEN %3$s THEN %2$s::text = $1 END', place.on_table::regclass, place.names ->> 'type',
        (SELECT string_agg(format('(%s)', m.is_held), ' OR ') FROM bailey.mark_of(the_queue, place.names, place.layout) m))
    INTO number USING the_type;
    RETURN number;
END $bailey$;

-- Rows that are held although their type is legacy's, by type.
CREATE OR REPLACE FUNCTION bailey.stranded(the_queue text) RETURNS TABLE (job_type text, amount bigint) LANGUAGE plpgsql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' AS $bailey$
DECLARE
    place record;
BEGIN
    PERFORM bailey.known(the_queue);
    SELECT * INTO place FROM bailey.located(the_queue);
    PERFORM bailey.complete(the_queue, place.on_table, place.names, place.layout);
    RETURN QUERY EXECUTE format($sql$
        SELECT %2$s::text, count(*) FROM %1$s j WHERE (%3$s) AND NOT EXISTS (
            SELECT FROM bailey.switch s WHERE s.queue = $1 AND s.job_type = %2$s::text AND s.state <> 'legacy') GROUP BY 1 ORDER BY 1
        $sql$, place.on_table::regclass, place.names ->> 'type',
        (SELECT string_agg(format('(%s)', m.is_held), ' OR ') FROM bailey.mark_of(the_queue, place.names, place.layout) m))
    USING the_queue;
END $bailey$;

-- Whose locks keep held rows of a type from being given back: sessions and prepared transactions. Where it cannot be told by the rows, those that
-- have rows of the table locked.
CREATE OR REPLACE FUNCTION bailey.blockers(the_queue text, the_type text)
RETURNS TABLE (pid integer, name text, state text, query text, since timestamptz) LANGUAGE plpgsql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' AS $bailey$
#variable_conflict use_column
DECLARE
    place record;
    lockers text[];
BEGIN
    SELECT * INTO place FROM bailey.located(the_queue);
    PERFORM bailey.complete(the_queue, place.on_table, place.names, place.layout);
    EXECUTE format('SELECT array_agg(DISTINCT x) FROM (SELECT j.xmax::text AS x FROM %1$s j WHERE (%3$s) AND CASE WHEN %3$s THEN %2$s::text = $1 END AND j.xmax <> ''0'' LIMIT 1000) r',
        place.on_table::regclass, place.names ->> 'type',
        (SELECT string_agg(format('(%s)', m.is_held), ' OR ') FROM bailey.mark_of(the_queue, place.names, place.layout) m))
    INTO lockers USING the_type;
    RETURN QUERY SELECT a.pid, a.application_name, a.state, left(a.query, 200), a.xact_start FROM pg_stat_activity a
        WHERE a.backend_xid::text = ANY (lockers) AND a.pid <> pg_backend_pid()
        UNION ALL SELECT NULL, 'prepared transaction ' || x.gid, 'prepared', NULL, x.prepared FROM pg_prepared_xacts x
        WHERE x.transaction::text = ANY (lockers);
    IF NOT FOUND THEN
        RETURN QUERY SELECT a.pid, a.application_name, a.state, left(a.query, 200), a.xact_start FROM pg_stat_activity a
            WHERE a.pid <> pg_backend_pid() AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.relation = place.on_table
                AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
                AND l.mode IN ('RowShareLock', 'RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'));
    END IF;
END $bailey$;

-- Gives a job type back: from this transaction on legacy owns it. Held rows that nobody has locked wait for legacy again, as they were, the
-- first ten thousand at once; give_back releases the others. A row that a run has taken is that run's. Answers: released, legacy (it was never
-- closed, or given back before), held (by another pipeline), begun (its retirement); how many rows; how many claims are open still.
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
    PERFORM bailey.lasting();
    -- A take that is under way goes on; what it has taken when it commits is its run's, and the sweep finds what it has held.
    SELECT * INTO switch FROM bailey.switch s WHERE s.queue = the_queue AND s.job_type = the_type FOR NO KEY UPDATE;
    IF switch.state IS NULL OR switch.state = 'legacy' THEN
        said := 'legacy';
    ELSIF switch.pipeline <> the_pipeline THEN
        said := 'held';
    ELSIF switch.retirement = 'begun' THEN
        -- Its DAG has no gate, or is about to have none: both sides would run the jobs.
        said := 'begun';
    ELSE
        UPDATE bailey.switch s SET state = 'legacy', fence = s.fence + 1, by = the_operator, given_back_at = clock_timestamp(),
            since = NULL, since_at = NULL, quiet_since = NULL, swept = false
        WHERE s.queue = the_queue AND s.job_type = the_type
        RETURNING * INTO switch;
    END IF;
    IF said NOT IN ('held', 'begun') THEN
        BEGIN
            number := bailey.give_back(the_queue, the_type, 10000);
        EXCEPTION WHEN OTHERS THEN
            -- That new jobs are legacy's does not wait for those that are held; the next giving back says what was in the way.
            IF sqlstate LIKE '40%' THEN
                RAISE;
            END IF;
        END;
    END IF;
    RETURN QUERY SELECT said, number,
        (SELECT count(*) FROM bailey.claim c WHERE c.queue = the_queue AND c.job_type = the_type AND c.finished_at IS NULL),
        coalesce(switch.fence, 0);
END $bailey$;

-- Releases what transactions that had not seen the giving back have held since; whether none of them is left and no row is held.
CREATE OR REPLACE FUNCTION bailey.sweep(the_queue text, the_type text) RETURNS TABLE (done boolean, amount bigint) LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s' AS $bailey$
#variable_conflict use_column
DECLARE
    switch bailey.switch;
    number bigint;
    complete boolean := false;
BEGIN
    PERFORM bailey.known(the_queue);
    PERFORM bailey.lasting();
    SELECT * INTO switch FROM bailey.switch s WHERE s.queue = the_queue AND s.job_type = the_type FOR NO KEY UPDATE;
    IF switch.state IS DISTINCT FROM 'legacy' THEN
        RETURN QUERY SELECT switch.state IS NULL, 0::bigint;
        RETURN;
    END IF;
    IF switch.since IS NULL OR switch.since_at IS NULL THEN
        UPDATE bailey.switch s SET since = pg_current_xact_id(), since_at = clock_timestamp() WHERE s.queue = the_queue AND s.job_type = the_type;
    ELSE
        -- Of a prepared transaction it is not known which snapshot it had: one that has written into the table counts.
        complete := NOT bailey.under_way(switch.since, switch.since_at) AND NOT EXISTS (
            SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
            WHERE l.locktype = 'relation' AND l.pid IS NULL AND l.mode = 'RowExclusiveLock'
                AND l.relation = (SELECT p.on_table FROM bailey.located(the_queue) p)
        );
    END IF;
    number := bailey.give_back(the_queue, the_type, 10000);
    IF complete AND NOT switch.swept THEN
        complete := bailey.held_now(the_queue, the_type) = 0;
        IF complete THEN
            UPDATE bailey.switch s SET swept = true WHERE s.queue = the_queue AND s.job_type = the_type;
        END IF;
    END IF;
    RETURN QUERY SELECT complete OR (switch.swept AND number = 0), number;
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
    PERFORM bailey.lasting();
    INSERT INTO bailey.switch AS s (queue, job_type, state, share, fence, pipeline, by, drain, pause, first_closed_at, closed_at)
    VALUES (the_queue, the_type, 'legacy', 0, 0, the_pipeline, the_operator, must_drain, the_pause, now(), now())
    ON CONFLICT DO NOTHING;
    SELECT * INTO STRICT switch FROM bailey.switch s WHERE s.queue = the_queue AND s.job_type = the_type FOR NO KEY UPDATE;
    IF switch.retirement IS NOT NULL THEN
        said := switch.retirement;
    ELSIF switch.state <> 'legacy' AND switch.pipeline <> the_pipeline THEN
        said := 'held';
    ELSIF switch.state <> 'legacy' AND switch.share = the_share THEN
        said := 'again';
    ELSE
        IF switch.state = 'legacy' THEN
            DELETE FROM bailey.named n WHERE n.queue = the_queue AND n.job_type = the_type;
        END IF;
        -- A smaller share takes nothing from legacy, so nothing has to be held or drained.
        UPDATE bailey.switch s SET
            state = CASE WHEN s.state = 'airflow' AND the_share < s.share THEN 'airflow' ELSE 'closing' END,
            share = the_share, fence = s.fence + 1, pipeline = the_pipeline, by = the_operator,
            drain = CASE WHEN s.state = 'legacy' THEN must_drain ELSE s.drain OR must_drain END,
            pause = the_pause, closed_at = now(), since = NULL, quiet_since = NULL, swept = true
        WHERE s.queue = the_queue AND s.job_type = the_type
        RETURNING * INTO switch;
    END IF;
    -- The installation that a person names, as a setting of this transaction.
    IF said IN ('closed', 'again') AND coalesce(current_setting('bailey.appoint', true), '') <> '' THEN
        INSERT INTO bailey.named AS n (queue, job_type, installation)
        VALUES (the_queue, the_type, current_setting('bailey.appoint', true))
        ON CONFLICT ON CONSTRAINT named_pkey DO UPDATE SET installation = excluded.installation;
    END IF;
    RETURN QUERY SELECT said, switch.fence, switch.state, switch.pipeline;
END $bailey$;

-- Holds some of the waiting rows that are Airflow's from now on; how many.
CREATE OR REPLACE FUNCTION bailey.hold(the_queue text, the_type text, most integer) RETURNS integer LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
DECLARE
    found integer;
    before text;
BEGIN
    PERFORM bailey.known(the_queue);
    before := bailey.acting('on');
    EXECUTE format('SELECT bailey.%I($1, $2)', 'hold:' || the_queue) INTO found USING the_type, most;
    PERFORM bailey.acting(before);
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
    PERFORM bailey.lasting();
    SELECT * INTO switch FROM bailey.switch s WHERE s.queue = the_queue AND s.job_type = the_type FOR NO KEY UPDATE;
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
    IF bailey.under_way(switch.since, NULL) THEN
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

-- Whether the installation of Airflow that asks (bailey.installation, a setting of its transaction) is the one whose runs take jobs of a type; the
-- first that takes is the one where none was named. A runtime of before this says nothing, and is believed.
CREATE OR REPLACE FUNCTION bailey.is_named(the_queue text, the_type text, takes boolean) RETURNS boolean LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
DECLARE
    asking text := coalesce(current_setting('bailey.installation', true), '');
    named text;
BEGIN
    IF asking = '' THEN
        RETURN true;
    END IF;
    IF takes THEN
        INSERT INTO bailey.named (queue, job_type, installation)
        SELECT the_queue, the_type, asking FROM bailey.switch s
        WHERE s.queue = the_queue AND s.job_type = the_type AND s.state = 'airflow' ON CONFLICT DO NOTHING;
    END IF;
    -- Also of a type that was given back: its runs may have jobs still.
    SELECT n.installation INTO named FROM bailey.named n WHERE n.queue = the_queue AND n.job_type = the_type;
    IF named IS NULL OR named = asking THEN
        RETURN true;
    END IF;
    IF current_setting('transaction_read_only') = 'off' THEN
        INSERT INTO bailey.sighting (queue, job, job_type, what, application)
        SELECT the_queue, '', the_type, 'installation: ' || asking, current_setting('application_name')
        WHERE NOT EXISTS (SELECT FROM bailey.sighting s WHERE s.queue = the_queue AND s.job_type = the_type
            AND s.what = 'installation: ' || asking AND s.seen_at > clock_timestamp() - interval '1 hour');
    END IF;
    RETURN false;
END $bailey$;

-- Takes due jobs for a run, or tells those that the run has taken before and not finished: a run takes once.
CREATE OR REPLACE FUNCTION bailey.take(the_queue text, the_type text, the_run text, most integer)
RETURNS TABLE (job text, payload jsonb, attempt integer, key text) LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
DECLARE
    before text;
BEGIN
    PERFORM bailey.known(the_queue);
    PERFORM bailey.lasting();
    IF NOT bailey.is_named(the_queue, the_type, true) THEN
        RETURN;
    END IF;
    before := bailey.acting('on');
    RETURN QUERY EXECUTE format('SELECT * FROM bailey.%I($1, $2, $3)', 'take:' || the_queue) USING the_type, the_run, most;
    PERFORM bailey.acting(before);
END $bailey$;

-- Settles one job of a run: success or failed. Answers what became of it: success, failed, retry (waits for its next attempt, Airflow's),
-- released (the same, but legacy's again), overtaken (somebody else has changed the row), returned (a person gave the claim back), unknown.
CREATE OR REPLACE FUNCTION bailey.finish(the_queue text, the_job text, the_run text, the_state text, the_error text)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
DECLARE
    said text;
    before text;
BEGIN
    PERFORM bailey.known(the_queue);
    PERFORM bailey.lasting();
    IF the_state NOT IN ('success', 'failed') THEN
        RAISE EXCEPTION 'BAILEY: a job ends in success or failed, not in %', quote_nullable(the_state);
    END IF;
    before := bailey.acting('on');
    EXECUTE format('SELECT bailey.%I($1, $2, $3, $4)', 'finish:' || the_queue) INTO said USING the_job, the_run, the_state, the_error;
    PERFORM bailey.acting(before);
    RETURN said;
END $bailey$;

-- Returns the open claims of runs that a person calls dead; how many.
CREATE OR REPLACE FUNCTION bailey.give_up(the_queue text, the_type text, the_runs text[], the_operator text)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
DECLARE
    number bigint;
    before text;
BEGIN
    PERFORM bailey.known(the_queue);
    PERFORM bailey.lasting();
    before := bailey.acting('on');
    EXECUTE format('SELECT bailey.%I($1, $2, $3)', 'give_up:' || the_queue) INTO number USING the_type, the_runs, the_operator;
    PERFORM bailey.acting(before);
    RETURN number;
END $bailey$;

-- What a run may do with jobs of a type: live, closing (ask again) or shadow. A run that holds a claim is live until it is finished.
-- Not to be called in the transaction that closed or released the type.
CREATE OR REPLACE FUNCTION bailey.mode(the_queue text, the_type text, the_run text DEFAULT NULL) RETURNS text LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
DECLARE
    switch bailey.switch;
BEGIN
    IF NOT bailey.is_named(the_queue, the_type, false) THEN
        RETURN 'shadow';
    END IF;
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

-- Whether a run would find a job of a type to take now, or has one still: what a run asks that waits for jobs. It takes nothing.
CREATE OR REPLACE FUNCTION bailey.is_due(the_queue text, the_type text, the_run text DEFAULT NULL) RETURNS boolean LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
DECLARE
    found boolean;
BEGIN
    PERFORM bailey.known(the_queue);
    IF EXISTS (SELECT FROM bailey.claim c
               WHERE c.queue = the_queue AND c.run = the_run AND c.job_type = the_type AND c.finished_at IS NULL) THEN
        RETURN true;
    END IF;
    IF NOT bailey.is_named(the_queue, the_type, false) THEN
        RETURN false;
    END IF;
    EXECUTE format('SELECT bailey.%I($1)', 'due:' || the_queue) INTO found USING the_type;
    RETURN found;
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
    PERFORM bailey.lasting();
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
        given_back_at = clock_timestamp(), since = NULL, since_at = NULL, quiet_since = NULL, swept = false
    WHERE s.queue = the_queue AND s.job_type = the_type;
    number := bailey.give_back(the_queue, the_type, 2147483647);
    RETURN QUERY SELECT 'ok', number;
END $bailey$;


-- The functions and triggers of one queue.

CREATE OR REPLACE FUNCTION bailey."arrival:jobs"() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' SET timezone = 'UTC' AS $bailey$
#variable_conflict use_column
DECLARE
    switch bailey.switch;
    claim bailey.claim;
    the_job text;
    the_type text;
    taken_by text;
    seen text;
    gone boolean := false;
    again boolean := false;
BEGIN
    IF current_setting('bailey.acting', true) = 'on' THEN
        RETURN new;
    END IF;
    -- What is decided is decided here, and nothing is written; what goes wrong is the switch's trouble and not the application's.
    <<deciding>>
    LOOP BEGIN
        IF tg_op = 'UPDATE' THEN
            -- A worker's own step, and changes of what does not matter here.
            IF (new."status"::text IN ('running') AND old."status"::text IN ('pending')) OR ((new."status"::text IS NOT DISTINCT FROM old."status"::text AND new."job_type"::text IS NOT DISTINCT FROM old."job_type"::text) AND new."status"::text NOT IN ('running'))
                OR (NOT (old."status"::text IN ('bailey_held', 'bailey_claimed')) AND new."status"::text NOT IN ('pending') AND new."status"::text NOT IN ('running')) THEN
                RETURN new;
            END IF;
            the_job := old."id"::text;
            the_type := old."job_type"::text;
            -- The open claim, or else the latest.
            SELECT * INTO claim FROM bailey.claim c WHERE c.queue = 'jobs' AND c.job = the_job AND NOT c.former
            ORDER BY c.finished_at DESC NULLS FIRST, c.place DESC LIMIT 1;
            IF new."status"::text IN ('running') THEN
                -- A worker that locks rows never begins one that does not wait for it.
                IF claim.run IS NOT NULL AND (claim.finished_at IS NULL OR old."status"::text IN ('completed') OR old."status"::text IN ('failed')) THEN
                    taken_by := claim.run;
                ELSIF NOT (old."status"::text IN ('running') AND old."started_at" IS NOT DISTINCT FROM new."started_at") THEN
                    seen := old."status"::text || ' to ' || new."status"::text;
                END IF;
                EXIT deciding;
            END IF;
            IF claim.run IS NOT NULL AND claim.finished_at IS NULL AND old."status"::text IN ('bailey_held', 'bailey_claimed') THEN
                IF new."status"::text IN ('pending') THEN
                    -- Queued anew in the middle of a run: it stays the run's.
                    new."status" := 'bailey_claimed';
                ELSIF new."status"::text IS DISTINCT FROM old."status"::text THEN
                    seen := 'taken: ' || coalesce(old."status"::text, 'null') || ' to ' || coalesce(new."status"::text, 'null');
                END IF;
                EXIT deciding;
            END IF;
            IF old."status"::text IN ('bailey_held', 'bailey_claimed') AND NOT (new."status"::text IN ('pending') OR new."status"::text IN ('bailey_held', 'bailey_claimed')) THEN
                -- The application has ended or cancelled a held job; a worker that has run it did not lock it.
                IF new."status"::text IN ('completed') OR new."status"::text IN ('failed') THEN
                    seen := 'held: ' || old."status"::text || ' to ' || new."status"::text;
                END IF;
                EXIT deciding;
            END IF;
        ELSE
            the_job := new."id"::text;
            -- A claim belongs to its row, not to another one that has got its id.
            gone := EXISTS (SELECT FROM bailey.claim c WHERE c.queue = 'jobs' AND c.job = the_job AND NOT c.former)
                AND NOT EXISTS (SELECT FROM "tasks"."background_jobs" j WHERE j."id" = new."id");
        END IF;
        IF NOT (new."status"::text IN ('pending') OR new."status"::text IN ('bailey_held', 'bailey_claimed')) THEN
            EXIT deciding;
        END IF;
        the_type := new."job_type"::text;
        -- So that who reads the switch before it changes is seen to be under way afterwards.
        PERFORM pg_current_xact_id();
        SELECT * INTO switch FROM bailey.switch s WHERE s.queue = 'jobs' AND s.job_type = the_type;
        IF switch.state IS NULL OR switch.state = 'legacy' THEN
            -- One that was held for Airflow and whose type is legacy's now.
            IF tg_op = 'UPDATE' AND new."status"::text IN ('bailey_held') THEN
                new."status" := 'pending';
            END IF;
            EXIT deciding;
        END IF;
        IF tg_op = 'UPDATE' THEN
            IF old."status"::text IN ('bailey_held', 'bailey_claimed') THEN
                -- Held already, whatever the share is now.
                IF new."status"::text IN ('pending') THEN
                    new."status" := 'bailey_held';
                END IF;
                EXIT deciding;
            END IF;
            -- A job that legacy has begun stays legacy's, all its retries too.
            IF old."status"::text IN ('running') OR (old."status"::text IN ('pending') AND (least(greatest(coalesce(new."retry_count"::numeric, 0), 0), 1000000)::integer > 0 OR new."started_at" IS NOT NULL)) THEN
                EXIT deciding;
            END IF;
        END IF;
        IF bailey.bucket(the_job) < switch.share THEN
            IF new."status"::text IN ('pending') THEN
                new."status" := 'bailey_held';
            END IF;
        END IF;
        EXIT deciding;
    EXCEPTION WHEN OTHERS THEN
        -- What asks for the transaction to be tried again is the application's to hear.
        IF sqlstate LIKE '40%' THEN
            RAISE;
        END IF;
        -- A column has got another type since this session planned what reads it.
        IF sqlstate = '42804' AND NOT again THEN
            again := true;
            EXECUTE 'DISCARD PLANS';
            CONTINUE deciding;
        END IF;
        PERFORM bailey.trouble('jobs', sqlerrm);
        RETURN new;
    END; END LOOP deciding;
    IF taken_by IS NOT NULL THEN
        RAISE EXCEPTION 'BAILEY: job % was taken by the Airflow run %', the_job, taken_by
        USING ERRCODE = 'lock_not_available', HINT = 'The worker began a row that it had read before without a row lock.';
    END IF;
    IF seen IS NOT NULL THEN
        INSERT INTO bailey.sighting (queue, job, job_type, what, application)
        VALUES ('jobs', the_job, the_type, seen, current_setting('application_name'));
    END IF;
    IF gone THEN
        UPDATE bailey.claim c SET former = true, payload = NULL, stored = NULL, finished_at = coalesce(c.finished_at, clock_timestamp()),
            outcome = coalesce(c.outcome, 'overtaken'), error = CASE WHEN c.finished_at IS NULL THEN 'its row is gone; another one has its id' ELSE c.error END
        WHERE c.queue = 'jobs' AND c.job = the_job AND NOT c.former;
    END IF;
    RETURN new;
END $bailey$;

CREATE OR REPLACE FUNCTION bailey."gone:jobs"() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' SET timezone = 'UTC' AS $bailey$
#variable_conflict use_column
DECLARE
    the_job text;
    the_type text;
BEGIN
    IF tg_op = 'TRUNCATE' THEN
        UPDATE bailey.claim c SET former = true, payload = NULL, stored = NULL, finished_at = coalesce(c.finished_at, clock_timestamp()),
            outcome = coalesce(c.outcome, 'overtaken'), error = CASE WHEN c.finished_at IS NULL THEN 'the table was emptied' ELSE c.error END
        WHERE c.queue = 'jobs' AND true AND NOT c.former;
        INSERT INTO bailey.sighting (queue, job, what, application)
        SELECT 'jobs', '', 'emptied', current_setting('application_name')
        WHERE EXISTS (SELECT FROM bailey.switch s WHERE s.queue = 'jobs' AND s.state <> 'legacy');
        DELETE FROM bailey.held h WHERE h.queue = 'jobs';
        RETURN NULL;
    END IF;
    BEGIN
        IF NOT old."status"::text IN ('bailey_held', 'bailey_claimed') THEN
            RETURN old;
        END IF;
        the_job := old."id"::text;
        the_type := old."job_type"::text;
        INSERT INTO bailey.sighting (queue, job, job_type, what, application)
        VALUES ('jobs', the_job, the_type, CASE WHEN old."status"::text IN ('bailey_held') THEN 'deleted while held' ELSE 'deleted while a run had it' END, current_setting('application_name'));
        UPDATE bailey.claim c SET former = true, payload = NULL, stored = NULL, finished_at = coalesce(c.finished_at, clock_timestamp()),
            outcome = coalesce(c.outcome, 'overtaken'), error = CASE WHEN c.finished_at IS NULL THEN 'its row was deleted' ELSE c.error END
        WHERE c.queue = 'jobs' AND c.job = the_job AND NOT c.former;
        DELETE FROM bailey.held h WHERE h.queue = 'jobs' AND h.job = the_job;
    EXCEPTION WHEN OTHERS THEN
        IF sqlstate LIKE '40%' THEN
            RAISE;
        END IF;
        IF sqlstate = '42804' THEN
            EXECUTE 'DISCARD PLANS';
        END IF;
        PERFORM bailey.trouble('jobs', sqlerrm);
    END;
    RETURN old;
END $bailey$;

CREATE OR REPLACE FUNCTION bailey."hold:jobs"(the_type text, most integer) RETURNS integer LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' SET timezone = 'UTC' SET lock_timeout = '10s' AS $bailey$
#variable_conflict use_column
DECLARE
    bailey_type ALIAS FOR the_type;
    bailey_most ALIAS FOR most;
    switch bailey.switch;
    number integer;
BEGIN
    SELECT * INTO switch FROM bailey.switch s WHERE s.queue = 'jobs' AND s.job_type = bailey_type FOR KEY SHARE;
    IF switch.state IS NULL OR switch.state = 'legacy' THEN
        RETURN 0;
    END IF;
    WITH picked AS (
        SELECT j."id" AS id FROM "tasks"."background_jobs" j
        WHERE j."job_type"::text = bailey_type AND j."status"::text IN ('pending') AND NOT (least(greatest(coalesce(j."retry_count"::numeric, 0), 0), 1000000)::integer > 0 OR j."started_at" IS NOT NULL) AND bailey.bucket(j."id"::text) < switch.share
        LIMIT bailey_most FOR UPDATE SKIP LOCKED
    )
    UPDATE "tasks"."background_jobs" j SET "status" = 'bailey_held' FROM picked p WHERE j."id" = p.id;
    GET DIAGNOSTICS number = ROW_COUNT;
    RETURN number;
END $bailey$;

CREATE OR REPLACE FUNCTION bailey."look:jobs"(the_type text)
RETURNS TABLE (waiting bigint, outside bigint, retries bigint, held bigint, due bigint, claimed bigint, running bigint, stuck bigint, last_begun timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' SET timezone = 'UTC' AS $bailey$
    WITH switch AS (
        SELECT coalesce((SELECT s.share FROM bailey.switch s WHERE s.queue = 'jobs' AND s.job_type = the_type AND s.state <> 'legacy'), 100) AS share
    ), row AS (
        SELECT bailey.bucket(j."id"::text) < switch.share AS ours, j."status"::text IN ('pending') AS waits, (least(greatest(coalesce(j."retry_count"::numeric, 0), 0), 1000000)::integer > 0 OR j."started_at" IS NOT NULL) AS begun,
            j."status"::text IN ('bailey_held') AS held, j."status"::text = 'bailey_claimed' AS claimed, j."status"::text IN ('running') AS running, coalesce(j."next_retry_at" <= now(), true) AS due,
            coalesce(CASE WHEN j."started_at" BETWEEN '0001-01-03' AND '9999-12-29' THEN (j."started_at" + interval '0')::timestamptz END < now() - interval '3600.0 seconds', false) AS old,
            CASE WHEN j."started_at" BETWEEN '0001-01-03' AND '9999-12-29' THEN (j."started_at" + interval '0')::timestamptz END AS started
        FROM "tasks"."background_jobs" j, switch WHERE j."job_type"::text = the_type
    )
    SELECT count(*) FILTER (WHERE waits AND NOT begun AND ours), count(*) FILTER (WHERE waits AND NOT begun AND NOT ours),
        count(*) FILTER (WHERE waits AND begun), count(*) FILTER (WHERE held), count(*) FILTER (WHERE held AND due),
        count(*) FILTER (WHERE claimed), count(*) FILTER (WHERE running AND ours AND NOT old),
        count(*) FILTER (WHERE running AND ours AND old), max(started) FILTER (WHERE ours)
    FROM row
$bailey$;

CREATE OR REPLACE FUNCTION bailey."take:jobs"(the_type text, the_run text, most integer)
RETURNS TABLE (job text, payload jsonb, attempt integer, key text) LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' SET timezone = 'UTC' SET bytea_output = 'hex' SET lock_timeout = '10s' AS $bailey$
#variable_conflict use_column
DECLARE
    bailey_type ALIAS FOR the_type;
    bailey_most ALIAS FOR most;
    switch bailey.switch;
BEGIN
    -- Two takes of one run, as after a lost answer, go one after the other.
    PERFORM pg_advisory_xact_lock(hashtextextended('bailey.take ' || the_run || ' ' || the_type, 0));
    SELECT * INTO switch FROM bailey.switch s WHERE s.queue = 'jobs' AND s.job_type = bailey_type FOR KEY SHARE;
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
            WHERE j."job_type"::text = bailey_type AND j."status"::text IN ('bailey_held') AND coalesce(j."next_retry_at" <= now(), true)
            ORDER BY j."created_at", j."id" LIMIT bailey_most FOR UPDATE SKIP LOCKED
        ), taken AS (
            UPDATE "tasks"."background_jobs" j SET "status" = 'bailey_claimed', "started_at" = clock_timestamp() FROM picked p WHERE j."id" = p.id
            RETURNING p.id, p.was_started, p.was_status, p.o0, p.o1, j."job_data"::text AS payload,
                least(greatest(coalesce(j."retry_count"::numeric, 0), 0), 1000000)::integer + 1 AS attempt, j."job_id"::text AS key
        )
        INSERT INTO bailey.claim (queue, job, job_type, run, fence, attempt, key, payload, stored, was_started, was_status)
        SELECT 'jobs', t.id::text, bailey_type, the_run, switch.fence, t.attempt, t.key, bailey.parsed(t.payload), t.payload, t.was_started, t.was_status
        FROM taken t ORDER BY t.o0, t.o1;
        DELETE FROM bailey.claim c WHERE c.place IN (
            SELECT d.place FROM bailey.claim d WHERE d.queue = 'jobs' AND d.finished_at < now() - interval '90 days' LIMIT 200
        );
    END IF;
    RETURN QUERY SELECT c.job, c.payload, c.attempt, c.key FROM bailey.claim c
        WHERE c.queue = 'jobs' AND c.run = the_run AND c.job_type = bailey_type AND c.finished_at IS NULL ORDER BY c.place;
END $bailey$;

CREATE OR REPLACE FUNCTION bailey."due:jobs"(the_type text) RETURNS boolean LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' SET timezone = 'UTC' SET lock_timeout = '10s' AS $bailey$
#variable_conflict use_column
DECLARE
    bailey_type ALIAS FOR the_type;
    switch bailey.switch;
BEGIN
    SELECT * INTO switch FROM bailey.switch s WHERE s.queue = 'jobs' AND s.job_type = bailey_type;
    IF switch.state IS DISTINCT FROM 'airflow' THEN
        RETURN false;
    END IF;
    PERFORM FROM "tasks"."background_jobs" j WHERE j."job_type"::text = bailey_type AND j."status"::text IN ('bailey_held') AND coalesce(j."next_retry_at" <= now(), true)
        LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
        RETURN true;
    END IF;
    IF switch.drain THEN
        RETURN false;
    END IF;
    PERFORM FROM "tasks"."background_jobs" j WHERE j."job_type"::text = bailey_type AND j."status"::text IN ('pending') AND NOT (least(greatest(coalesce(j."retry_count"::numeric, 0), 0), 1000000)::integer > 0 OR j."started_at" IS NOT NULL) AND bailey.bucket(j."id"::text) < switch.share AND coalesce(j."next_retry_at" <= now(), true)
        LIMIT 1 FOR UPDATE SKIP LOCKED;
    RETURN FOUND;
END $bailey$;

CREATE OR REPLACE FUNCTION bailey."finish:jobs"(the_job text, the_run text, the_state text, the_error text) RETURNS text LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' SET timezone = 'UTC' SET lock_timeout = '10s' AS $bailey$
#variable_conflict use_column
DECLARE
    bailey_job ALIAS FOR the_job;
    bailey_error ALIAS FOR the_error;
    switch bailey.switch;
    claim bailey.claim;
    bailey_type text;
    mine boolean;
    said text;
    bailey_done integer;
    bailey_most integer;
    bailey_next timestamptz;
BEGIN
    SELECT c.job_type INTO bailey_type FROM bailey.claim c WHERE c.queue = 'jobs' AND c.job = the_job AND c.run = the_run;
    IF NOT FOUND THEN
        RETURN 'unknown';
    END IF;
    SELECT * INTO switch FROM bailey.switch s WHERE s.queue = 'jobs' AND s.job_type = bailey_type FOR KEY SHARE;
    SELECT * INTO claim FROM bailey.claim c WHERE c.queue = 'jobs' AND c.job = the_job AND c.run = the_run FOR UPDATE;
    IF claim.finished_at IS NOT NULL THEN
        RETURN claim.outcome;
    END IF;
    SELECT j."status"::text = 'bailey_claimed', least(greatest(coalesce(j."retry_count"::numeric, 0), 0), 1000000)::integer, CASE WHEN j."max_retries" IS NULL THEN 0 ELSE least(greatest(coalesce(j."max_retries"::numeric, 0), 0), 1000000)::integer END INTO mine, bailey_done, bailey_most
    FROM "tasks"."background_jobs" j WHERE j."id" = (SELECT (jsonb_populate_record(NULL::"tasks"."background_jobs", jsonb_build_object('id', bailey_job)))."id") FOR UPDATE;
    IF mine IS NOT TRUE THEN
        said := 'overtaken';
    ELSIF the_state = 'success' THEN
        said := 'success';
        UPDATE "tasks"."background_jobs" j SET "status" = 'completed', "completed_at" = clock_timestamp() WHERE j."id" = (SELECT (jsonb_populate_record(NULL::"tasks"."background_jobs", jsonb_build_object('id', bailey_job)))."id");
    ELSIF bailey_done < bailey_most THEN
        bailey_next := clock_timestamp() + least(60.0 * 2.0::float8 ^ least(bailey_done, 865), 86400.0) * interval '1 second';
        IF switch.state IN ('closing', 'airflow') THEN
            said := 'retry';
            UPDATE "tasks"."background_jobs" j SET "status" = 'bailey_held', "retry_count" = CASE WHEN least(greatest(coalesce(j."retry_count"::numeric, 0), 0), 1000000)::integer < 32767 THEN (least(greatest(coalesce(j."retry_count"::numeric, 0), 0), 1000000)::integer + 1)::numeric ELSE j."retry_count"::numeric END, "next_retry_at" = bailey_next WHERE j."id" = (SELECT (jsonb_populate_record(NULL::"tasks"."background_jobs", jsonb_build_object('id', bailey_job)))."id");
        ELSE
            said := 'released';
            UPDATE "tasks"."background_jobs" j SET "status" = 'pending', "retry_count" = CASE WHEN least(greatest(coalesce(j."retry_count"::numeric, 0), 0), 1000000)::integer < 32767 THEN (least(greatest(coalesce(j."retry_count"::numeric, 0), 0), 1000000)::integer + 1)::numeric ELSE j."retry_count"::numeric END, "next_retry_at" = bailey_next WHERE j."id" = (SELECT (jsonb_populate_record(NULL::"tasks"."background_jobs", jsonb_build_object('id', bailey_job)))."id");
        END IF;
    ELSE
        said := 'failed';
        UPDATE "tasks"."background_jobs" j SET "status" = 'failed', "completed_at" = clock_timestamp() WHERE j."id" = (SELECT (jsonb_populate_record(NULL::"tasks"."background_jobs", jsonb_build_object('id', bailey_job)))."id");
    END IF;
    UPDATE bailey.claim c SET finished_at = clock_timestamp(), outcome = said, error = left(the_error, 2000), payload = NULL, stored = NULL
    WHERE c.place = claim.place;
    RETURN said;
END $bailey$;

CREATE OR REPLACE FUNCTION bailey."give_up:jobs"(the_type text, the_runs text[], the_operator text) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' SET timezone = 'UTC' SET lock_timeout = '10s' AS $bailey$
#variable_conflict use_column
DECLARE
    bailey_type ALIAS FOR the_type;
    switch bailey.switch;
    claim bailey.claim;
    bailey_job text;
    number bigint := 0;
BEGIN
    SELECT * INTO switch FROM bailey.switch s WHERE s.queue = 'jobs' AND s.job_type = bailey_type FOR NO KEY UPDATE;
    FOR claim IN SELECT * FROM bailey.claim c
        WHERE c.queue = 'jobs' AND c.job_type = bailey_type AND c.run = ANY (the_runs) AND c.finished_at IS NULL ORDER BY c.place FOR UPDATE
    LOOP
        bailey_job := claim.job;
        UPDATE "tasks"."background_jobs" j SET "status" = claim.was_status, "started_at" = claim.was_started::timestamp
        WHERE j."id" = (SELECT (jsonb_populate_record(NULL::"tasks"."background_jobs", jsonb_build_object('id', bailey_job)))."id") AND j."status"::text = 'bailey_claimed';
        UPDATE bailey.claim c SET finished_at = clock_timestamp(), outcome = 'returned', error = 'returned by ' || the_operator, payload = NULL, stored = NULL
        WHERE c.place = claim.place;
        IF switch.state IS DISTINCT FROM 'airflow' AND switch.state IS DISTINCT FROM 'closing' THEN
            UPDATE "tasks"."background_jobs" j SET "status" = 'pending' WHERE j."id" = (SELECT (jsonb_populate_record(NULL::"tasks"."background_jobs", jsonb_build_object('id', bailey_job)))."id") AND j."status"::text IN ('bailey_held');
        END IF;
        number := number + 1;
    END LOOP;
    RETURN number;
END $bailey$;

-- Making a trigger locks out writers of the table for an instant.
DROP TRIGGER IF EXISTS bailey_arrival ON "tasks"."background_jobs";
DROP TRIGGER IF EXISTS bailey_change ON "tasks"."background_jobs";
DROP TRIGGER IF EXISTS bailey_gone ON "tasks"."background_jobs";
DROP TRIGGER IF EXISTS bailey_emptied ON "tasks"."background_jobs";
CREATE TRIGGER bailey_arrival BEFORE INSERT ON "tasks"."background_jobs" FOR EACH ROW EXECUTE FUNCTION bailey."arrival:jobs"();
CREATE TRIGGER bailey_change BEFORE UPDATE ON "tasks"."background_jobs" FOR EACH ROW EXECUTE FUNCTION bailey."arrival:jobs"();
CREATE TRIGGER bailey_gone BEFORE DELETE ON "tasks"."background_jobs" FOR EACH ROW EXECUTE FUNCTION bailey."gone:jobs"();
CREATE TRIGGER bailey_emptied AFTER TRUNCATE ON "tasks"."background_jobs" FOR EACH STATEMENT EXECUTE FUNCTION bailey."gone:jobs"();

DROP FUNCTION IF EXISTS bailey."release:jobs"(text);
-- Rows that are held would not be known by another mark.
DO $bailey$ BEGIN
    IF EXISTS (SELECT FROM bailey.queue q, (SELECT jsonb_build_object('method', 'status', 'pairs', jsonb_build_array(jsonb_build_array('pending', 'bailey_held')),
    'prefix', 'bailey_held', 'floor', '9999-12-30', 'due_type', 'timestamp',
    'zone', 'UTC',
    'columns', jsonb_build_object('id', jsonb_build_object('name', 'id', 'number', (SELECT attnum FROM pg_attribute WHERE attrelid = 0::oid AND attname = 'id' AND NOT attisdropped)),
        'status', jsonb_build_object('name', 'status', 'number', (SELECT attnum FROM pg_attribute WHERE attrelid = 0::oid AND attname = 'status' AND NOT attisdropped)),
        'type', jsonb_build_object('name', 'job_type', 'number', (SELECT attnum FROM pg_attribute WHERE attrelid = 0::oid AND attname = 'job_type' AND NOT attisdropped)))) AS layout) n
        WHERE q.queue = 'jobs' AND q.layout <> '{}'
            AND q.layout - 'columns' - 'zone' - 'floor' - 'due_type' - 'path' IS DISTINCT FROM n.layout - 'columns' - 'zone' - 'floor' - 'due_type' - 'path')
        AND EXISTS (SELECT FROM bailey.switch s WHERE s.queue = 'jobs' AND s.state <> 'legacy') THEN
        RAISE EXCEPTION 'BAILEY: jobs are held in another way' USING ERRCODE = 'object_in_use';
    END IF;
END $bailey$;
INSERT INTO bailey.queue (queue, on_table, digest, relation, layout)
SELECT 'jobs', 'tasks.background_jobs', '9dc98de0181ce825', t.oid, jsonb_build_object('method', 'status', 'pairs', jsonb_build_array(jsonb_build_array('pending', 'bailey_held')),
    'prefix', 'bailey_held', 'floor', '9999-12-30', 'due_type', 'timestamp',
    'zone', 'UTC',
    'columns', jsonb_build_object('id', jsonb_build_object('name', 'id', 'number', (SELECT attnum FROM pg_attribute WHERE attrelid = t.oid AND attname = 'id' AND NOT attisdropped)),
        'status', jsonb_build_object('name', 'status', 'number', (SELECT attnum FROM pg_attribute WHERE attrelid = t.oid AND attname = 'status' AND NOT attisdropped)),
        'type', jsonb_build_object('name', 'job_type', 'number', (SELECT attnum FROM pg_attribute WHERE attrelid = t.oid AND attname = 'job_type' AND NOT attisdropped))))
FROM (SELECT '"tasks"."background_jobs"'::regclass::oid AS oid) t
ON CONFLICT (queue) DO UPDATE SET on_table = excluded.on_table, digest = excluded.digest, relation = excluded.relation,
    layout = excluded.layout, installed_at = now(), installed_by = session_user;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA bailey FROM PUBLIC;
