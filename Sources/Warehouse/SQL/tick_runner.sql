-- Who ran which tick: legacy where its scheduler fired it, Airflow where a live run stands for it.
CREATE VIEW tick_runner AS
    SELECT e.pipeline, t.entry, t.tick, 'legacy' AS ran_by, t.run, t.fired_at AS at
    FROM tick t LEFT JOIN entry e ON e.entry = t.entry
    UNION ALL
    SELECT r.pipeline, NULL, r.tick, 'airflow', r.run, r.started_at
    FROM run r WHERE r.side = 'airflow' AND r.mode = 'live' AND r.tick IS NOT NULL
