BEGIN;
CREATE SCHEMA "bailey_history";
SET LOCAL search_path TO "bailey_history";
-- One run: legacy's own of an entry, one in shadow of an entry, or a run of a pipeline's DAG in Airflow.
CREATE TABLE run (
    day date NOT NULL,
    part text NOT NULL,
    side text NOT NULL,
    pipeline text,
    entry text,
    task text,
    run text NOT NULL,
    tick timestamp with time zone,
    queued_at timestamp with time zone,
    started_at timestamp with time zone,
    ended_at timestamp with time zone,
    seconds double precision,
    state text,
    mode text,
    standing text,
    attempts integer
)
PARTITION BY RANGE (day)
USING ao_column WITH (compresstype=zstd, compresslevel=5)
DISTRIBUTED BY ("run");
-- One comparison of a run in shadow with legacy's; those that a later one of the same run replaced are there too.
CREATE TABLE comparison (
    day date NOT NULL,
    part text NOT NULL,
    number bigint NOT NULL,
    pipeline text NOT NULL,
    entry text NOT NULL,
    run text NOT NULL,
    form text NOT NULL,
    verdict text NOT NULL,
    reason text,
    compared_at timestamp with time zone NOT NULL,
    ran_at timestamp with time zone,
    legacy_seconds double precision,
    shadow_seconds double precision,
    shadow_state text,
    is_replaced boolean NOT NULL,
    isolation text,
    uncompared_calls integer
)
PARTITION BY RANGE (day)
USING ao_column WITH (compresstype=zstd, compresslevel=5)
DISTRIBUTED BY ("run");
-- One way in which the two runs of a comparison differ: what sort, where, and the rule that hides it.
CREATE TABLE difference (
    day date NOT NULL,
    part text NOT NULL,
    comparison bigint NOT NULL,
    pipeline text NOT NULL,
    kind text NOT NULL,
    place text NOT NULL,
    hidden_by text
)
PARTITION BY RANGE (day)
USING ao_column WITH (compresstype=zstd, compresslevel=5)
DISTRIBUTED BY ("comparison");
-- One time at which legacy's scheduler fired an entry, with the run that it made where that was seen.
CREATE TABLE tick (
    day date NOT NULL,
    part text NOT NULL,
    entry text NOT NULL,
    tick timestamp with time zone NOT NULL,
    fired_at timestamp with time zone NOT NULL,
    is_exact boolean NOT NULL,
    run text
)
PARTITION BY RANGE (day)
USING ao_column WITH (compresstype=zstd, compresslevel=5)
DISTRIBUTED BY ("entry", "fired_at");
-- One line of the journal; owner says whose the ticks or jobs are from then on, where the line changed it.
CREATE TABLE journal (
    day date NOT NULL,
    part text NOT NULL,
    number bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    pipeline text NOT NULL,
    operation text NOT NULL,
    token text NOT NULL,
    step text NOT NULL,
    phase text NOT NULL,
    done_by text NOT NULL,
    owner text
)
PARTITION BY RANGE (day)
USING ao_column WITH (compresstype=zstd, compresslevel=5)
DISTRIBUTED BY ("number");
-- One task of a run of a pipeline's DAG in Airflow, its latest attempt.
CREATE TABLE task_run (
    day date NOT NULL,
    part text NOT NULL,
    pipeline text NOT NULL,
    run text NOT NULL,
    task text NOT NULL,
    entry text,
    map_index integer NOT NULL,
    state text,
    attempt integer,
    started_at timestamp with time zone,
    ended_at timestamp with time zone,
    seconds double precision
)
PARTITION BY RANGE (day)
USING ao_column WITH (compresstype=zstd, compresslevel=5)
DISTRIBUTED BY ("run");
-- One pipeline as it is planned now.
CREATE TABLE pipeline (
    part text NOT NULL,
    pipeline text NOT NULL,
    name text NOT NULL,
    summary text NOT NULL,
    owner text NOT NULL,
    driver text,
    schedule text NOT NULL,
    timezone text NOT NULL,
    tasks integer NOT NULL
)
DISTRIBUTED REPLICATED;
-- One entry of the latest inventory, with the pipeline that it belongs to now.
CREATE TABLE entry (
    part text NOT NULL,
    entry text NOT NULL,
    source text NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    task text NOT NULL,
    pipeline text,
    schedule text,
    timezone text,
    is_enabled boolean NOT NULL
)
DISTRIBUTED REPLICATED;
-- One legacy system of the latest inventory.
CREATE TABLE source (
    part text NOT NULL,
    source text NOT NULL,
    kind text NOT NULL,
    system text NOT NULL,
    address text NOT NULL
)
DISTRIBUTED REPLICATED;
-- One time in which nobody watched a source: what ran then may be missing.
CREATE TABLE gap (
    part text NOT NULL,
    source text NOT NULL,
    from_at timestamp with time zone NOT NULL,
    until_at timestamp with time zone NOT NULL,
    reason text NOT NULL
)
DISTRIBUTED REPLICATED;
-- Which Bailey writes here, in which form, and how far it has read each DAG's runs.
CREATE TABLE export_state (
    name text NOT NULL PRIMARY KEY,
    value text NOT NULL
)
DISTRIBUTED BY ("name");
-- What has been written, hour by hour and run by run, with the digest by which a change is noticed.
CREATE TABLE export_part (
    part text NOT NULL PRIMARY KEY,
    stream text NOT NULL,
    day date NOT NULL,
    digest text NOT NULL,
    row_count bigint NOT NULL
)
DISTRIBUTED BY ("part");
-- The months that fact tables have partitions for.
CREATE TABLE export_month (
    month date NOT NULL PRIMARY KEY
)
DISTRIBUTED BY ("month");
-- Who ran which tick: legacy where its scheduler fired it, Airflow where a live run stands for it.
CREATE VIEW tick_runner AS
    SELECT e.pipeline, t.entry, t.tick, 'legacy' AS ran_by, t.run, t.fired_at AS at
    FROM tick t LEFT JOIN entry e ON e.entry = t.entry
    UNION ALL
    SELECT r.pipeline, NULL, r.tick, 'airflow', r.run, r.started_at
    FROM run r WHERE r.side = 'airflow' AND r.mode = 'live' AND r.tick IS NOT NULL;
CREATE TABLE "run_2026_12" PARTITION OF "run" FOR VALUES FROM ('2026-12-01') TO ('2027-01-01') USING ao_column WITH (compresstype=zstd, compresslevel=5);
CREATE TABLE "comparison_2026_12" PARTITION OF "comparison" FOR VALUES FROM ('2026-12-01') TO ('2027-01-01') USING ao_column WITH (compresstype=zstd, compresslevel=5);
CREATE TABLE "difference_2026_12" PARTITION OF "difference" FOR VALUES FROM ('2026-12-01') TO ('2027-01-01') USING ao_column WITH (compresstype=zstd, compresslevel=5);
CREATE TABLE "tick_2026_12" PARTITION OF "tick" FOR VALUES FROM ('2026-12-01') TO ('2027-01-01') USING ao_column WITH (compresstype=zstd, compresslevel=5);
CREATE TABLE "journal_2026_12" PARTITION OF "journal" FOR VALUES FROM ('2026-12-01') TO ('2027-01-01') USING ao_column WITH (compresstype=zstd, compresslevel=5);
CREATE TABLE "task_run_2026_12" PARTITION OF "task_run" FOR VALUES FROM ('2026-12-01') TO ('2027-01-01') USING ao_column WITH (compresstype=zstd, compresslevel=5);
INSERT INTO export_state (name, value) VALUES ('version', '1'), ('layout', 'modern');
INSERT INTO export_month (month) VALUES ('2026-12-01');
COMMIT;
