-- Takes the bridge away from a pipeline that Airflow owns without an end: marks it, so that nothing gives it back while its DAG has no gate
-- (mark, unmark), and forgets it (finish). The rows stay, disabled as they are: what a beat whose code has them writes at its start leaves them so,
-- where it would make deleted ones anew. Answers: done; not-mine, changed (the fence), bounded, started, unmarked, with nothing written.
CREATE OR REPLACE FUNCTION bailey_beat.retire(the_source text, the_pipeline text, the_fence bigint, deed text) RETURNS jsonb LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $bailey$
DECLARE
    place bailey_beat.place := bailey_beat.alone(the_source, the_pipeline);
    switch bailey_beat.switch;
BEGIN
    SELECT * INTO switch FROM bailey_beat.switch s WHERE s.source = the_source AND s.pipeline = the_pipeline;
    IF switch.state IS DISTINCT FROM 'airflow' THEN
        RETURN jsonb_build_object('answer', 'not-mine', 'state', coalesce(switch.state, 'legacy'));
    ELSIF switch.fence <> the_fence THEN
        RETURN jsonb_build_object('answer', 'changed', 'fence', switch.fence);
    ELSIF deed = 'unmark' THEN
        UPDATE bailey_beat.switch s SET retiring = false WHERE s.source = the_source AND s.pipeline = the_pipeline;
        RETURN jsonb_build_object('answer', 'done');
    ELSIF switch.until IS NOT NULL OR switch.ticks_left IS NOT NULL THEN
        RETURN jsonb_build_object('answer', 'bounded', 'until', bailey_beat.us(switch.until));
    ELSIF bailey_beat.is_started(place, the_pipeline) THEN
        RETURN jsonb_build_object('answer', 'started');
    ELSIF deed = 'mark' THEN
        UPDATE bailey_beat.switch s SET retiring = true WHERE s.source = the_source AND s.pipeline = the_pipeline;
        RETURN jsonb_build_object('answer', 'done');
    ELSIF NOT switch.retiring THEN
        RETURN jsonb_build_object('answer', 'unmarked');
    END IF;
    DELETE FROM bailey_beat.sighting g USING bailey_beat.entry e
        WHERE e.source = the_source AND e.pipeline = the_pipeline AND g.source = e.source AND g.name = e.name;
    DELETE FROM bailey_beat.entry e WHERE e.source = the_source AND e.pipeline = the_pipeline;
    DELETE FROM bailey_beat.windows w WHERE w.source = the_source AND w.pipeline = the_pipeline;
    DELETE FROM bailey_beat.claim c WHERE c.source = the_source AND c.pipeline = the_pipeline;
    DELETE FROM bailey_beat.asked a WHERE a.source = the_source AND a.pipeline = the_pipeline;
    DELETE FROM bailey_beat.switch s WHERE s.source = the_source AND s.pipeline = the_pipeline;
    RETURN jsonb_build_object('answer', 'done');
END $bailey$;
