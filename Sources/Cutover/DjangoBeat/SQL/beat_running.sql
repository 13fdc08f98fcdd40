-- Says who owns a tick and, if Airflow does, gives it to this run; the same run is told the same again. Answers: live, coalesced, dropped (it is this
-- run's), skip, shadow, closing, started, denied.
CREATE OR REPLACE FUNCTION bailey_beat.claim(the_source text, the_pipeline text, the_tick timestamptz, the_run text, policy text,
    late_after interval, began timestamptz, the_installation text) RETURNS jsonb LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
#variable_conflict use_column
DECLARE
    place bailey_beat.place := bailey_beat.alone(the_source, the_pipeline);
    switch bailey_beat.switch;
    old bailey_beat.claim;
    of bailey_beat.windows;
    last bailey_beat.windows;
    moment timestamptz := clock_timestamp();
    said text := 'live';
    note text := '';
    ended boolean := false;
    fence text;
BEGIN
    -- A claim of a far tick would make legacy, when it has its clock back, skip all ticks before it.
    IF the_tick > moment + interval '1 minute' THEN
        RETURN jsonb_build_object('answer', 'denied');
    END IF;
    SELECT * INTO switch FROM bailey_beat.switch s WHERE s.source = the_source AND s.pipeline = the_pipeline;
    fence := coalesce(switch.fence::text, '');
    -- The mark: a switch that nobody asks is noticed by its absence. A backfill asks for old ticks; the newest is what tells.
    INSERT INTO bailey_beat.asked AS a (source, pipeline, installation, tick, run, at)
    VALUES (the_source, the_pipeline, the_installation, the_tick, the_run, moment)
    ON CONFLICT (source, pipeline, installation) DO UPDATE SET tick = excluded.tick, run = excluded.run, at = excluded.at
        WHERE excluded.tick >= a.tick;
    SELECT * INTO old FROM bailey_beat.claim c WHERE c.source = the_source AND c.pipeline = the_pipeline AND c.tick = the_tick;
    IF FOUND THEN
        -- Two installations of Airflow give the runs of one DAG the same ids.
        IF old.run = the_run AND old.installation = the_installation THEN
            RETURN jsonb_build_object('answer', old.how, 'note', 'again', 'fence', fence, 'ended',
                coalesce(switch.state = 'airflow' AND switch.ticks_left = 0, false));
        END IF;
        RETURN jsonb_build_object('answer', 'skip', 'run', old.run, 'how', old.how, 'fence', fence);
    END IF;
    -- Absence never means go.
    IF switch.source IS NULL THEN
        UPDATE bailey_beat.asked a SET shadowed = greatest(a.shadowed, the_tick)
            WHERE a.source = the_source AND a.pipeline = the_pipeline AND a.installation = the_installation;
        RETURN jsonb_build_object('answer', 'shadow', 'why', 'no-switch', 'ended', false, 'fence', '');
    END IF;
    IF the_tick <= switch.claims_from THEN
        RETURN jsonb_build_object('answer', 'skip', 'run', '', 'how', 'trimmed', 'fence', fence);
    END IF;
    SELECT * INTO last FROM bailey_beat.windows w WHERE w.source = the_source AND w.pipeline = the_pipeline ORDER BY w.place DESC LIMIT 1;
    SELECT * INTO of FROM bailey_beat.windows w WHERE w.source = the_source AND w.pipeline = the_pipeline
        AND the_tick >= w.from_at AND (w.until_at IS NULL OR the_tick < w.until_at) ORDER BY w.place DESC LIMIT 1;
    IF of.place IS NULL THEN
        IF switch.state = 'closing' AND NOT switch.heal THEN
            RETURN jsonb_build_object('answer', 'closing', 'fence', fence);
        END IF;
        UPDATE bailey_beat.asked a SET shadowed = greatest(a.shadowed, the_tick)
            WHERE a.source = the_source AND a.pipeline = the_pipeline AND a.installation = the_installation;
        RETURN jsonb_build_object('answer', 'shadow', 'why', 'not-ours', 'fence', fence,
            'ended', coalesce(switch.state = 'airflow' AND the_tick >= last.until_at, false));
    END IF;
    IF of.place = last.place AND switch.state = 'closing' AND switch.heal THEN
        RETURN jsonb_build_object('answer', 'closing', 'fence', fence);
    END IF;
    IF switch.installation <> '' AND the_installation <> switch.installation THEN
        RETURN jsonb_build_object('answer', 'shadow', 'why', 'other-installation', 'ended', false, 'fence', fence);
    END IF;
    IF of.place = last.place AND switch.state = 'airflow' AND bailey_beat.is_started(place, the_pipeline) THEN
        RETURN jsonb_build_object('answer', 'started', 'fence', fence);
    END IF;
    -- As beat does: a run that begins late stands for every tick that was due when it began.
    IF policy = 'coalesce' AND the_tick <= switch.last_live_at AND began - the_tick > interval '1 second' THEN
        said := 'coalesced';
    ELSIF policy = 'none' AND began - the_tick > late_after THEN
        said := 'dropped';
    END IF;
    INSERT INTO bailey_beat.claim (source, pipeline, tick, run, at, how, installation)
    VALUES (the_source, the_pipeline, the_tick, the_run, moment, said, the_installation);
    ended := of.place = last.place AND switch.state = 'airflow' AND switch.ticks_left = 1;
    IF ended THEN
        UPDATE bailey_beat.windows w SET until_at = greatest(w.from_at, switch.last_claim + interval '1 microsecond', the_tick + interval '1 microsecond')
            WHERE w.place = last.place;
    END IF;
    UPDATE bailey_beat.switch s SET last_claim = greatest(s.last_claim, the_tick),
        last_live_at = CASE WHEN said = 'live' THEN greatest(s.last_live_at, began) ELSE s.last_live_at END,
        installation = CASE WHEN s.installation = '' THEN the_installation ELSE s.installation END,
        ticks_left = CASE WHEN of.place = last.place AND s.state = 'airflow' AND s.ticks_left > 0 THEN s.ticks_left - 1 ELSE s.ticks_left END
        WHERE s.source = the_source AND s.pipeline = the_pipeline;
    DELETE FROM bailey_beat.claim c WHERE c.source = the_source AND c.pipeline = the_pipeline AND c.tick < moment - interval '400 days';
    IF FOUND THEN
        UPDATE bailey_beat.switch s SET claims_from = greatest(s.claims_from, moment - interval '400 days')
            WHERE s.source = the_source AND s.pipeline = the_pipeline;
    END IF;
    RETURN jsonb_build_object('answer', said, 'note', note, 'ended', coalesce(ended, false), 'fence', fence);
END $bailey$;

-- One look of a gate: claims; where the clock is being taken away it does what is due of that, and gives back what cannot be. The mode (live,
-- shadow, skip, wait), how that is known, and a note.
CREATE OR REPLACE FUNCTION bailey_beat.look(the_source text, the_pipeline text, the_tick timestamptz, the_run text, policy text,
    late_after interval, began timestamptz, the_installation text) RETURNS jsonb LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
DECLARE
    answer jsonb;
    settled jsonb;
    said text;
    note text := '';
BEGIN
    FOR turn IN 1..4 LOOP
        answer := bailey_beat.claim(the_source, the_pipeline, the_tick, the_run, policy, late_after, began, the_installation);
        said := answer ->> 'answer';
        IF said IN ('live', 'coalesced', 'dropped', 'shadow') AND (answer ->> 'ended')::boolean THEN
            PERFORM bailey_beat.give_back(the_source, the_pipeline, (answer ->> 'fence')::bigint, false, false);
        END IF;
        CASE said
            WHEN 'live' THEN
                RETURN jsonb_build_object('mode', 'live', 'how', 'live', 'note', note, 'fence', answer ->> 'fence');
            WHEN 'coalesced', 'dropped' THEN
                RETURN jsonb_build_object('mode', 'skip', 'how', said, 'note', note, 'fence', answer ->> 'fence');
            WHEN 'skip' THEN
                RETURN jsonb_build_object('mode', 'skip', 'how', CASE answer ->> 'how' WHEN 'trimmed' THEN 'trimmed' ELSE 'claimed' END,
                    'note', CASE answer ->> 'how' WHEN 'trimmed' THEN 'too old a tick to say who ran it; it is not run again'
                        ELSE format('%s has this tick (%s)', answer ->> 'run', answer ->> 'how') END, 'fence', answer ->> 'fence');
            WHEN 'shadow' THEN
                RETURN jsonb_build_object('mode', 'shadow', 'how', answer ->> 'why', 'note', CASE answer ->> 'why' WHEN 'other-installation'
                    THEN format('the switch names another installation of Airflow than this one (%s)', the_installation) ELSE note END,
                    'fence', answer ->> 'fence');
            WHEN 'denied' THEN
                RETURN jsonb_build_object('mode', 'wait', 'how', 'future', 'note', 'the tick is more than a minute ahead of the database''s clock',
                    'fence', '');
            WHEN 'started' THEN
                note := 'something had started the legacy clock; it is taken away again';
                PERFORM bailey_beat.repark(the_source, the_pipeline);
            ELSE
                settled := bailey_beat.settle(the_source, the_pipeline);
                IF settled ->> 'answer' = 'waiting' THEN
                    RETURN jsonb_build_object('mode', 'wait', 'how', 'closing', 'note', concat_ws('; ', nullif(note, ''),
                        format('beat is to be seen to load its schedule (%s)', settled ->> 'why')), 'fence', answer ->> 'fence');
                ELSIF settled ->> 'answer' NOT IN ('settled', 'already', 'not-closing') THEN
                    note := format('given back, for the entries cannot be taken over (%s)', settled ->> 'answer');
                    PERFORM bailey_beat.give_back(the_source, the_pipeline, (settled ->> 'fence')::bigint, false, true);
                END IF;
        END CASE;
    END LOOP;
    RETURN jsonb_build_object('mode', 'wait', 'how', 'moving', 'note', 'the switch changed at every look', 'fence', '');
END $bailey$;

-- The same, and whether beat is still to be told of what this look gave back.
CREATE OR REPLACE FUNCTION bailey_beat.ask(the_source text, the_pipeline text, the_tick timestamptz, the_run text, policy text,
    late_after interval, began timestamptz, the_installation text) RETURNS jsonb LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
BEGIN
    PERFORM bailey_beat.alone(the_source, the_pipeline);
    -- What somebody owed beat and did not live to tell.
    BEGIN
        PERFORM bailey_beat.tell(the_source);
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
        NULL;
    END;
    RETURN bailey_beat.look(the_source, the_pipeline, the_tick, the_run, policy, late_after, began, the_installation)
        || jsonb_build_object('owes', EXISTS (SELECT FROM bailey_beat.beat b JOIN bailey_beat.switch s USING (source)
            WHERE b.source = the_source AND b.owes AND s.pipeline = the_pipeline AND s.state = 'legacy' AND s.given_back_at >= now()));
END $bailey$;

-- Everything there is to show of pipelines, read at one instant. Writes nothing.
CREATE OR REPLACE FUNCTION bailey_beat.status(the_source text, pipelines text[], claims integer) RETURNS jsonb LANGUAGE plpgsql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $bailey$
#variable_conflict use_column
DECLARE
    here bailey_beat.place;
    got jsonb := '{}';
    one text;
    parts jsonb;
BEGIN
    SELECT * INTO here FROM bailey_beat.place p WHERE p.source = the_source;
    FOREACH one IN ARRAY coalesce(pipelines, ARRAY(SELECT s.pipeline FROM bailey_beat.switch s WHERE s.source = the_source ORDER BY 1)) LOOP
        SELECT jsonb_agg(jsonb_build_object('name', e.name, 'row', bailey_beat.row_of(here, e.row_id, e.name, false), 'kept', e.kept,
            'was_enabled', e.was_enabled, 'disabled', EXISTS (SELECT FROM bailey_beat.sighting g JOIN bailey_beat.switch s USING (source)
                WHERE g.source = the_source AND g.name = e.name AND g.what = 'disabled' AND s.pipeline = one AND g.seen_at > s.given_back_at)
                AND NOT coalesce((bailey_beat.row_of(here, e.row_id, e.name, false) ->> 'enabled')::boolean, true), 'last_legacy', bailey_beat.us(e.last_legacy),
            'redefined', coalesce(bailey_beat.definition(here, bailey_beat.row_of(here, e.row_id, e.name, false)) - ARRAY['enabled', 'start_time']
                IS DISTINCT FROM bailey_beat.definition(here, e.kept) - ARRAY['enabled', 'start_time'], false),
            'last_run', bailey_beat.us((bailey_beat.row_of(here, e.row_id, e.name, false) ->> 'last_run_at')::timestamptz)) ORDER BY e.place)
            INTO parts FROM bailey_beat.entry e WHERE e.source = the_source AND e.pipeline = one;
        got := got || jsonb_build_object(one, jsonb_build_object(
            'switch', (SELECT jsonb_build_object('state', s.state, 'heal', s.heal, 'retiring', s.retiring, 'fence', s.fence, 'by', s.who,
                'clock', s.clock, 'installation', s.installation, 'ticks_left', s.ticks_left, 'until', bailey_beat.us(s.until),
                'closed_at', bailey_beat.us(s.closed_at), 'first_closed_at', bailey_beat.us(s.first_closed_at),
                'settled_at', bailey_beat.us(s.settled_at), 'given_back_at', bailey_beat.us(s.given_back_at),
                'last_claim', bailey_beat.us(s.last_claim), 'last_live_at', bailey_beat.us(s.last_live_at),
                'last_legacy', bailey_beat.us(s.last_legacy), 'longest', extract(epoch FROM s.longest),
                'started', s.state = 'airflow' AND bailey_beat.is_started(here, one),
                'over', coalesce(s.state = 'airflow' AND s.until <= clock_timestamp(), false))
                FROM bailey_beat.switch s WHERE s.source = the_source AND s.pipeline = one),
            'entries', coalesce(parts, '[]'),
            'windows', (SELECT coalesce(jsonb_agg(jsonb_build_array(bailey_beat.us(w.from_at), bailey_beat.us(w.until_at)) ORDER BY w.place), '[]')
                FROM bailey_beat.windows w WHERE w.source = the_source AND w.pipeline = one),
            'claims', (SELECT coalesce(jsonb_agg(jsonb_build_object('tick', bailey_beat.us(c.tick), 'run', c.run, 'at', bailey_beat.us(c.at),
                'how', c.how) ORDER BY c.tick DESC), '[]') FROM (SELECT * FROM bailey_beat.claim c WHERE c.source = the_source AND c.pipeline = one
                ORDER BY c.tick DESC LIMIT claims) c),
            'asked', (SELECT coalesce(jsonb_agg(jsonb_build_object('installation', a.installation, 'tick', bailey_beat.us(a.tick),
                'at', bailey_beat.us(a.at)) ORDER BY a.at DESC), '[]') FROM bailey_beat.asked a WHERE a.source = the_source AND a.pipeline = one)));
    END LOOP;
    RETURN jsonb_build_object('now', bailey_beat.us(clock_timestamp()), 'installed_at', bailey_beat.us(here.installed_at), 'pipelines', got,
        'owes', EXISTS (SELECT FROM bailey_beat.beat b WHERE b.source = the_source AND b.owes));
END $bailey$;
