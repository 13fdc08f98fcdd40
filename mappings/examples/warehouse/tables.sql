-- What the mappings here take for granted, in small: the application's tables, and the warehouse's own.
CREATE TABLE users (id bigint PRIMARY KEY, plan text NOT NULL);
CREATE TABLE requests (
    id bigint PRIMARY KEY,
    user_id bigint,
    at timestamptz NOT NULL,
    path text NOT NULL,
    status integer NOT NULL,
    milliseconds integer NOT NULL
);

CREATE SCHEMA mart;
CREATE TABLE mart.request_log (
    id bigint NOT NULL,
    user_id bigint,
    plan text,
    at timestamptz NOT NULL,
    day date NOT NULL,
    hour integer NOT NULL,
    path text NOT NULL,
    status integer NOT NULL,
    failed boolean NOT NULL,
    milliseconds integer NOT NULL,
    slow boolean NOT NULL
);
CREATE TABLE mart.etl_runs (
    pipeline text NOT NULL,
    tick timestamptz NOT NULL,
    loaded bigint NOT NULL,
    noted_at timestamptz NOT NULL,
    PRIMARY KEY (pipeline, tick)
);
CREATE TABLE mart.exported_days (day date PRIMARY KEY, users bigint NOT NULL, requests bigint NOT NULL, cost numeric NOT NULL);

-- Each hour.
CREATE MATERIALIZED VIEW mart.requests_per_hour AS
SELECT day, hour, count(*) AS requests FROM mart.request_log GROUP BY day, hour;
CREATE MATERIALIZED VIEW mart.requests_per_user AS
SELECT user_id, count(*) AS requests FROM mart.request_log GROUP BY user_id;
CREATE MATERIALIZED VIEW mart.failed_requests AS
SELECT path, status, count(*) AS requests FROM mart.request_log WHERE failed GROUP BY path, status;

-- Each day.
CREATE MATERIALIZED VIEW mart.daily_users AS
SELECT day, count(DISTINCT user_id) AS users FROM mart.request_log GROUP BY day;
CREATE MATERIALIZED VIEW mart.daily_requests AS
SELECT day, count(*) AS requests FROM mart.request_log GROUP BY day;
CREATE MATERIALIZED VIEW mart.weekly_requests AS
SELECT date_trunc('week', day::timestamp)::date AS week, count(*) AS requests FROM mart.request_log GROUP BY 1;
CREATE MATERIALIZED VIEW mart.models_by_plan AS
SELECT plan, path, count(*) AS requests FROM mart.request_log GROUP BY plan, path;
CREATE MATERIALIZED VIEW mart.errors_by_path AS
SELECT path, count(*) AS errors FROM mart.request_log WHERE failed GROUP BY path;
CREATE MATERIALIZED VIEW mart.slow_paths AS
SELECT path, max(milliseconds) AS worst FROM mart.request_log WHERE slow GROUP BY path;
CREATE MATERIALIZED VIEW mart.features_by_user AS
SELECT user_id, avg(milliseconds) AS milliseconds FROM mart.request_log GROUP BY user_id;
CREATE MATERIALIZED VIEW mart.features_by_model AS
SELECT path, avg(milliseconds) AS milliseconds FROM mart.request_log GROUP BY path;
CREATE MATERIALIZED VIEW mart.retention AS
SELECT user_id, min(day) AS since, max(day) AS until FROM mart.request_log GROUP BY user_id;
CREATE MATERIALIZED VIEW mart.costs AS
SELECT day, sum(milliseconds) * 0.001 AS cost FROM mart.request_log GROUP BY day;
