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

-- Whether beat may be told of a change at a moment: such that it loads it while no crontab is due. One that sleeps longer than that wakes when
-- something is due, whenever it is told.
CREATE OR REPLACE FUNCTION bailey_beat.is_quiet(longest interval, moment timestamptz) RETURNS boolean LANGUAGE sql IMMUTABLE AS $bailey$
    SELECT longest > interval '45 seconds' OR mod(extract(epoch FROM moment)::numeric, 60) BETWEEN 3 AND 60 - extract(epoch FROM longest)
$bailey$;

-- Tells every beat to load its schedule anew, if something is to be told and this is a moment for it; whether it was told. A beat that finds the mark
-- grown twice within one look fires twice what is due in that look. So one mark serves everything that was changed until then, the next waits until
-- beat was seen to have loaded that one, or has had its loop, and none is made around a minute. What is owed is told by whoever comes next.
-- Before any row is locked: the package's own models write in this order, and whoever holds both never waits.
CREATE OR REPLACE FUNCTION bailey_beat.mark(place bailey_beat.place, longest interval, wants boolean) RETURNS boolean LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $bailey$
DECLARE
    beat bailey_beat.beat;
    witness jsonb;
    is_late boolean;
    moment timestamptz;
BEGIN
    INSERT INTO bailey_beat.beat (source) VALUES (place.source) ON CONFLICT DO NOTHING;
    SELECT * INTO beat FROM bailey_beat.beat b WHERE b.source = place.source FOR UPDATE;
    moment := clock_timestamp();
    IF beat.witness IS NOT NULL AND beat.seen < beat.told THEN
        witness := bailey_beat.row_of(place, beat.witness, NULL, false);
        IF NOT (witness ->> 'enabled')::boolean THEN
            beat.seen := beat.told;
            beat.is_old := (witness ->> 'total_run_count')::bigint = 0;
            UPDATE bailey_beat.beat b SET seen = beat.seen, is_old = beat.is_old WHERE b.source = place.source;
        END IF;
    END IF;
    -- A mark of an earlier time, by a clock that is behind, may have hidden the last one.
    is_late := beat.seen < beat.told AND moment > beat.told_at + longest;
    IF NOT (wants OR beat.owes OR is_late AND beat.witness IS NOT NULL) THEN
        RETURN false;
    ELSIF NOT bailey_beat.is_quiet(longest, moment) OR beat.seen < beat.told AND NOT is_late THEN
        UPDATE bailey_beat.beat b SET owes = true WHERE b.source = place.source AND NOT b.owes;
        RETURN false;
    END IF;
    -- Later than what beat has seen, whatever the clock that wrote that said.
    EXECUTE format(
        'INSERT INTO %s AS m (ident, last_update) VALUES (1, clock_timestamp()) ON CONFLICT (ident)
         DO UPDATE SET last_update = greatest(clock_timestamp(), m.last_update + interval ''1 microsecond'')', place.marks);
    UPDATE bailey_beat.beat b SET told = b.told + 1, told_at = clock_timestamp(), owes = false WHERE b.source = place.source;
    RETURN true;
END $bailey$;

-- The number of the mark that will tell of what is changed now.
CREATE OR REPLACE FUNCTION bailey_beat.telling(place bailey_beat.place, was_told boolean) RETURNS bigint LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
    SELECT b.told + CASE WHEN was_told THEN 0 ELSE 1 END FROM bailey_beat.beat b WHERE b.source = place.source
$bailey$;

-- Tells what is owed. Answers: told, owing, nothing.
CREATE OR REPLACE FUNCTION bailey_beat.tell(the_source text) RETURNS jsonb LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
DECLARE
    here bailey_beat.place;
    longest interval;
    was_told boolean;
BEGIN
    IF NOT EXISTS (SELECT FROM bailey_beat.beat b WHERE b.source = the_source AND b.owes) THEN
        RETURN jsonb_build_object('answer', 'nothing');
    END IF;
    SELECT * INTO STRICT here FROM bailey_beat.place p WHERE p.source = the_source;
    SELECT coalesce(max(l.longest), interval '7 seconds') INTO longest FROM (SELECT s.longest FROM bailey_beat.switch s WHERE s.source = the_source
        UNION ALL SELECT c.longest FROM bailey_beat.copy c WHERE c.source = the_source) l;
    was_told := bailey_beat.mark(here, longest, false);
    PERFORM bailey_beat.testify(here, was_told);
    RETURN jsonb_build_object('answer', CASE WHEN was_told THEN 'told' ELSE 'owing' END);
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

-- How the names of a source's witnesses begin.
CREATE OR REPLACE FUNCTION bailey_beat.witness_name(the_source text) RETURNS text LANGUAGE sql IMMUTABLE AS $bailey$
    SELECT 'bailey.witness.' || md5(the_source) || '.'
$bailey$;

-- The interval of rows that Bailey makes for a while: a day.
CREATE OR REPLACE FUNCTION bailey_beat.interval_of(place bailey_beat.place) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
DECLARE
    every bigint;
BEGIN
    EXECUTE format('SELECT i.id FROM %s i JOIN bailey_beat.beat b ON b.made_interval = i.id WHERE b.source = $1', place.intervals)
        INTO every USING place.source;
    IF every IS NULL THEN
        EXECUTE format('INSERT INTO %s (every, period) VALUES (1, ''days'') RETURNING id', place.intervals) INTO every;
        UPDATE bailey_beat.beat b SET made_interval = every WHERE b.source = place.source;
    END IF;
    RETURN every;
END $bailey$;

-- Puts a row in beat's way that it never fires and disables as soon as it has loaded its schedule: one that has expired, which it disables without a
-- mark of its own. Whoever sees it disabled knows that this beat has loaded everything as it was when the row was written. In place of an earlier
-- one, if beat was told of something; and none where nobody waits for it. (A beat before 2.8 does not look whether it has expired, but that it runs
-- once and has run: then it sets the count back.)
CREATE OR REPLACE FUNCTION bailey_beat.testify(place bailey_beat.place, was_told boolean) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
DECLARE
    lead jsonb;
    new_id bigint;
    acting text := current_setting('bailey_beat.acting', true);
BEGIN
    SELECT e.kept INTO lead FROM bailey_beat.entry e JOIN bailey_beat.switch s USING (source, pipeline)
        WHERE e.source = place.source AND s.state = 'closing' ORDER BY e.pipeline, e.place LIMIT 1;
    IF lead IS NOT NULL AND NOT was_told THEN
        RETURN;
    END IF;
    PERFORM set_config('bailey_beat.acting', 'on', true);
    PERFORM bailey_beat.dismiss(place);
    IF lead IS NOT NULL THEN
        new_id := nextval(pg_get_serial_sequence(place.tasks::text, 'id'));
        EXECUTE format('INSERT INTO %1$s SELECT (jsonb_populate_record(NULL::%1$s, $1)).*', place.tasks) USING lead || jsonb_build_object(
            'id', new_id, 'name', bailey_beat.witness_name(place.source) || new_id, 'task', 'bailey.witness', 'args', '[]', 'kwargs', '{}',
            'headers', '{}', 'enabled', true, 'one_off', true, 'total_run_count', 1, 'interval_id', bailey_beat.interval_of(place), 'crontab_id', null, 'solar_id', null,
            'clocked_id', null, 'start_time', null, 'expires', timestamptz '2000-01-01T00:00:00Z', 'expire_seconds', null,
            'last_run_at', clock_timestamp(), 'date_changed', clock_timestamp(),
            'description', 'Bailey asks whether beat loads its schedule. It goes by itself.');
        UPDATE bailey_beat.beat b SET witness = new_id WHERE b.source = place.source;
    END IF;
    PERFORM set_config('bailey_beat.acting', coalesce(acting, ''), true);
END $bailey$;

-- Takes the witness away. A beat that had loaded it writes it anew as it disables it, so that its interval stays: an error there ends the beat of
-- Celery before 5.7.
CREATE OR REPLACE FUNCTION bailey_beat.dismiss(place bailey_beat.place) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $bailey$
BEGIN
    EXECUTE format('DELETE FROM %s t WHERE t.task = ''bailey.witness'' AND starts_with(t.name, $1)', place.tasks)
        USING bailey_beat.witness_name(place.source);
    UPDATE bailey_beat.beat b SET witness = NULL WHERE b.source = place.source;
END $bailey$;

-- Removes witnesses that nobody waits for, and their interval when every beat has loaded its schedule without them.
CREATE OR REPLACE FUNCTION bailey_beat.sweep(the_source text) RETURNS jsonb LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $bailey$
DECLARE
    here bailey_beat.place;
    many integer;
BEGIN
    SELECT * INTO STRICT here FROM bailey_beat.place p WHERE p.source = the_source;
    EXECUTE format('DELETE FROM %s t WHERE t.task = ''bailey.witness'' AND NOT t.enabled
        AND NOT EXISTS (SELECT FROM bailey_beat.beat b WHERE b.source = $1 AND b.witness = t.id)', here.tasks) USING the_source;
    GET DIAGNOSTICS many = ROW_COUNT;
    EXECUTE format('DELETE FROM %s i USING bailey_beat.beat b WHERE b.source = $1 AND i.id = b.made_interval
        AND b.witness IS NULL AND b.told_at < clock_timestamp() - interval ''10 minutes''
        AND NOT EXISTS (SELECT FROM %s t WHERE t.interval_id = i.id)', here.intervals, here.tasks) USING the_source;
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
