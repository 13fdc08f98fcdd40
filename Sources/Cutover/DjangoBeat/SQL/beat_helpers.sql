-- A start_time so far away that beat loads the row, keeps its last run in it, and does not fire it.
CREATE OR REPLACE FUNCTION bailey_beat.parked() RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $bailey$
    SELECT '2100-01-01T00:00:00Z'::timestamptz
$bailey$;

-- Instants travel as whole microseconds since the epoch.
CREATE OR REPLACE FUNCTION bailey_beat.us(moment timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE AS $bailey$
    SELECT CASE WHEN isfinite(moment) THEN round(extract(epoch FROM moment) * 1000000)::bigint END
$bailey$;
CREATE OR REPLACE FUNCTION bailey_beat.at(us bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $bailey$
    SELECT 'epoch'::timestamptz + us * interval '1 microsecond'
$bailey$;

-- Begins a transaction on one pipeline, which nobody else works on until it ends: it outlives a crash of the server, and ends if its client
-- falls silent before it commits.
CREATE OR REPLACE FUNCTION bailey_beat.alone(the_source text, the_pipeline text) RETURNS bailey_beat.place LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s' AS $bailey$
DECLARE
    got bailey_beat.place;
BEGIN
    IF current_setting('synchronous_commit') IN ('off', 'local') THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    IF (SELECT setting::bigint NOT BETWEEN 1 AND 60000 FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout') THEN
        PERFORM set_config('idle_in_transaction_session_timeout', '60s', true);
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('bailey_beat ' || the_source || ' ' || the_pipeline, 0));
    SELECT * INTO got FROM bailey_beat.place p WHERE p.source = the_source;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'BAILEY: the switch is not installed for source %', quote_literal(the_source);
    END IF;
    RETURN got;
END $bailey$;

-- Tells every beat to load its schedule anew: later than what it has seen, whatever the clock that wrote that said. Before any row is locked:
-- the package's own models write in this order, and whoever holds both never waits.
CREATE OR REPLACE FUNCTION bailey_beat.mark(place bailey_beat.place) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $bailey$
BEGIN
    EXECUTE format(
        'INSERT INTO %s AS m (ident, last_update) VALUES (1, clock_timestamp()) ON CONFLICT (ident)
         DO UPDATE SET last_update = greatest(clock_timestamp(), m.last_update + interval ''1 microsecond'')', place.marks);
END $bailey$;

-- A row as JSON, by its number or else by its name; locked without waiting, which fails if somebody has it.
CREATE OR REPLACE FUNCTION bailey_beat.row_of(place bailey_beat.place, the_id bigint, the_name text, locks boolean) RETURNS jsonb LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
DECLARE
    got jsonb;
    lock text := CASE WHEN locks THEN ' FOR UPDATE NOWAIT' ELSE '' END;
BEGIN
    EXECUTE format('SELECT to_jsonb(t) FROM %s t WHERE t.id = $1', place.tasks) || lock INTO got USING the_id;
    IF got IS NULL THEN
        EXECUTE format('SELECT to_jsonb(t) FROM %s t WHERE t.name = $1', place.tasks) || lock INTO got USING the_name;
    END IF;
    RETURN got;
END $bailey$;

-- What of a row people write: without what beat writes, in the types of the table's columns, so that texts of other zones compare.
CREATE OR REPLACE FUNCTION bailey_beat.definition(place bailey_beat.place, the_row jsonb) RETURNS jsonb LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
DECLARE
    got jsonb;
BEGIN
    EXECUTE format('SELECT to_jsonb(jsonb_populate_record(NULL::%s, $1))', place.tasks) INTO got USING the_row;
    RETURN got - ARRAY['last_run_at', 'total_run_count', 'date_changed'];
END $bailey$;

-- The row of a schedule, as JSON.
CREATE OR REPLACE FUNCTION bailey_beat.schedule_of(place bailey_beat.place, kind text, the_row jsonb) RETURNS jsonb LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
DECLARE
    got jsonb;
BEGIN
    EXECUTE format('SELECT to_jsonb(c) FROM %s c WHERE c.id = $1',
        (SELECT format('%I.%I', n.nspname, 'django_celery_beat_' || kind || 'schedule')
            FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace WHERE t.oid = place.tasks))
        INTO got USING (the_row ->> (kind || '_id'))::bigint;
    RETURN got;
END $bailey$;

-- How the names of a pipeline's witnesses begin.
CREATE OR REPLACE FUNCTION bailey_beat.witness_name(the_source text, the_pipeline text) RETURNS text LANGUAGE sql IMMUTABLE AS $bailey$
    SELECT 'bailey.witness.' || md5(the_source || ' ' || the_pipeline) || '.'
$bailey$;

-- Puts a row in beat's way that it never fires and disables as soon as it has loaded its schedule: one that runs once and has run. Whoever
-- sees it disabled knows that this beat has loaded everything as it was when the row was written. In place of an earlier one, if there is one.
CREATE OR REPLACE FUNCTION bailey_beat.testify(place bailey_beat.place, the_pipeline text) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
DECLARE
    lead jsonb;
    every bigint;
    made bigint;
    new_id bigint;
BEGIN
    PERFORM bailey_beat.dismiss(place, the_pipeline);
    SELECT e.kept INTO STRICT lead FROM bailey_beat.entry e
        WHERE e.source = place.source AND e.pipeline = the_pipeline ORDER BY e.place LIMIT 1;
    EXECUTE format('SELECT i.id FROM %s i ORDER BY i.id FOR KEY SHARE SKIP LOCKED LIMIT 1', place.intervals) INTO every;
    IF every IS NULL THEN
        EXECUTE format('INSERT INTO %s (every, period) VALUES (1, ''days'') RETURNING id', place.intervals) INTO every;
        made := every;
    END IF;
    new_id := nextval(pg_get_serial_sequence(place.tasks::text, 'id'));
    EXECUTE format('INSERT INTO %1$s SELECT (jsonb_populate_record(NULL::%1$s, $1)).*', place.tasks) USING lead || jsonb_build_object(
        'id', new_id, 'name', bailey_beat.witness_name(place.source, the_pipeline) || new_id, 'task', 'bailey.witness',
        'args', '[]', 'kwargs', '{}', 'headers', '{}', 'enabled', true, 'one_off', true, 'total_run_count', 1, 'interval_id', every,
        'crontab_id', null, 'solar_id', null, 'clocked_id', null, 'start_time', null, 'expires', null, 'expire_seconds', null,
        'last_run_at', clock_timestamp(), 'date_changed', clock_timestamp(),
        'description', 'Bailey asks whether beat loads its schedule. It goes by itself.');
    UPDATE bailey_beat.switch s SET witness = new_id, made_interval = made, marked_at = clock_timestamp()
        WHERE s.source = place.source AND s.pipeline = the_pipeline;
END $bailey$;

-- Takes the witness away.
CREATE OR REPLACE FUNCTION bailey_beat.dismiss(place bailey_beat.place, the_pipeline text) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $bailey$
DECLARE
    switch bailey_beat.switch;
BEGIN
    SELECT * INTO switch FROM bailey_beat.switch s WHERE s.source = place.source AND s.pipeline = the_pipeline;
    -- A beat that had loaded one when it was taken away writes it anew as it disables it: those of before go too.
    EXECUTE format('DELETE FROM %s t WHERE t.task = ''bailey.witness'' AND starts_with(t.name, $1)', place.tasks)
        USING bailey_beat.witness_name(place.source, the_pipeline);
    IF switch.made_interval IS NOT NULL THEN
        EXECUTE format('DELETE FROM %s i WHERE i.id = $1 AND NOT EXISTS (SELECT FROM %s t WHERE t.interval_id = i.id)',
            place.intervals, place.tasks) USING switch.made_interval;
    END IF;
    UPDATE bailey_beat.switch s SET witness = NULL, made_interval = NULL WHERE s.source = place.source AND s.pipeline = the_pipeline;
END $bailey$;

-- Removes witnesses that nobody waits for.
CREATE OR REPLACE FUNCTION bailey_beat.sweep(the_source text) RETURNS jsonb LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $bailey$
DECLARE
    here bailey_beat.place;
    many integer;
BEGIN
    SELECT * INTO STRICT here FROM bailey_beat.place p WHERE p.source = the_source;
    EXECUTE format('DELETE FROM %s t WHERE t.task = ''bailey.witness'' AND NOT t.enabled
        AND NOT EXISTS (SELECT FROM bailey_beat.switch s WHERE s.source = $1 AND s.witness = t.id)', here.tasks) USING the_source;
    GET DIAGNOSTICS many = ROW_COUNT;
    RETURN jsonb_build_object('answer', 'swept', 'count', many);
END $bailey$;

-- Keeps what somebody did to a row; whoever did it is not hurt where that fails.
CREATE OR REPLACE FUNCTION bailey_beat.sight(the_source text, the_name text, the_deed text, the_value text) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
BEGIN
    INSERT INTO bailey_beat.sighting (source, name, what, value, application)
    VALUES (the_source, the_name, the_deed, the_value, current_setting('application_name'));
EXCEPTION WHEN OTHERS THEN
    RETURN;
END $bailey$;

-- Holds rows against applications, and beats, that write what they had read before: while the clock is taken away no write starts it.
CREATE OR REPLACE FUNCTION bailey_beat.guard() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
DECLARE
    held record;
BEGIN
    IF coalesce(current_setting('bailey_beat.acting', true), '') = 'on' THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        SELECT e.name, e.start_time, s.state, s.given_back_at INTO held FROM bailey_beat.entry e JOIN bailey_beat.switch s USING (source, pipeline)
            WHERE e.source = TG_ARGV[0] AND (e.row_id = OLD.id OR e.name = OLD.name OR e.name = NEW.name)
            ORDER BY s.state <> 'legacy' DESC, e.row_id = OLD.id DESC LIMIT 1;
    ELSE
        SELECT e.name, e.start_time, s.state, s.given_back_at INTO held FROM bailey_beat.entry e JOIN bailey_beat.switch s USING (source, pipeline)
            WHERE e.source = TG_ARGV[0] AND e.name = NEW.name LIMIT 1;
    END IF;
    IF NOT FOUND THEN
        RETURN NEW;
    END IF;
    IF held.state = 'legacy' THEN
        -- What was read while the clock was taken away, and is written afterwards, does not take it away again.
        IF NEW.start_time IS NOT DISTINCT FROM bailey_beat.parked() THEN
            NEW.start_time := held.start_time;
        END IF;
        -- Bailey's own false is not to be told from the application's: somebody is to look.
        IF TG_OP = 'UPDATE' AND NOT NEW.enabled AND held.given_back_at > clock_timestamp() - interval '1 day' THEN
            IF OLD.enabled THEN
                PERFORM bailey_beat.sight(TG_ARGV[0], held.name, 'disabled', NULL);
            END IF;
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP = 'INSERT' THEN
        PERFORM bailey_beat.sight(TG_ARGV[0], held.name, 'recreated', NEW.id::text);
    END IF;
    IF TG_OP = 'UPDATE' AND held.state = 'closing' THEN
        -- What beat has written of its fires is not to be unwritten by somebody who had read the row before.
        NEW.last_run_at := greatest(OLD.last_run_at, NEW.last_run_at);
        NEW.total_run_count := greatest(OLD.total_run_count, NEW.total_run_count);
    END IF;
    IF NEW.enabled THEN
        -- Whoever wrote this may be a beat that now has the row as it meant to write it: it is to be seen to load it anew.
        IF held.state = 'airflow' THEN
            PERFORM bailey_beat.sight(TG_ARGV[0], held.name, 'enabled', NULL);
        END IF;
        IF NEW.start_time IS DISTINCT FROM bailey_beat.parked() THEN
            IF NEW.start_time IS DISTINCT FROM held.start_time THEN
                PERFORM bailey_beat.sight(TG_ARGV[0], held.name, 'start_time', bailey_beat.us(NEW.start_time)::text);
            END IF;
            NEW.start_time := bailey_beat.parked();
        END IF;
    ELSIF NEW.start_time IS NOT DISTINCT FROM bailey_beat.parked() THEN
        NEW.start_time := held.start_time;
    END IF;
    RETURN NEW;
END $bailey$;

-- Installs it for a source: where its tables are, and what holds them.
CREATE OR REPLACE FUNCTION bailey_beat.install(the_source text, the_table regclass, the_digest text) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $bailey$
DECLARE
    the_schema text;
    is_there boolean;
BEGIN
    SELECT n.nspname INTO STRICT the_schema FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = the_table;
    INSERT INTO bailey_beat.place AS p (source, tasks, marks, intervals, digest) VALUES (the_source, the_table,
        format('%I.django_celery_beat_periodictasks', the_schema)::regclass, format('%I.django_celery_beat_intervalschedule', the_schema)::regclass,
        the_digest)
    ON CONFLICT (source) DO UPDATE SET tasks = excluded.tasks, marks = excluded.marks, intervals = excluded.intervals, digest = excluded.digest;
    SELECT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = the_table AND g.tgname = 'bailey_beat_guard'
        AND g.tgenabled IN ('O', 'A') AND g.tgargs = convert_to(the_source, 'UTF8') || '\x00'::bytea) INTO is_there;
    IF NOT is_there THEN
        EXECUTE format('DROP TRIGGER IF EXISTS bailey_beat_guard ON %s', the_table);
        EXECUTE format('CREATE TRIGGER bailey_beat_guard BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE PROCEDURE bailey_beat.guard(%L)',
            the_table, the_source);
    END IF;
END $bailey$;
