-- The company's tables but for those of its job queue, which its worker makes.

CREATE TABLE demos (
    id uuid PRIMARY KEY,
    task text NOT NULL,
    status text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE demo_stages (
    demo_id uuid NOT NULL REFERENCES demos,
    stage_order integer NOT NULL,
    agent text NOT NULL,
    status text NOT NULL,
    result jsonb,
    PRIMARY KEY (demo_id, stage_order)
);

-- What the data sync reads: documents of the last two days, one every five minutes.
CREATE TABLE documents (
    id integer PRIMARY KEY,
    title text NOT NULL,
    body text NOT NULL,
    changed_at timestamptz NOT NULL
);
INSERT INTO documents
SELECT n, 'document ' || n, repeat('text ', n % 7 + 1), now() - n * interval '5 minutes' FROM generate_series(1, 576) n;

-- Where it loads to.
CREATE SCHEMA mart;
CREATE TABLE mart.staged (LIKE documents INCLUDING ALL);
CREATE TABLE mart.documents (
    id integer PRIMARY KEY,
    title text NOT NULL,
    words integer NOT NULL,
    changed_at timestamptz NOT NULL
);

-- pg_cron's table as the extension makes it; the extension itself is not installed, and nothing runs the line.
CREATE SCHEMA cron;
CREATE TABLE cron.job (
    jobid bigint PRIMARY KEY,
    schedule text NOT NULL,
    command text NOT NULL,
    nodename text NOT NULL DEFAULT 'localhost',
    nodeport integer NOT NULL DEFAULT 5432,
    database text NOT NULL DEFAULT 'postgres',
    username text NOT NULL DEFAULT 'postgres',
    active boolean NOT NULL DEFAULT true,
    jobname text
);
INSERT INTO cron.job (jobid, schedule, command, jobname) VALUES (1, '0 2 * * 1', 'VACUUM (ANALYZE) documents', 'weekly vacuum');
