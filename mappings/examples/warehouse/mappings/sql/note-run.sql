DELETE FROM mart.etl_runs WHERE pipeline = 'request-log' AND tick = :at::timestamptz;
INSERT INTO mart.etl_runs (pipeline, tick, loaded, noted_at) VALUES ('request-log', :at::timestamptz, :loaded::bigint, now())
