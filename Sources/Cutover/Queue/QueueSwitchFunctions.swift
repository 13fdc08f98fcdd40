extension QueueSwitchSchema {
    /// The functions that move a job type.
    static let moving = """
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
        """

    /// The functions that a DAG run calls, and `give_up`.
    static let running = """
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
        """
}
