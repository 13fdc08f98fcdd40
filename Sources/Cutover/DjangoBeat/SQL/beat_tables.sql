-- Bailey's switch for entries of django_celery_beat, version 1. Run it as the owner of the package's tables; running it again changes nothing.
SET LOCAL lock_timeout = '2s';
CREATE SCHEMA IF NOT EXISTS bailey_beat;
CREATE TABLE IF NOT EXISTS bailey_beat.version (
    version integer PRIMARY KEY,
    installed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    installed_by text NOT NULL DEFAULT session_user
);
INSERT INTO bailey_beat.version (version) VALUES (1) ON CONFLICT DO NOTHING;
DO $bailey$ BEGIN
    IF (SELECT max(version) FROM bailey_beat.version) <> 1 THEN
        RAISE EXCEPTION 'BAILEY: schema bailey_beat is of another version of Bailey';
    END IF;
END $bailey$;

-- Where a source keeps its schedule.
CREATE TABLE IF NOT EXISTS bailey_beat.place (
    source text PRIMARY KEY,
    tasks regclass NOT NULL UNIQUE,
    marks regclass NOT NULL,
    intervals regclass NOT NULL,
    digest text NOT NULL,
    installed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Who owns the ticks of a pipeline. No row means legacy.
CREATE TABLE IF NOT EXISTS bailey_beat.switch (
    source text NOT NULL REFERENCES bailey_beat.place,
    pipeline text NOT NULL,
    state text NOT NULL CHECK (state IN ('legacy', 'closing', 'airflow')),
    -- It was Airflow's, and is closed again because something had started legacy's clock.
    heal boolean NOT NULL DEFAULT false,
    retiring boolean NOT NULL DEFAULT false,
    fence bigint NOT NULL,
    who text NOT NULL DEFAULT '',
    -- Whether the first entry is the pipeline's clock, or it has a schedule of its own.
    clock text NOT NULL CHECK (clock IN ('entry', 'own')),
    -- For how long after legacy's last run a tick of the DAG is the one that legacy has just run.
    slack interval NOT NULL,
    installation text NOT NULL DEFAULT '',
    ticks_left integer,
    until timestamptz,
    -- The tick that legacy must show to have run before its clock is taken away.
    told timestamptz,
    -- A loop of beat's, at most.
    longest interval NOT NULL,
    first_closed_at timestamptz NOT NULL,
    closed_at timestamptz NOT NULL,
    settled_at timestamptz,
    given_back_at timestamptz,
    last_claim timestamptz,
    last_live_at timestamptz,
    last_legacy timestamptz,
    -- Claims up to here are not kept: nobody may claim such a tick.
    claims_from timestamptz,
    -- The mark that beat is to be seen to have taken notice of, and which of the two that is.
    needs bigint NOT NULL DEFAULT 0,
    round integer NOT NULL DEFAULT 0,
    PRIMARY KEY (source, pipeline)
);

-- What beat was told: its marks, by number.
CREATE TABLE IF NOT EXISTS bailey_beat.beat (
    source text PRIMARY KEY REFERENCES bailey_beat.place,
    -- The last one that was made here, and when; the last that beat was seen to have loaded its schedule for.
    told bigint NOT NULL DEFAULT 0,
    told_at timestamptz,
    seen bigint NOT NULL DEFAULT 0,
    -- Rows were changed since, and the moment was none to tell.
    owes boolean NOT NULL DEFAULT false,
    -- The row that beat disables as it loads its schedule, and the interval that was made for it.
    witness bigint,
    made_interval bigint,
    -- Whether the beat that was seen last is one before 2.8.
    is_old boolean NOT NULL DEFAULT false
);

-- Copies of rows that beat fires for a rehearsal, and the mark that tells of each.
CREATE TABLE IF NOT EXISTS bailey_beat.copy (
    source text NOT NULL REFERENCES bailey_beat.place,
    name text NOT NULL,
    row_id bigint NOT NULL,
    longest interval NOT NULL,
    needs bigint NOT NULL,
    PRIMARY KEY (source, name)
);

-- The entries that were closed together; the first decides.
CREATE TABLE IF NOT EXISTS bailey_beat.entry (
    source text NOT NULL,
    name text NOT NULL,
    pipeline text NOT NULL,
    place integer NOT NULL,
    row_id bigint NOT NULL,
    -- The row as it was when it was closed.
    kept jsonb NOT NULL,
    was_enabled boolean NOT NULL,
    start_time timestamptz,
    runs bigint NOT NULL,
    last_legacy timestamptz,
    PRIMARY KEY (source, name),
    FOREIGN KEY (source, pipeline) REFERENCES bailey_beat.switch
);
CREATE INDEX IF NOT EXISTS entry_row ON bailey_beat.entry (source, row_id);

-- The half-open intervals of ticks that are Airflow's.
CREATE TABLE IF NOT EXISTS bailey_beat.windows (
    place bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text NOT NULL,
    pipeline text NOT NULL,
    from_at timestamptz NOT NULL,
    until_at timestamptz,
    FOREIGN KEY (source, pipeline) REFERENCES bailey_beat.switch
);
CREATE INDEX IF NOT EXISTS windows_of ON bailey_beat.windows (source, pipeline);

-- Which run has which tick.
CREATE TABLE IF NOT EXISTS bailey_beat.claim (
    source text NOT NULL,
    pipeline text NOT NULL,
    tick timestamptz NOT NULL,
    run text NOT NULL,
    at timestamptz NOT NULL,
    how text NOT NULL CHECK (how IN ('live', 'coalesced', 'dropped')),
    installation text NOT NULL,
    PRIMARY KEY (source, pipeline, tick)
);

-- Who asked: the newest tick of each installation of Airflow, and the newest tick whose gate was told that legacy runs it.
CREATE TABLE IF NOT EXISTS bailey_beat.asked (
    source text NOT NULL,
    pipeline text NOT NULL,
    installation text NOT NULL,
    tick timestamptz NOT NULL,
    run text NOT NULL,
    at timestamptz NOT NULL,
    shadowed timestamptz,
    PRIMARY KEY (source, pipeline, installation)
);

-- What the application did to rows while their clock was taken away.
CREATE TABLE IF NOT EXISTS bailey_beat.sighting (
    place bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text NOT NULL,
    name text NOT NULL,
    what text NOT NULL,
    value text,
    application text,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS sighting_of ON bailey_beat.sighting (source, name, place);
