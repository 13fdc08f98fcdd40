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
