-- Makes a copy of a row that beat fires once, in the loop after it is told, with options that lead its message aside. It is due again in a day only:
-- a row that runs once would be written by beat, with a mark of beat's own at a moment that nobody chose. Answers: made.
CREATE OR REPLACE FUNCTION bailey_beat.copy(the_source text, the_row jsonb, the_name text, options jsonb, longest bigint) RETURNS jsonb LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $bailey$
DECLARE
    place bailey_beat.place := bailey_beat.alone(the_source, '');
    a_loop interval := longest * interval '1 microsecond';
    new_id bigint;
    was_told boolean;
BEGIN
    was_told := bailey_beat.mark(place, a_loop, true);
    new_id := nextval(pg_get_serial_sequence(place.tasks::text, 'id'));
    EXECUTE format('INSERT INTO %1$s SELECT (jsonb_populate_record(NULL::%1$s, $1)).*', place.tasks) USING the_row || jsonb_build_object(
        'id', new_id, 'name', the_name, 'enabled', true, 'one_off', false, 'total_run_count', 0, 'interval_id', bailey_beat.interval_of(place),
        'crontab_id', null, 'solar_id', null, 'clocked_id', null, 'start_time', null, 'last_run_at', clock_timestamp() - interval '2 days',
        'date_changed', clock_timestamp(), 'description', 'Bailey compares the message of a copy with that of a DAG. It goes by itself.',
        'queue', options -> 'queue', 'exchange', options -> 'exchange', 'routing_key', options -> 'routing_key', 'priority', options -> 'priority',
        'headers', (coalesce(options -> 'headers', '{}') - 'periodic_task_name')::text, 'expires', null, 'expire_seconds', options -> 'expires');
    INSERT INTO bailey_beat.copy (source, name, row_id, longest, needs)
        VALUES (the_source, the_name, new_id, a_loop, bailey_beat.telling(place, was_told));
    PERFORM bailey_beat.testify(place, was_told);
    RETURN jsonb_build_object('answer', 'made');
END $bailey$;

-- Whether beat has written that it fired a copy. It writes when it loads its schedule, so that one which was told of the copy and has had its loop is
-- told once more. Answers: fired, waiting, gone.
CREATE OR REPLACE FUNCTION bailey_beat.fired(the_source text, the_name text) RETURNS jsonb LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $bailey$
DECLARE
    place bailey_beat.place := bailey_beat.alone(the_source, '');
    one bailey_beat.copy;
    beat bailey_beat.beat;
    got jsonb;
    was_told boolean;
BEGIN
    SELECT * INTO one FROM bailey_beat.copy c WHERE c.source = the_source AND c.name = the_name;
    got := bailey_beat.row_of(place, one.row_id, NULL, false);
    IF got IS NULL OR got ->> 'name' <> the_name THEN
        RETURN jsonb_build_object('answer', 'gone');
    ELSIF (got ->> 'total_run_count')::bigint > 0 THEN
        RETURN jsonb_build_object('answer', 'fired');
    END IF;
    SELECT * INTO beat FROM bailey_beat.beat b WHERE b.source = the_source;
    was_told := bailey_beat.mark(place, one.longest, beat.told >= one.needs AND clock_timestamp() > beat.told_at + one.longest);
    PERFORM bailey_beat.testify(place, was_told);
    RETURN jsonb_build_object('answer', 'waiting');
END $bailey$;

-- Takes copies away whose names begin so. A beat that still has one in its hands finds nothing to write it to.
CREATE OR REPLACE FUNCTION bailey_beat.uncopy(the_source text, beginning text) RETURNS jsonb LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
DECLARE
    place bailey_beat.place := bailey_beat.alone(the_source, '');
    many integer;
BEGIN
    EXECUTE format('DELETE FROM %s t USING bailey_beat.copy c WHERE c.source = $1 AND starts_with(c.name, $2) AND t.id = c.row_id AND t.name = c.name',
        place.tasks) USING the_source, beginning;
    GET DIAGNOSTICS many = ROW_COUNT;
    DELETE FROM bailey_beat.copy c WHERE c.source = the_source AND starts_with(c.name, beginning);
    RETURN jsonb_build_object('answer', 'removed', 'count', many);
END $bailey$;
