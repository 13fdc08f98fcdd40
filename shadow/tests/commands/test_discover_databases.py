"""`discover`: what a PostgreSQL shows of queues and schedules, whatever they are called and whoever may read them."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import psycopg
import pytest
from finding import SCHEMAS, bailey, database, discovered, imported

from testing.server import Server


@pytest.mark.parametrize("name", sorted(path.stem for path in SCHEMAS.glob("*.sql")))
def test_the_queues_of_other_projects_are_found_under_any_name(name: str, postgres: str, tmp_path: Path) -> None:
    url = database(postgres, f"d_{name}", schemas=(name,))
    found = discovered(tmp_path, url)
    queues = [one for one in found["systems"] if one["kind"] == "queue"]
    assert [one["what"] for one in queues] == [f"a job queue of the profile {name}"], found["systems"]
    moves = name in ("django_tasks_db", "pgqueuer", "procrastinate")
    assert queues[0]["certainty"] == "certain" and queues[0]["outlook"] == ("moves" if moves else "read-only")
    (tmp_path / "mappings").mkdir()
    (tmp_path / "bailey.yaml").write_text(found["settings"], encoding="utf-8")
    done = bailey(tmp_path, "import", "--json")
    # A queue without a row is no whole reading, and is told so.
    assert done.returncode in (0, 1), done.stderr
    assert json.loads(done.stdout)["sources"][0]["kind"] == "queue"


# As the package's migrations make them, without what only Django asks for.
DJANGO = (
    "CREATE SCHEMA beat",
    """CREATE TABLE beat.django_celery_beat_crontabschedule (id serial PRIMARY KEY, minute varchar(240), hour varchar(96), day_of_week varchar(64),
    day_of_month varchar(124), month_of_year varchar(64), timezone varchar(63))""",
    """CREATE TABLE beat.django_celery_beat_intervalschedule (id serial PRIMARY KEY, every int, period varchar(24))""",
    """CREATE TABLE beat.django_celery_beat_periodictask (id serial PRIMARY KEY, name varchar(200) UNIQUE, task varchar(200), args text DEFAULT '[]',
    kwargs text DEFAULT '{}', queue varchar(200), exchange varchar(200), routing_key varchar(200), expires timestamptz, enabled boolean DEFAULT true,
    last_run_at timestamptz, total_run_count integer DEFAULT 0, date_changed timestamptz DEFAULT now(), description text DEFAULT '', crontab_id integer,
    interval_id integer, solar_id integer, one_off boolean DEFAULT false, start_time timestamptz, priority integer, headers text DEFAULT '{}',
    clocked_id integer, expire_seconds integer)""",
    "INSERT INTO beat.django_celery_beat_crontabschedule VALUES (1, '0', '2', '*', '*', '*', 'Europe/Paris')",
    "INSERT INTO beat.django_celery_beat_intervalschedule VALUES (1, 10, 'seconds')",
    "INSERT INTO beat.django_celery_beat_periodictask (name, task, crontab_id) VALUES ('nightly', 't', 1)",
    "INSERT INTO beat.django_celery_beat_periodictask (name, task, interval_id, last_run_at) VALUES ('often', 't', 1, '2026-11-01Z')",
)


def test_djangos_scheduler_is_found_in_any_schema_with_its_broker(
    server: Server, postgres: str, tmp_path: Path
) -> None:
    server.client().flushall()
    server.client().sadd("_kombu.binding.celery", "celery\x06\x16\x06\x16celery")
    url = database(postgres, "django", *DJANGO)
    found = discovered(tmp_path, url, server.url)
    (django,) = [one for one in found["systems"] if one["kind"]]
    assert (django["kind"], django["amount"], django["outlook"]) == ("django_celery_beat", 2, "moves")
    assert django["certainty"] == "certain" and [kept["name"] for kept in django["keep"]] == ["often"]
    assert "?schema=beat" in found["settings"] and f'broker_url: "{server.url}"' in found["settings"]
    assert sorted(one["name"] for one in imported(tmp_path, found)["entries"]) == ["nightly", "often"]


HAND_MADE = """CREATE TABLE work.%s (id serial PRIMARY KEY, job_type text, payload jsonb, status text, attempts int, created_at timestamptz,
               started_at timestamptz, finished_at timestamptz)"""


def test_what_no_source_reads_is_named_all_the_same(postgres: str, tmp_path: Path) -> None:
    url = database(
        postgres,
        "others",
        "CREATE SCHEMA work",
        HAND_MADE % "mail_jobs",
        HAND_MADE % '"odd.name"',
        HAND_MADE % '"drop"" table; --"',
        "CREATE TABLE apscheduler_jobs (id varchar(191) PRIMARY KEY, next_run_time double precision, job_state bytea NOT NULL)",
        """CREATE TABLE job (jobid bigint, schedule text, command text, nodename text, nodeport int, database text, username text, active bool)""",
        "CREATE TABLE task_instance (state text, job_type text, started_at timestamptz, finished_at timestamptz, tries int, payload jsonb)",
        "CREATE TABLE people (id int, name text, state text)",
    )
    found = discovered(tmp_path, url)
    what = {one["place"]: one["what"] for one in found["systems"]}
    assert what == {
        "public.apscheduler_jobs": "APScheduler 3",
        "public.job": "pg_cron",
        "work.mail_jobs": "a table that looks like a job queue",
        "work.odd.name": "a table that looks like a job queue",
        'work.drop" table; --': "a table that looks like a job queue",
    }
    advice = {one["place"]: one["advice"] for one in found["systems"]}
    assert "bailey profile init work.mail_jobs" in advice["work.mail_jobs"]
    assert "holds a dot" in advice["work.odd.name"]
    # Of all these only APScheduler's table is one that a source reads.
    kinds = [line.strip() for line in found["settings"].splitlines() if line.startswith("    kind:")]
    assert kinds == ['kind: "apscheduler"'], found["settings"]


def test_a_role_that_sees_some_finds_all_and_says_what_it_may_not_read(postgres: str, tmp_path: Path) -> None:
    statements = [
        "CREATE SCHEMA tasks",
        *(
            f"""CREATE TABLE tasks.{name} (id int PRIMARY KEY, job_id text, job_type text, job_data jsonb, status text, created_at timestamp,
            started_at timestamp, completed_at timestamp, next_retry_at timestamp, retry_count int, max_retries int)"""
            for name in ("seen", "hidden", "half")
        ),
        "INSERT INTO tasks.seen VALUES (1, 'x', 'mail', '{}', 'completed', now(), now(), now(), NULL, 0, 3)",
        "DROP ROLE IF EXISTS some_reader",
        "CREATE ROLE some_reader LOGIN",
        "GRANT USAGE ON SCHEMA tasks TO some_reader",
        "GRANT SELECT ON tasks.seen TO some_reader",
        "GRANT SELECT (id, job_type) ON tasks.half TO some_reader",
    ]
    url = database(postgres, "some_rights", *statements).replace("postgres@", "some_reader@")
    found = discovered(tmp_path, "DATABASE_URL", DATABASE_URL=url)
    by_place = {one["place"]: one for one in found["systems"]}
    assert set(by_place) == {"tasks.seen", "tasks.hidden", "tasks.half"}
    assert by_place["tasks.seen"]["blocked"] is None and by_place["tasks.seen"]["amount"] == 1
    for place in ("tasks.hidden", "tasks.half"):
        assert "permission denied" in by_place[place]["blocked"], by_place[place]
    assert "${DATABASE_URL}" in found["settings"]
    inventory = imported(tmp_path, found, DATABASE_URL=url)
    assert [one["name"] for one in inventory["entries"]] == ["mail"]


def test_work_that_comes_more_than_once_a_minute_stays_with_its_numbers(postgres: str, tmp_path: Path) -> None:
    url = database(
        postgres,
        "rates",
        "CREATE SCHEMA tasks",
        """CREATE TABLE tasks.background_jobs (id int PRIMARY KEY, job_id text, job_type text, job_data jsonb, status text, created_at timestamp,
        started_at timestamp, completed_at timestamp, next_retry_at timestamp, retry_count int, max_retries int)""",
        """INSERT INTO tasks.background_jobs SELECT n, n::text, CASE WHEN n % 10 = 0 THEN 'report' ELSE 'ping' END, '{}', 'completed', t, t,
        t + interval '0.2 s', NULL, 0, 3 FROM generate_series(1, 1000) n, LATERAL (SELECT timestamp '2026-11-01' + n * interval '10 s' AS t) x""",
    )
    (queue,) = discovered(tmp_path, url)["systems"]
    (kept,) = queue["keep"]
    assert kept["name"] == "ping" and kept["seconds"] == pytest.approx(0.2)
    # 900 jobs in 9,980 s.
    assert kept["per_day"] == pytest.approx(900 / 9980 * 86400, rel=0.01)


def test_five_thousand_tables_take_less_than_three_seconds_and_nothing_is_written(
    postgres: str, tmp_path: Path
) -> None:
    url = database(postgres, "many", "ALTER DATABASE many SET log_statement = 'all'")
    with psycopg.connect(url, autocommit=True) as connection:
        for start in range(0, 5000, 500):
            connection.execute(
                f"""DO $$ BEGIN FOR n IN {start}..{start + 499} LOOP EXECUTE format('CREATE TABLE t%s (id int, name text, status text,
                created_at timestamptz, updated_at timestamptz, kind int, amount numeric, note text, a1 int, a2 text, a3 jsonb)', n);
                END LOOP; END $$"""
            )
        connection.execute(
            """CREATE TABLE river_like (id int, state text, attempt int, max_attempts int, attempted_at timestamptz, finalized_at timestamptz,
            scheduled_at timestamptz, kind text, unique_key bytea, errors jsonb[], args jsonb, queue text, created_at timestamptz, metadata jsonb)"""
        )
        before = connection.execute(
            "SELECT xact_commit, tup_inserted + tup_updated + tup_deleted FROM pg_stat_database WHERE datname = 'many'"
        ).fetchone()
        began = time.monotonic()
        found = discovered(tmp_path, url)
        took = time.monotonic() - began
        assert [one["place"] for one in found["systems"] if one["kind"]] == ["public.river_like"]
        assert took < 3, took
        print(f"discover on 5,001 tables: {took:.2f} s", file=sys.stderr)
        after = connection.execute(
            "SELECT xact_commit, tup_inserted + tup_updated + tup_deleted FROM pg_stat_database WHERE datname = 'many'"
        ).fetchone()
    assert before is not None and after is not None and after[1] == before[1]
