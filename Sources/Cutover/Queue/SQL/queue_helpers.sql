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
