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
