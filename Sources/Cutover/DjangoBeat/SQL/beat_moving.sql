-- Takes entries away from legacy's clock, all or none. Answers: closed; held, changed, gone, disabled (an entry), with nothing written.
CREATE OR REPLACE FUNCTION bailey_beat.close(the_source text, the_pipeline text, the_order jsonb) RETURNS jsonb LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $bailey$
#variable_conflict use_column
DECLARE
    place bailey_beat.place := bailey_beat.alone(the_source, the_pipeline);
    switch bailey_beat.switch;
    wanted jsonb;
    got jsonb;
    rows jsonb[] := '{}';
    name text;
    other record;
    number integer := 0;
    moment timestamptz;
    was_told boolean;
BEGIN
    SELECT * INTO switch FROM bailey_beat.switch s WHERE s.source = the_source AND s.pipeline = the_pipeline;
    IF switch.state = 'closing' AND NOT switch.heal AND switch.who = the_order ->> 'by' THEN
        RETURN jsonb_build_object('answer', 'closed', 'at', bailey_beat.us(switch.closed_at), 'fence', switch.fence, 'again', true);
    ELSIF switch.state <> 'legacy' THEN
        RETURN jsonb_build_object('answer', 'held', 'state', switch.state, 'pipeline', the_pipeline, 'by', switch.who);
    END IF;
    was_told := bailey_beat.mark(place, (the_order ->> 'longest')::bigint * interval '1 microsecond', true);
    moment := clock_timestamp();
    FOR wanted IN SELECT value FROM jsonb_array_elements(the_order -> 'entries') LOOP
        name := wanted ->> 'name';
        SELECT s.* INTO other FROM bailey_beat.entry e JOIN bailey_beat.switch s USING (source, pipeline)
            WHERE e.source = the_source AND e.name = wanted ->> 'name' AND s.state <> 'legacy';
        IF FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'BLY01', MESSAGE = 'refused', DETAIL = jsonb_build_object('answer', 'held', 'entry', name,
                'state', other.state, 'pipeline', other.pipeline, 'by', other.who)::text;
        END IF;
        got := bailey_beat.row_of(place, NULL, name, true);
        IF got IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'BLY01', MESSAGE = 'refused', DETAIL = jsonb_build_object('answer', 'gone', 'entry', name)::text;
        END IF;
        IF bailey_beat.definition(place, got) IS DISTINCT FROM bailey_beat.definition(place, wanted -> 'row')
            OR (wanted -> 'schedule') IS DISTINCT FROM bailey_beat.schedule_of(place, wanted ->> 'kind', got) THEN
            RAISE EXCEPTION USING ERRCODE = 'BLY01', MESSAGE = 'refused', DETAIL = jsonb_build_object('answer', 'changed', 'entry', name)::text;
        END IF;
        rows := rows || got;
    END LOOP;
    INSERT INTO bailey_beat.switch AS s (source, pipeline, state, fence, who, clock, slack, installation, ticks_left, until, told, longest,
        first_closed_at, closed_at, needs)
    VALUES (the_source, the_pipeline, 'closing', 1, the_order ->> 'by', the_order ->> 'clock',
        coalesce((the_order ->> 'slack')::bigint, 0) * interval '1 microsecond', coalesce(the_order ->> 'installation', ''),
        (the_order ->> 'ticks')::integer, bailey_beat.at((the_order ->> 'until')::bigint), bailey_beat.at((the_order ->> 'told')::bigint),
        (the_order ->> 'longest')::bigint * interval '1 microsecond', moment, moment, bailey_beat.telling(place, was_told))
    ON CONFLICT (source, pipeline) DO UPDATE SET state = 'closing', heal = false, retiring = false, fence = s.fence + 1, who = excluded.who,
        clock = excluded.clock, slack = excluded.slack, installation = excluded.installation, ticks_left = excluded.ticks_left,
        until = excluded.until, told = excluded.told, longest = excluded.longest, first_closed_at = moment, closed_at = moment,
        settled_at = NULL, given_back_at = NULL, last_legacy = NULL, round = 0, needs = excluded.needs
    RETURNING * INTO switch;
    DELETE FROM bailey_beat.entry e WHERE e.source = the_source AND e.pipeline = the_pipeline;
    PERFORM set_config('bailey_beat.acting', 'on', true);
    FOREACH got IN ARRAY rows LOOP
        INSERT INTO bailey_beat.entry AS e (source, name, pipeline, place, row_id, kept, was_enabled, start_time, runs)
        VALUES (the_source, got ->> 'name', the_pipeline, number, (got ->> 'id')::bigint, got, (got ->> 'enabled')::boolean,
            (got ->> 'start_time')::timestamptz, (got ->> 'total_run_count')::bigint)
        ON CONFLICT (source, name) DO UPDATE SET pipeline = excluded.pipeline, place = excluded.place, row_id = excluded.row_id,
            kept = excluded.kept, was_enabled = excluded.was_enabled, start_time = excluded.start_time, runs = excluded.runs,
            last_legacy = NULL;
        DELETE FROM bailey_beat.sighting g WHERE g.source = the_source AND g.name = got ->> 'name';
        IF (got ->> 'enabled')::boolean THEN
            EXECUTE format('UPDATE %s SET start_time = bailey_beat.parked() WHERE id = $1', place.tasks) USING (got ->> 'id')::bigint;
        END IF;
        number := number + 1;
    END LOOP;
    PERFORM bailey_beat.testify(place, was_told);
    PERFORM set_config('bailey_beat.acting', '', true);
    RETURN jsonb_build_object('answer', 'closed', 'at', bailey_beat.us(moment), 'fence', switch.fence, 'again', false);
EXCEPTION WHEN SQLSTATE 'BLY01' THEN
    DECLARE
        detail text;
    BEGIN
        GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
        RETURN detail::jsonb;
    END;
END $bailey$;

-- Fixes the first tick of Airflow's window and disables the rows, once beat was seen to have loaded its schedule twice. Answers: settled, already,
-- waiting, not-closing; undriven, old-beat, gone, disabled, redefined, shadowed or uneven, where only giving back is left.
CREATE OR REPLACE FUNCTION bailey_beat.settle(the_source text, the_pipeline text) RETURNS jsonb LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $bailey$
#variable_conflict use_column
DECLARE
    place bailey_beat.place := bailey_beat.alone(the_source, the_pipeline);
    switch bailey_beat.switch;
    one bailey_beat.entry;
    got jsonb;
    beat bailey_beat.beat;
    was_told boolean;
    moment timestamptz := clock_timestamp();
    -- Beat loads everything anew after this time, whatever it has missed.
    most constant interval := interval '5 minutes';
    lead_last timestamptz;
    heard timestamptz;
    moved integer := 0;
    many integer := 0;
    starts timestamptz;
    kept_to timestamptz;
    open bailey_beat.windows;
    why text := 'seen';
BEGIN
    SELECT * INTO switch FROM bailey_beat.switch s WHERE s.source = the_source AND s.pipeline = the_pipeline;
    IF switch.state = 'airflow' THEN
        RETURN jsonb_build_object('answer', 'already', 'at', bailey_beat.us(switch.settled_at), 'fence', switch.fence);
    ELSIF switch.state IS DISTINCT FROM 'closing' THEN
        RETURN jsonb_build_object('answer', 'not-closing', 'state', coalesce(switch.state, 'legacy'));
    END IF;
    -- What is owed is told; and what nobody has taken notice of for longer than a loop, once more.
    was_told := bailey_beat.mark(place, switch.longest, false);
    PERFORM bailey_beat.testify(place, was_told);
    SELECT * INTO beat FROM bailey_beat.beat b WHERE b.source = the_source;
    IF beat.seen < switch.needs THEN
        IF switch.heal AND moment > switch.closed_at + most + switch.longest THEN
            -- No beat loads its schedule, and one that had loaded it before would have done so again.
            why := 'waited';
        ELSIF NOT switch.heal AND moment > switch.closed_at + switch.longest * 4 + interval '30 seconds' THEN
            RETURN jsonb_build_object('answer', 'undriven', 'fence', switch.fence);
        ELSE
            RETURN jsonb_build_object('answer', 'waiting', 'why', CASE switch.round WHEN 0 THEN 'load' ELSE 'second-load' END, 'fence', switch.fence);
        END IF;
    ELSIF beat.is_old AND NOT switch.heal THEN
        RETURN jsonb_build_object('answer', 'old-beat', 'fence', switch.fence);
    ELSIF switch.round = 0 THEN
        -- A beat that was starting just then may have taken no notice: it does of the second.
        IF moment < switch.closed_at + least(interval '2 seconds', switch.longest / 3) THEN
            RETURN jsonb_build_object('answer', 'waiting', 'why', 'load', 'fence', switch.fence);
        END IF;
        was_told := bailey_beat.mark(place, switch.longest, true);
        UPDATE bailey_beat.switch s SET round = 1, needs = bailey_beat.telling(place, was_told)
            WHERE s.source = the_source AND s.pipeline = the_pipeline;
        PERFORM bailey_beat.testify(place, was_told);
        RETURN jsonb_build_object('answer', 'waiting', 'why', 'second-load', 'fence', switch.fence);
    END IF;

    -- Beat is not told of what follows: it has the rows as ones that begin in 2100, and each load is one in which it may fire twice.
    moment := clock_timestamp();
    FOR one IN SELECT * FROM bailey_beat.entry e WHERE e.source = the_source AND e.pipeline = the_pipeline ORDER BY e.place LOOP
        many := many + 1;
        got := bailey_beat.row_of(place, one.row_id, one.name, true);
        IF got IS NULL THEN
            IF NOT switch.heal THEN
                RETURN jsonb_build_object('answer', 'gone', 'entry', one.name, 'fence', switch.fence);
            END IF;
            CONTINUE;
        END IF;
        IF NOT switch.heal THEN
            IF one.was_enabled AND NOT (got ->> 'enabled')::boolean THEN
                RETURN jsonb_build_object('answer', 'disabled', 'entry', one.name, 'fence', switch.fence);
            END IF;
            IF bailey_beat.definition(place, got) - 'start_time' IS DISTINCT FROM bailey_beat.definition(place, one.kept) - 'start_time'
                OR EXISTS (SELECT FROM bailey_beat.sighting g WHERE g.source = the_source AND g.name = one.name AND g.what = 'start_time') THEN
                RETURN jsonb_build_object('answer', 'redefined', 'entry', one.name, 'fence', switch.fence);
            END IF;
            -- By beat's own clock, which fires: what it fired since.
            IF (got ->> 'last_run_at')::timestamptz > switch.first_closed_at THEN
                moved := moved + 1;
            END IF;
        END IF;
        IF one.place = 0 THEN
            lead_last := (got ->> 'last_run_at')::timestamptz;
            IF NOT isfinite(lead_last) OR lead_last > moment + interval '1 day' THEN
                RETURN jsonb_build_object('answer', 'redefined', 'entry', one.name, 'fence', switch.fence);
            END IF;
        END IF;
    END LOOP;
    IF NOT switch.heal THEN
        IF moved BETWEEN 1 AND many - 1 THEN
            RETURN jsonb_build_object('answer', 'uneven', 'count', moved, 'fence', switch.fence);
        END IF;
        -- A gate that was told that legacy runs a tick does not ask again: legacy must have run it.
        SELECT greatest(max(a.shadowed), switch.told) INTO heard FROM bailey_beat.asked a WHERE a.source = the_source AND a.pipeline = the_pipeline;
        SELECT * INTO one FROM bailey_beat.entry e WHERE e.source = the_source AND e.pipeline = the_pipeline AND e.place = 0;
        IF switch.clock = 'entry' AND heard > coalesce(lead_last, (one.kept ->> 'date_changed')::timestamptz) + switch.slack THEN
            RETURN jsonb_build_object('answer', 'shadowed', 'tick', bailey_beat.us(heard), 'fence', switch.fence);
        END IF;
        starts := CASE switch.clock WHEN 'own' THEN switch.first_closed_at ELSE coalesce(lead_last + switch.slack, switch.first_closed_at) END
            + interval '1 microsecond';
        INSERT INTO bailey_beat.windows (source, pipeline, from_at, until_at)
        VALUES (the_source, the_pipeline, starts, CASE WHEN switch.until IS NOT NULL THEN greatest(switch.until, starts) END);
    END IF;

    PERFORM set_config('bailey_beat.acting', 'on', true);
    FOR one IN SELECT * FROM bailey_beat.entry e WHERE e.source = the_source AND e.pipeline = the_pipeline ORDER BY e.place LOOP
        got := bailey_beat.row_of(place, one.row_id, one.name, false);
        CONTINUE WHEN got IS NULL;
        IF switch.heal THEN
            -- What counts is what a fire wrote, while the row was enabled.
            IF (got ->> 'enabled')::boolean AND (got ->> 'last_run_at')::timestamptz > one.last_legacy
                AND ((got ->> 'id')::bigint <> one.row_id AND (got ->> 'total_run_count')::bigint > 0
                    OR (got ->> 'total_run_count')::bigint > one.runs) THEN
                one.last_legacy := (got ->> 'last_run_at')::timestamptz;
                IF one.place = 0 AND switch.clock = 'entry' THEN
                    SELECT * INTO open FROM bailey_beat.windows w WHERE w.source = the_source AND w.pipeline = the_pipeline ORDER BY w.place DESC LIMIT 1;
                    kept_to := greatest(open.from_at, switch.last_claim + interval '1 microsecond');
                    IF one.last_legacy >= kept_to THEN
                        starts := one.last_legacy + switch.slack + interval '1 microsecond';
                        DELETE FROM bailey_beat.windows w WHERE w.place = open.place AND kept_to <= open.from_at;
                        UPDATE bailey_beat.windows w SET until_at = kept_to WHERE w.place = open.place;
                        INSERT INTO bailey_beat.windows (source, pipeline, from_at, until_at)
                        VALUES (the_source, the_pipeline, starts, CASE WHEN open.until_at IS NOT NULL THEN greatest(open.until_at, starts) END);
                    END IF;
                END IF;
            END IF;
        ELSE
            one.last_legacy := coalesce((got ->> 'last_run_at')::timestamptz, switch.first_closed_at);
        END IF;
        IF (got ->> 'enabled')::boolean THEN
            EXECUTE format('UPDATE %s SET enabled = false, start_time = $2 WHERE id = $1', place.tasks)
                USING (got ->> 'id')::bigint, CASE WHEN switch.heal THEN bailey_beat.wanted_start(one) ELSE one.start_time END;
        END IF;
        UPDATE bailey_beat.entry e SET last_legacy = one.last_legacy, row_id = (got ->> 'id')::bigint, runs = (got ->> 'total_run_count')::bigint,
            start_time = CASE WHEN switch.heal THEN bailey_beat.wanted_start(one) ELSE one.start_time END
            WHERE e.source = the_source AND e.name = one.name;
    END LOOP;
    PERFORM set_config('bailey_beat.acting', '', true);
    UPDATE bailey_beat.switch s SET state = 'airflow', heal = false, settled_at = moment, round = 0,
        last_legacy = (SELECT e.last_legacy FROM bailey_beat.entry e WHERE e.source = the_source AND e.pipeline = the_pipeline AND e.place = 0)
        WHERE s.source = the_source AND s.pipeline = the_pipeline;
    PERFORM bailey_beat.testify(place, false);
    SELECT w.from_at INTO starts FROM bailey_beat.windows w WHERE w.source = the_source AND w.pipeline = the_pipeline ORDER BY w.place DESC LIMIT 1;
    RETURN jsonb_build_object('answer', 'settled', 'at', bailey_beat.us(moment), 'why', why, 'from', bailey_beat.us(starts), 'fence', switch.fence);
END $bailey$;

-- The start_time that the application last wrote, or had.
CREATE OR REPLACE FUNCTION bailey_beat.wanted_start(one bailey_beat.entry) RETURNS timestamptz LANGUAGE plpgsql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
DECLARE
    last record;
BEGIN
    SELECT g.value INTO last FROM bailey_beat.sighting g WHERE g.source = one.source AND g.name = one.name AND g.what = 'start_time'
        ORDER BY g.place DESC LIMIT 1;
    RETURN CASE WHEN FOUND THEN bailey_beat.at(last.value::bigint) ELSE one.start_time END;
END $bailey$;

-- Takes the clock of entries that are Airflow's away again, if something has started it. Answers: sound, closing, not-mine.
CREATE OR REPLACE FUNCTION bailey_beat.repark(the_source text, the_pipeline text) RETURNS jsonb LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $bailey$
#variable_conflict use_column
DECLARE
    place bailey_beat.place := bailey_beat.alone(the_source, the_pipeline);
    switch bailey_beat.switch;
    one bailey_beat.entry;
    got jsonb;
    was_told boolean;
BEGIN
    SELECT * INTO switch FROM bailey_beat.switch s WHERE s.source = the_source AND s.pipeline = the_pipeline;
    IF switch.state IS DISTINCT FROM 'airflow' THEN
        RETURN jsonb_build_object('answer', CASE WHEN switch.state = 'closing' THEN 'closing' ELSE 'not-mine' END);
    END IF;
    IF NOT bailey_beat.is_started(place, the_pipeline) THEN
        RETURN jsonb_build_object('answer', 'sound', 'fence', switch.fence);
    END IF;
    was_told := bailey_beat.mark(place, switch.longest, true);
    PERFORM set_config('bailey_beat.acting', 'on', true);
    FOR one IN SELECT * FROM bailey_beat.entry e WHERE e.source = the_source AND e.pipeline = the_pipeline ORDER BY e.place LOOP
        got := bailey_beat.row_of(place, one.row_id, one.name, true);
        CONTINUE WHEN got IS NULL OR NOT (got ->> 'enabled')::boolean;
        IF (got ->> 'start_time')::timestamptz IS DISTINCT FROM bailey_beat.parked() THEN
            UPDATE bailey_beat.entry e SET start_time = (got ->> 'start_time')::timestamptz WHERE e.source = the_source AND e.name = one.name;
            EXECUTE format('UPDATE %s SET start_time = bailey_beat.parked() WHERE id = $1', place.tasks) USING (got ->> 'id')::bigint;
        END IF;
    END LOOP;
    UPDATE bailey_beat.switch s SET state = 'closing', heal = true, fence = s.fence + 1, closed_at = clock_timestamp(), round = 0,
        needs = bailey_beat.telling(place, was_told) WHERE s.source = the_source AND s.pipeline = the_pipeline;
    PERFORM bailey_beat.testify(place, was_told);
    PERFORM set_config('bailey_beat.acting', '', true);
    RETURN jsonb_build_object('answer', 'closing', 'fence', switch.fence + 1);
END $bailey$;

-- Whether a row of a pipeline is enabled: a beat may fire it, or hold it as something that it meant to write.
CREATE OR REPLACE FUNCTION bailey_beat.is_started(place bailey_beat.place, the_pipeline text) RETURNS boolean LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
DECLARE
    got boolean;
BEGIN
    EXECUTE format('SELECT EXISTS (SELECT FROM %s t JOIN bailey_beat.entry e ON e.row_id = t.id OR e.name = t.name
        WHERE e.source = $1 AND e.pipeline = $2 AND t.enabled)', place.tasks) INTO got USING place.source, the_pipeline;
    RETURN got;
END $bailey$;

-- Legacy has its clock again, from closing or airflow, all or none; beat knows it when it was told. Answers: given, nothing, retiring, changed (the
-- fence).
CREATE OR REPLACE FUNCTION bailey_beat.give_back(the_source text, the_pipeline text, the_fence bigint, recreates boolean, only_closing boolean)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $bailey$
#variable_conflict use_column
DECLARE
    place bailey_beat.place := bailey_beat.alone(the_source, the_pipeline);
    switch bailey_beat.switch;
    one bailey_beat.entry;
    got jsonb;
    is_fresh boolean;
    last timestamptz;
    moment timestamptz;
    gone jsonb := '[]';
    redefined jsonb := '[]';
    open bailey_beat.windows;
    was_told boolean;
BEGIN
    SELECT * INTO switch FROM bailey_beat.switch s WHERE s.source = the_source AND s.pipeline = the_pipeline;
    IF switch.state IS NULL OR switch.state = 'legacy' THEN
        RETURN jsonb_build_object('answer', 'nothing');
    ELSIF switch.retiring THEN
        RETURN jsonb_build_object('answer', 'retiring');
    ELSIF the_fence IS NOT NULL AND switch.fence <> the_fence THEN
        RETURN jsonb_build_object('answer', 'changed', 'fence', switch.fence);
    END IF;
    is_fresh := switch.state = 'closing' AND NOT switch.heal;
    IF only_closing AND NOT is_fresh THEN
        RETURN jsonb_build_object('answer', 'nothing');
    END IF;
    was_told := bailey_beat.mark(place, switch.longest, true);
    moment := clock_timestamp();
    PERFORM set_config('bailey_beat.acting', 'on', true);
    FOR one IN SELECT * FROM bailey_beat.entry e WHERE e.source = the_source AND e.pipeline = the_pipeline ORDER BY e.place LOOP
        got := bailey_beat.row_of(place, one.row_id, one.name, true);
        IF got IS NULL THEN
            gone := gone || to_jsonb(one.name);
            CONTINUE WHEN NOT recreates;
            got := one.kept;
            EXECUTE format('INSERT INTO %1$s SELECT (jsonb_populate_record(NULL::%1$s, $1)).*', place.tasks)
                USING got || jsonb_build_object('enabled', false, 'date_changed', moment);
        ELSIF bailey_beat.definition(place, got) - ARRAY['enabled', 'start_time'] IS DISTINCT FROM
            bailey_beat.definition(place, one.kept) - ARRAY['enabled', 'start_time'] THEN
            redefined := redefined || to_jsonb(one.name);
        END IF;
        IF is_fresh THEN
            -- What beat has written of its fires is its own, and so is the application's own false.
            EXECUTE format('UPDATE %s SET start_time = $2 WHERE id = $1', place.tasks) USING (got ->> 'id')::bigint, bailey_beat.wanted_start(one);
            CONTINUE;
        END IF;
        last := greatest(switch.last_claim, one.last_legacy);
        IF (got ->> 'enabled')::boolean AND (got ->> 'total_run_count')::bigint > one.runs THEN
            last := greatest(last, (got ->> 'last_run_at')::timestamptz);
        END IF;
        -- An entry that has never run, of which no run has claimed a tick, goes on as one that never has.
        IF switch.last_claim IS NULL AND one.kept ->> 'last_run_at' IS NULL AND last = switch.first_closed_at THEN
            last := NULL;
        END IF;
        EXECUTE format('UPDATE %s SET enabled = $2, start_time = $3, last_run_at = $4 WHERE id = $1', place.tasks)
            USING (got ->> 'id')::bigint, one.was_enabled, bailey_beat.wanted_start(one), last;
        -- What a write that comes later is held against.
        UPDATE bailey_beat.entry e SET start_time = bailey_beat.wanted_start(one), row_id = (got ->> 'id')::bigint
            WHERE e.source = the_source AND e.name = one.name;
    END LOOP;
    PERFORM set_config('bailey_beat.acting', '', true);
    IF NOT is_fresh THEN
        SELECT * INTO open FROM bailey_beat.windows w WHERE w.source = the_source AND w.pipeline = the_pipeline ORDER BY w.place DESC LIMIT 1;
        IF switch.last_claim >= open.from_at THEN
            UPDATE bailey_beat.windows w SET until_at = least(w.until_at, switch.last_claim + interval '1 microsecond') WHERE w.place = open.place;
        ELSE
            DELETE FROM bailey_beat.windows w WHERE w.place = open.place;
        END IF;
    END IF;
    UPDATE bailey_beat.switch s SET state = 'legacy', heal = false, fence = s.fence + 1, who = '', ticks_left = NULL, until = NULL,
        told = NULL, round = 0, given_back_at = moment
        WHERE s.source = the_source AND s.pipeline = the_pipeline;
    PERFORM bailey_beat.testify(place, was_told);
    RETURN jsonb_build_object('answer', 'given', 'told', was_told, 'at', bailey_beat.us(moment), 'fence', switch.fence + 1, 'gone', gone, 'redefined', redefined);
END $bailey$;
