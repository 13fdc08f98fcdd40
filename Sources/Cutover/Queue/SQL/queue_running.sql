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
