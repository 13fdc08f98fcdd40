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
