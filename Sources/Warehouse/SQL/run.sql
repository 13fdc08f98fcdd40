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
