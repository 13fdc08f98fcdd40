-- Oban 2.2x: migrations 1 to 14 of its own repository, as Ecto writes them; indexes left out.
CREATE TYPE oban_job_state AS ENUM ('available', 'suspended', 'scheduled', 'executing', 'retryable', 'completed', 'discarded', 'cancelled');
CREATE TABLE oban_jobs (
    id bigserial PRIMARY KEY, state oban_job_state DEFAULT 'available' NOT NULL, queue text DEFAULT 'default' NOT NULL, worker text NOT NULL,
    args jsonb DEFAULT '{}' NOT NULL, errors jsonb[] DEFAULT ARRAY[]::jsonb[] NOT NULL, attempt integer DEFAULT 0 NOT NULL,
    max_attempts integer DEFAULT 20 NOT NULL, inserted_at timestamp without time zone DEFAULT timezone('UTC', now()) NOT NULL,
    scheduled_at timestamp without time zone DEFAULT timezone('UTC', now()) NOT NULL, attempted_at timestamp without time zone,
    completed_at timestamp without time zone, attempted_by text[], discarded_at timestamp without time zone, priority integer DEFAULT 0 NOT NULL,
    tags text[] DEFAULT ARRAY[]::text[], meta jsonb DEFAULT '{}', cancelled_at timestamp without time zone,
    CONSTRAINT attempt_range CHECK (attempt >= 0 AND attempt <= max_attempts), CONSTRAINT positive_max_attempts CHECK (max_attempts > 0),
    CONSTRAINT non_negative_priority CHECK (priority >= 0)
);
