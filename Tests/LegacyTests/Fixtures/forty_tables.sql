-- Forty tables of jobs as people make them by hand: shapes that public projects, tutorials and reports show, names and rows made up. Each table
-- has eight jobs of two types, `mail` (1, 3, 5, 7) and `report` (the others), unless its comment says `one type`: 1 to 4 have succeeded (but 4 of
-- those that say so), 5 has failed, 6 runs, 7 and 8 wait. What a shape cannot hold, its comment takes away: `no failed`, `no running`, `no ended`.
CREATE SCHEMA f;
CREATE FUNCTION f.t(n int) RETURNS timestamptz LANGUAGE sql AS $$ SELECT timestamptz '2026-11-01 10:00:00+00' + n * interval '1 minute' $$;
CREATE FUNCTION f.kind(n int) RETURNS text LANGUAGE sql AS $$ SELECT CASE WHEN n % 2 = 1 THEN 'mail' ELSE 'report' END $$;
CREATE FUNCTION f.state(n int, words text[]) RETURNS text LANGUAGE sql AS $$ SELECT words[CASE WHEN n <= 4 THEN 3 WHEN n = 5 THEN 4 WHEN n = 6 THEN 2 ELSE 1 END] $$;

-- 1: the tutorial's
CREATE TABLE f.t01 (id serial PRIMARY KEY, job_type text NOT NULL, payload jsonb, status text DEFAULT 'pending', created_at timestamptz DEFAULT now(), started_at timestamptz, completed_at timestamptz, attempts int DEFAULT 0, max_attempts int DEFAULT 3, last_error text);
INSERT INTO f.t01 (job_type, payload, status, started_at, completed_at, last_error) SELECT f.kind(n), '{}', f.state(n, '{pending,running,completed,failed}'), CASE WHEN n <= 6 THEN f.t(n) END, CASE WHEN n <= 5 THEN f.t(n) + interval '3 s' END, CASE WHEN n = 5 THEN 'no' END FROM generate_series(1, 8) n;
-- 2: an enum, uuid keys, neither start nor end
CREATE TYPE f.job_status AS ENUM ('queued', 'in_progress', 'done', 'error');
CREATE TABLE f.t02 (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), kind text, data jsonb, status f.job_status, retries int DEFAULT 0, created timestamptz DEFAULT now());
INSERT INTO f.t02 (kind, data, status) SELECT f.kind(n), '{}', f.state(n, '{queued,in_progress,done,error}')::f.job_status FROM generate_series(1, 8) n;
-- 3: a number with a comment
CREATE TABLE f.t03 (id bigserial PRIMARY KEY, task_name varchar(100), args json, state smallint, created_at timestamp DEFAULT now(), finished_at timestamp);
COMMENT ON COLUMN f.t03.state IS '0 = waiting, 1 = running, 2 = finished, 3 = failed';
INSERT INTO f.t03 (task_name, args, state, finished_at) SELECT f.kind(n), '[]', f.state(n, '{0,1,2,3}')::int, CASE WHEN n <= 5 THEN f.t(n) END FROM generate_series(1, 8) n;
-- 4: a number that only its rows explain, in an unusual order
CREATE TABLE f.t04 (id serial PRIMARY KEY, type text, payload text, status int, started_at timestamptz, finished_at timestamptz, error text);
INSERT INTO f.t04 (type, payload, status, started_at, finished_at, error) SELECT f.kind(n), '{}', f.state(n, '{10,20,30,40}')::int, CASE WHEN n <= 6 THEN f.t(n) END, CASE WHEN n <= 5 THEN f.t(n) END, CASE WHEN n = 5 THEN 'no' END FROM generate_series(1, 8) n;
-- 5: truths
CREATE TABLE f.t05 (id serial PRIMARY KEY, name text, params jsonb, done boolean DEFAULT false, failed boolean DEFAULT false, locked_at timestamptz, created_at timestamptz DEFAULT now());
INSERT INTO f.t05 (name, params, done, failed, locked_at) SELECT f.kind(n), '{}', n <= 4, n = 5, CASE WHEN n <= 6 THEN f.t(n) END FROM generate_series(1, 8) n;
-- 6: one truth and an error; no running
CREATE TABLE f.t06 (id serial PRIMARY KEY, event_type text, body jsonb, processed boolean DEFAULT false, error_message text, created_at timestamptz DEFAULT now());
INSERT INTO f.t06 (event_type, body, processed, error_message) SELECT f.kind(n), '{}', n <= 5, CASE WHEN n = 5 THEN 'no' END FROM generate_series(1, 8) n;
-- 7: nothing but times
CREATE TABLE f.t07 (id serial PRIMARY KEY, task text, payload jsonb, queued_at timestamptz DEFAULT now(), picked_at timestamptz, finished_at timestamptz, failed_at timestamptz);
INSERT INTO f.t07 (task, payload, picked_at, finished_at, failed_at) SELECT f.kind(n), '{}', CASE WHEN n <= 6 THEN f.t(n) END, CASE WHEN n <= 4 THEN f.t(n) END, CASE WHEN n = 5 THEN f.t(n) END FROM generate_series(1, 8) n;
-- 8: an outbox; one time; no running; no failed
CREATE TABLE f.t08 (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), aggregate_id text, event_type text, payload jsonb, created_at timestamptz DEFAULT now(), processed_at timestamptz);
INSERT INTO f.t08 (aggregate_id, event_type, payload, processed_at) SELECT 'a' || n, f.kind(n), '{}', CASE WHEN n <= 5 THEN f.t(n) END FROM generate_series(1, 8) n;
-- 9: seconds since 1970
CREATE TABLE f.t09 (id serial PRIMARY KEY, job text, status text, created bigint, started bigint, ended bigint);
INSERT INTO f.t09 (job, status, created, started, ended) SELECT f.kind(n), f.state(n, '{queued,running,ok,failed}'), extract(epoch FROM f.t(n)), CASE WHEN n <= 6 THEN extract(epoch FROM f.t(n)) END, CASE WHEN n <= 5 THEN extract(epoch FROM f.t(n)) + 2 END FROM generate_series(1, 8) n;
-- 10: thousandths of seconds, camel case
CREATE TABLE f."t10" ("jobId" text PRIMARY KEY, "jobType" text, "payload" jsonb, "status" text, "createdAt" bigint, "startedAt" bigint, "finishedAt" bigint, "retryCount" int, "maxRetries" int);
INSERT INTO f.t10 SELECT 'j' || n, f.kind(n), '{}', f.state(n, '{PENDING,PROCESSING,SUCCESS,FAILED}'), extract(epoch FROM f.t(n)) * 1000, CASE WHEN n <= 6 THEN extract(epoch FROM f.t(n)) * 1000 END, CASE WHEN n <= 5 THEN extract(epoch FROM f.t(n)) * 1000 END, 0, 3 FROM generate_series(1, 8) n;
-- 11: the type in the payload
CREATE TABLE f.t11 (id serial PRIMARY KEY, payload jsonb, status text, run_at timestamptz, created_at timestamptz DEFAULT now());
INSERT INTO f.t11 (payload, status) SELECT jsonb_build_object('task', f.kind(n), 'n', n), f.state(n, '{pending,running,done,failed}') FROM generate_series(1, 8) n;
-- 12: the type in a payload that is json
CREATE TABLE f.t12 (id serial PRIMARY KEY, message json, state text, created_at timestamptz DEFAULT now(), updated_at timestamptz);
INSERT INTO f.t12 (message, state) SELECT json_build_object('type', f.kind(n), 'n', n), f.state(n, '{new,processing,processed,error}') FROM generate_series(1, 8) n;
-- 13: the type in a payload that is text
CREATE TABLE f.t13 (id serial PRIMARY KEY, data text, status varchar(20), created_at timestamp DEFAULT now());
INSERT INTO f.t13 (data, status) SELECT '{"kind": "' || f.kind(n) || '", "n": ' || n || '}', f.state(n, '{waiting,active,completed,failed}') FROM generate_series(1, 8) n;
-- 14: the type in another table
CREATE TABLE f.t14_types (id serial PRIMARY KEY, name text);
INSERT INTO f.t14_types (name) VALUES ('mail'), ('report');
CREATE TABLE f.t14 (id serial PRIMARY KEY, job_type_id int REFERENCES f.t14_types, payload jsonb, status text, created_at timestamptz DEFAULT now(), started_at timestamptz, finished_at timestamptz);
INSERT INTO f.t14 (job_type_id, payload, status, started_at) SELECT 2 - n % 2, '{}', f.state(n, '{pending,running,success,failure}'), CASE WHEN n <= 6 THEN f.t(n) END FROM generate_series(1, 8) n;
-- 15: words with a CHECK, a date
CREATE TABLE f.t15 (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, action text, params json, status text CHECK (status IN ('todo', 'doing', 'done', 'dead')), created date DEFAULT current_date, scheduled_for date);
INSERT INTO f.t15 (action, params, status) SELECT f.kind(n), '{}', f.state(n, '{todo,doing,done,dead}') FROM generate_series(1, 8) n;
-- 16: Laravel's jobs; one type; no ended; no failed: a queue whose rows are deleted
CREATE TABLE f.t16 (id bigserial PRIMARY KEY, queue varchar(255), payload text, attempts smallint, reserved_at int, available_at int, created_at int);
INSERT INTO f.t16 (queue, payload, attempts, reserved_at, available_at, created_at) SELECT 'default', '{"displayName": "App\\Jobs\\X' || n || '", "n": 1}', 0, CASE WHEN n = 6 THEN extract(epoch FROM f.t(n)) END, extract(epoch FROM f.t(n)), extract(epoch FROM f.t(n)) FROM generate_series(6, 8) n;
-- 17: TypeORM's
CREATE TABLE f."t17" (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), "name" varchar NOT NULL, "data" jsonb, "state" varchar NOT NULL DEFAULT 'created', "createdOn" timestamptz DEFAULT now(), "startedOn" timestamptz, "completedOn" timestamptz, "retryCount" int DEFAULT 0, "retryLimit" int DEFAULT 2, output jsonb);
INSERT INTO f.t17 ("name", "data", "state", "startedOn", "completedOn") SELECT f.kind(n), '{}', f.state(n, '{created,active,completed,failed}'), CASE WHEN n <= 6 THEN f.t(n) END, CASE WHEN n <= 5 THEN f.t(n) END FROM generate_series(1, 8) n;
-- 18: Prisma's
CREATE TYPE f."JobStatus" AS ENUM ('PENDING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED');
CREATE TABLE f."t18" (id text PRIMARY KEY, "type" text, "payload" jsonb, "status" f."JobStatus" DEFAULT 'PENDING', "attempts" int DEFAULT 0, "runAt" timestamp(3), "lockedAt" timestamp(3), "lockedBy" text, "finishedAt" timestamp(3), "lastError" text, "createdAt" timestamp(3) DEFAULT now());
INSERT INTO f.t18 (id, "type", "payload", "status", "lockedAt", "finishedAt") SELECT 'c' || n, f.kind(n), '{}', f.state(n, '{PENDING,RUNNING,SUCCEEDED,FAILED}')::f."JobStatus", CASE WHEN n <= 6 THEN f.t(n) END, CASE WHEN n <= 5 THEN f.t(n) END FROM generate_series(1, 8) n;
-- 19: bytes as payload, a queue as type beside nothing else
CREATE TABLE f.t19 (id bigserial PRIMARY KEY, queue_name text, body bytea, status text, enqueued_at timestamptz DEFAULT now());
INSERT INTO f.t19 (queue_name, body, status) SELECT f.kind(n), '\xdeadbeef', f.state(n, '{ready,locked,finished,failed}') FROM generate_series(1, 8) n;
-- 20: retries and a deadline in one, char status
CREATE TABLE f.t20 (job_id uuid PRIMARY KEY DEFAULT gen_random_uuid(), function_name text, kwargs jsonb, status char(12), next_retry_at timestamp, retry_count int, created_at timestamp DEFAULT now(), started_at timestamp, ended_at timestamp);
INSERT INTO f.t20 (function_name, kwargs, status, retry_count) SELECT f.kind(n), '{}', f.state(n, '{PENDING,RUNNING,DONE,ERROR}'), 0 FROM generate_series(1, 8) n;
-- 21: letters
CREATE TABLE f.t21 (id serial PRIMARY KEY, operation text, input jsonb, status char(1), ts timestamptz DEFAULT now(), done_at timestamptz);
INSERT INTO f.t21 (operation, input, status, done_at) SELECT f.kind(n), '{}', f.state(n, '{P,R,D,F}'), CASE WHEN n <= 5 THEN f.t(n) END FROM generate_series(1, 8) n;
-- 22: success as a truth beside a number
CREATE TABLE f.t22 (id serial PRIMARY KEY, handler text, arguments jsonb, started_at timestamptz, stopped_at timestamptz, success boolean);
INSERT INTO f.t22 (handler, arguments, started_at, stopped_at, success) SELECT f.kind(n), '{}', CASE WHEN n <= 6 THEN f.t(n) END, CASE WHEN n <= 5 THEN f.t(n) END, CASE WHEN n <= 4 THEN true WHEN n = 5 THEN false END FROM generate_series(1, 8) n;
-- 23: no primary key but a unique column
CREATE TABLE f.t23 (reference text NOT NULL UNIQUE, work_type text, details jsonb, phase text, submitted_at timestamptz DEFAULT now(), begun_at timestamptz, ended_at timestamptz);
INSERT INTO f.t23 (reference, work_type, details, phase) SELECT 'r' || n, f.kind(n), '{}', f.state(n, '{submitted,executing,succeeded,crashed}') FROM generate_series(1, 8) n;
-- 24: partitioned, a key of two columns
CREATE TABLE f.t24 (id bigint, created_at timestamptz, job_name text, payload jsonb, status text, finished_at timestamptz, PRIMARY KEY (id, created_at)) PARTITION BY RANGE (created_at);
CREATE TABLE f.t24_2026 PARTITION OF f.t24 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO f.t24 SELECT n, f.t(n), f.kind(n), '{}', f.state(n, '{pending,running,done,failed}'), CASE WHEN n <= 5 THEN f.t(n) END FROM generate_series(1, 8) n;
-- 25: times as texts
CREATE TABLE f.t25 (id serial PRIMARY KEY, command text, status text, created_at text, started_at text, finished_at text);
INSERT INTO f.t25 (command, status, created_at, started_at, finished_at) SELECT f.kind(n), f.state(n, '{queued,running,finished,failed}'), '2026-11-01T10:00:00Z', CASE WHEN n <= 6 THEN '2026-11-01T10:01:00Z' END, CASE WHEN n <= 5 THEN '2026-11-01T10:02:00Z' END FROM generate_series(1, 8) n;
-- 26: a message queue of its own
CREATE TABLE f.t26 (msg_id bigserial PRIMARY KEY, topic text, message jsonb, visible_at timestamptz, read_ct int DEFAULT 0, enqueued_at timestamptz DEFAULT now(), locked_at timestamptz, completed_at timestamptz, failed_at timestamptz);
INSERT INTO f.t26 (topic, message, locked_at, completed_at, failed_at) SELECT f.kind(n), '{}', CASE WHEN n <= 6 THEN f.t(n) END, CASE WHEN n <= 4 THEN f.t(n) END, CASE WHEN n = 5 THEN f.t(n) END FROM generate_series(1, 8) n;
-- 27: error as jsonb and result
CREATE TABLE f.t27 (id serial PRIMARY KEY, task_type text, task_args jsonb, task_status text, result jsonb, error jsonb, created_at timestamptz DEFAULT now(), updated_at timestamptz);
INSERT INTO f.t27 (task_type, task_args, task_status, error) SELECT f.kind(n), '[]', f.state(n, '{pending,started,success,failure}'), CASE WHEN n = 5 THEN '{"m": "no"}'::jsonb END FROM generate_series(1, 8) n;
-- 28: words with dashes and capitals
CREATE TABLE f.t28 (id serial PRIMARY KEY, category text, payload jsonb, status text, created_at timestamptz DEFAULT now());
INSERT INTO f.t28 (category, payload, status) SELECT f.kind(n), '{}', f.state(n, '{To-Do,In-Progress,Done,Failed}') FROM generate_series(1, 8) n;
-- 29: numeric times with parts of seconds, an array job's key
CREATE TABLE f.t29 (id text PRIMARY KEY, func text, args text, state text, created_at double precision, started_at double precision, finished_at double precision, dedupe_key text);
INSERT INTO f.t29 SELECT 'k' || n, f.kind(n), '(1,)', f.state(n, '{queued,started,finished,failed}'), extract(epoch FROM f.t(n)) + 0.25, CASE WHEN n <= 6 THEN extract(epoch FROM f.t(n)) END, CASE WHEN n <= 5 THEN extract(epoch FROM f.t(n)) + 1.5 END FROM generate_series(1, 8) n;
-- 30: hostile names
CREATE TABLE f."t30" (id serial PRIMARY KEY, "job ""type""" text, "pay load" jsonb, "Status" text, "created at" timestamptz DEFAULT now(), "order" int, "select" text);
INSERT INTO f.t30 ("job ""type""", "pay load", "Status") SELECT f.kind(n), '{}', f.state(n, '{pending,running,done,failed}') FROM generate_series(1, 8) n;
-- 31: an event table beside which nothing says how it ended; no running; no failed; no ended
CREATE TABLE f.t31 (id serial PRIMARY KEY, job_type text, payload jsonb, run_at timestamptz DEFAULT now());
INSERT INTO f.t31 (job_type, payload) SELECT f.kind(n), '{}' FROM generate_series(1, 8) n;
-- 32: a worker's lock alone; no failed; no ended
CREATE TABLE f.t32 (id serial PRIMARY KEY, class_name text, payload jsonb, priority int, run_at timestamptz DEFAULT now(), locked_at timestamptz, locked_by text);
INSERT INTO f.t32 (class_name, payload, locked_at) SELECT f.kind(n), '{}', CASE WHEN n = 6 THEN f.t(n) END FROM generate_series(1, 8) n;
-- 33: cancelled ones by a time of their own
CREATE TABLE f.t33 (id serial PRIMARY KEY, job_class text, args jsonb, enqueued_at timestamptz DEFAULT now(), performed_at timestamptz, finished_at timestamptz, cancelled_at timestamptz, error text);
INSERT INTO f.t33 (job_class, args, performed_at, finished_at, error) SELECT f.kind(n), '[]', CASE WHEN n <= 6 THEN f.t(n) END, CASE WHEN n <= 5 THEN f.t(n) END, CASE WHEN n = 5 THEN 'no' END FROM generate_series(1, 8) n;
-- 34: a status with a word of its own, which its rows explain
CREATE TABLE f.t34 (id serial PRIMARY KEY, type text, payload jsonb, status text, created_at timestamptz DEFAULT now(), started_at timestamptz, finished_at timestamptz, error text);
INSERT INTO f.t34 (type, payload, status, started_at, finished_at, error) SELECT f.kind(n), '{}', f.state(n, '{pending,running,hooray,kaput}'), CASE WHEN n <= 6 THEN f.t(n) END, CASE WHEN n <= 5 THEN f.t(n) END, CASE WHEN n = 5 THEN 'no' END FROM generate_series(1, 8) n;
-- 35: German words, which its rows explain
CREATE TABLE f.t35 (id serial PRIMARY KEY, job_type text, payload jsonb, status text, created_at timestamptz DEFAULT now(), started_at timestamptz, finished_at timestamptz, error text);
INSERT INTO f.t35 (job_type, payload, status, started_at, finished_at, error) SELECT f.kind(n), '{}', f.state(n, '{wartet,läuft,fertig,fehler}'), CASE WHEN n <= 6 THEN f.t(n) END, CASE WHEN n <= 5 THEN f.t(n) END, CASE WHEN n = 5 THEN 'no' END FROM generate_series(1, 8) n;
-- 36: a step of a workflow
CREATE TABLE f.t36 (id serial PRIMARY KEY, run_id int, position int, agent_type text, status text, input jsonb, output jsonb, created_at timestamptz DEFAULT now(), started_at timestamptz, completed_at timestamptz);
INSERT INTO f.t36 (run_id, position, agent_type, status, input) SELECT 1, n, f.kind(n), f.state(n, '{pending,processing,completed,failed}'), '{}' FROM generate_series(1, 8) n;
-- 37: attempts limit in words of their own, domain types
CREATE DOMAIN f.short AS varchar(40);
CREATE TABLE f.t37 (id serial PRIMARY KEY, kind f.short, payload jsonb, state f.short, tries smallint, max_tries smallint, available_at timestamptz, created_at timestamptz DEFAULT now(), finished_at timestamptz);
INSERT INTO f.t37 (kind, payload, state, tries, max_tries) SELECT f.kind(n), '{}', f.state(n, '{available,executing,completed,discarded}'), 0, 5 FROM generate_series(1, 8) n;
-- 38: a mail queue: sent is success
CREATE TABLE f.t38 (id serial PRIMARY KEY, template text, recipient text, context jsonb, status text, send_at timestamptz, sent_at timestamptz, error text, created_at timestamptz DEFAULT now());
INSERT INTO f.t38 (template, recipient, context, status, sent_at, error) SELECT f.kind(n), 'a' || n || '@example.com', '{}', f.state(n, '{queued,sending,sent,bounced}'), CASE WHEN n <= 4 THEN f.t(n) END, CASE WHEN n = 5 THEN 'no' END FROM generate_series(1, 8) n;
-- 39: a number for the type
CREATE TABLE f.t39 (id serial PRIMARY KEY, job_type int, payload jsonb, status text, created_at timestamptz DEFAULT now());
INSERT INTO f.t39 (job_type, payload, status) SELECT 2 - n % 2, '{}', f.state(n, '{pending,running,done,failed}') FROM generate_series(1, 8) n;
-- 40: no types, no rows that say much; one type
CREATE TABLE f.t40 (id serial PRIMARY KEY, url text, status text, http_code int, created_at timestamptz DEFAULT now(), fetched_at timestamptz);
INSERT INTO f.t40 (url, status) SELECT 'https://example.com/' || n, f.state(n, '{pending,in progress,done,failed}') FROM generate_series(1, 8) n;
