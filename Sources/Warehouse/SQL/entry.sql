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
