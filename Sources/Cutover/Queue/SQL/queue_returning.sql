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
