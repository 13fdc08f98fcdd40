"""`discover`: what is found on real servers is what `import` then reads, and nothing is written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lab.record import Record
from testing.server import Server
from testing.world import BAILEY

ROOT = Path(__file__).resolve().parents[3]
SCHEMAS = ROOT / "Tests/LegacyTests/Fixtures/queues"


def bailey(folder: Path, *words: str, stdin: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    return subprocess.run(
        [str(BAILEY), *words],
        cwd=folder,
        env={**clean, **env},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def discovered(folder: Path, *words: str, status: int = 0, **env: str) -> Any:
    done = bailey(folder, "discover", *words, "--json", **env)
    assert done.returncode == status, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout)


def imported(folder: Path, found: Any, **env: str) -> Any:
    """What an import with the settings that were printed reads."""
    (folder / "mappings").mkdir(exist_ok=True)
    (folder / "bailey.yaml").write_text(found["settings"], encoding="utf-8")
    done = bailey(folder, "import", "--json", **env)
    assert done.returncode == 0, f"{found['settings']}\n{done.stderr}"
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    one = Server(tmp_path_factory.mktemp("discover"), durable=False)
    one.start()
    try:
        yield one
    finally:
        one.stop()


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    from testing.postgres import cluster

    with cluster() as url:
        yield url


def database(postgres: str, name: str, *statements: str, schemas: tuple[str, ...] = ()) -> str:
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}")
        connection.execute(f"CREATE DATABASE {name}")
    url = postgres.rsplit("/", 1)[0] + f"/{name}"
    for schema in schemas:
        words = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-f", str(SCHEMAS / f"{schema}.sql")]
        subprocess.run(words, check=True, capture_output=True)
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)
    return url


def entry(name: str, every: float | None = None) -> str:
    hour = {"minute": "0", "hour": "2", "day_of_week": "*", "day_of_month": "*", "month_of_year": "*"}
    schedule = {"__type__": "interval", "every": every, "relative": False} if every else {"__type__": "crontab", **hour}
    return json.dumps(
        {"name": name, "task": "t", "args": [], "kwargs": {}, "options": {}, "enabled": True} | {"schedule": schedule}
    )


def test_the_companys_stack_is_found_and_imported_as_it_was_found(company: Record, tmp_path: Path) -> None:
    found = discovered(tmp_path, company.redis_url, company.postgres_url)
    by_kind = {one["kind"]: one for one in found["systems"] if one["kind"]}
    assert set(by_kind) == {"redbeat", "celery", "queue"}, json.dumps(found, indent=1)
    assert by_kind["redbeat"]["certainty"] == "certain" and by_kind["redbeat"]["outlook"] == "moves"
    assert "holds “redbeat::lock”" in by_kind["redbeat"]["writers"][0]
    # The same schedule is told by the workers, and is read once.
    assert "stand in RedBeat's keys" in by_kind["celery"]["blocked"] and by_kind["celery"]["outlook"] == "read-only"
    assert by_kind["queue"]["outlook"] == "moves" and by_kind["queue"]["place"] == "tasks.background_jobs"
    inventory = imported(tmp_path, found)
    kinds = {source["kind"]: source["found"] for source in inventory["sources"]}
    assert set(kinds) == {"redbeat", "queue"}
    assert kinds["redbeat"] == by_kind["redbeat"]["amount"] > 0
    with psycopg.connect(company.postgres_url) as connection:
        jobs = connection.execute("SELECT count(*) FROM tasks.background_jobs").fetchone()
    assert jobs is not None and 0 < by_kind["queue"]["amount"] <= jobs[0]
    assert found["whole"] and found["holds"]


def test_every_prefix_in_every_database_is_found_and_what_is_alike_is_not(server: Server, tmp_path: Path) -> None:
    redis = server.client()
    redis.flushall()
    for number, prefix, names in (
        (0, "redbeat:", ["a"]),
        (3, "acme:rb:", ["b", "c"]),
        (5, "", ["bare"]),
        (6, 'o\'dd "p"\\:', ["d"]),
    ):
        there = server.client(db=number)
        for name in names:
            there.hset(prefix + name, "definition", entry(name, 5 if name == "b" else None))
            there.zadd(f"{prefix}:schedule", {prefix + name: 1})
    # Somebody else's: of another type, of other members, of members that hold nothing.
    redis.set("x:schedule", "text")
    redis.zadd("jobs:schedule", {"other": 1})
    redis.zadd("mine:schedule", {"mine:1": 1})
    before = [server.client(db=n).dbsize() for n in (0, 3, 5, 6)]
    found = discovered(tmp_path, server.url)
    assert {one["place"]: one["amount"] for one in found["systems"]} == {
        "prefix “redbeat:”": 1,
        "prefix “acme:rb:”": 2,
        "prefix “”": 1,
        'prefix “o\'dd "p"\\:”': 1,
    }
    assert [server.client(db=n).dbsize() for n in (0, 3, 5, 6)] == before
    kept = [kept for one in found["systems"] for kept in one["keep"]]
    assert [(one["name"], one["per_day"]) for one in kept] == [("b", 17280)]
    # Nobody drives them, and that is said.
    assert all("Nobody holds its lock" in one["advice"] for one in found["systems"])
    inventory = imported(tmp_path, found)
    assert sorted(one["name"] for one in inventory["entries"]) == ["a", "b", "bare", "c", "d"]


def test_a_user_who_may_only_read_finds_the_same(server: Server, tmp_path: Path) -> None:
    redis = server.client()
    redis.flushall()
    redis.hset("redbeat:a", "definition", entry("a"))
    redis.zadd("redbeat::schedule", {"redbeat:a": 1})
    redis.sadd("_kombu.binding.celery", "celery\x06\x16\x06\x16celery")
    reading = (
        "ping",
        "auth",
        "select",
        "info",
        "scan",
        "dbsize",
        "type",
        "zcard",
        "zrange",
        "hexists",
        "exists",
        "hmget",
        "smembers",
    )
    redis.execute_command("ACL", "SETUSER", "reader", "reset", "on", ">word", "~*", *(f"+{word}" for word in reading))
    url = server.url.replace("redis://", "redis://reader:word@")
    found = discovered(tmp_path, url, "--no-ask-workers")
    assert {one["what"]: one["outlook"] for one in found["systems"]} == {
        "RedBeat": "moves",
        "Celery's broker": "not-read",
    }
    assert found["servers"][0]["unseen"] == []
    # With less than that it is told what was not seen, and nothing is called empty.
    redis.execute_command("ACL", "SETUSER", "reader", "-info", "-hmget")
    less = discovered(tmp_path, url, "--no-ask-workers")
    assert "its other databases" in less["servers"][0]["unseen"][0]
    (redbeat,) = [one for one in less["systems"] if one["kind"] == "redbeat"]
    assert "1 of 1 keys are no entries that can be read" in redbeat["evidence"]
    for command in ("zcard", "hexists"):
        redis.execute_command("ACL", "SETUSER", "reader", f"-{command}")
        blind = discovered(tmp_path, url, "--no-ask-workers")
        (perhaps,) = [one for one in blind["systems"] if one["what"] == "perhaps RedBeat"]
        assert command in perhaps["evidence"][0] and perhaps["outlook"] == "not-read"
        redis.execute_command("ACL", "SETUSER", "reader", f"+{command}")
    redis.execute_command("ACL", "SETUSER", "reader", "-dbsize")
    assert any("DBSIZE" in text for text in discovered(tmp_path, url, "--no-ask-workers")["servers"][0]["unseen"])


@pytest.mark.parametrize("name", sorted(path.stem for path in SCHEMAS.glob("*.sql")))
def test_the_queues_of_other_projects_are_found_under_any_name(name: str, postgres: str, tmp_path: Path) -> None:
    url = database(postgres, f"d_{name}", schemas=(name,))
    found = discovered(tmp_path, url)
    queues = [one for one in found["systems"] if one["kind"] == "queue"]
    assert [one["what"] for one in queues] == [f"a job queue of the profile {name}"], found["systems"]
    assert queues[0]["certainty"] == "certain" and queues[0]["outlook"] == "read-only"
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
    assert (django["kind"], django["amount"], django["outlook"]) == ("django_celery_beat", 2, "read-only")
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
        "public.apscheduler_jobs": "APScheduler 3's jobs",
        "public.job": "pg_cron's schedule",
        "work.mail_jobs": "a table that looks like a job queue",
        "work.odd.name": "a table that looks like a job queue",
        'work.drop" table; --': "a table that looks like a job queue",
    }
    advice = {one["place"]: one["advice"] for one in found["systems"]}
    assert "bailey profile init work.mail_jobs" in advice["work.mail_jobs"]
    assert "holds a dot" in advice["work.odd.name"]
    assert "sources: {}" in found["settings"]


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


def test_a_server_that_does_not_answer_is_said_and_the_others_are_found(
    server: Server, postgres: str, tmp_path: Path
) -> None:
    server.client().flushall()
    server.client().hset("redbeat:a", "definition", entry("a"))
    server.client().zadd("redbeat::schedule", {"redbeat:a": 1})
    found = discovered(
        tmp_path,
        "redis://u:hidden-word@127.0.0.1:1/0",
        server.url,
        "postgresql://u:hidden-word@127.0.0.1:1/d",
        "amqp://u:hidden-word@h//",
        f"redis://127.0.0.1:{postgres.rsplit(':', 1)[1].split('/')[0]}/0",
        status=3,
    )
    assert not found["whole"] and "hidden-word" not in json.dumps(found)
    assert [one["trouble"] is None for one in found["servers"]] == [False, True, False, False, False]
    assert [one["kind"] for one in found["systems"]] == ["redbeat"]
    assert bailey(tmp_path, "discover").returncode == 2
    assert "no URL" in bailey(tmp_path, "discover", "NOT_SET_AT_ALL").stderr


def test_a_password_stands_in_no_settings(postgres: str, tmp_path: Path) -> None:
    url = database(postgres, "secret", schemas=("river",)).replace("postgres@", "postgres:hidden-word@")
    done = bailey(tmp_path, "discover", url)
    assert done.returncode == 0 and "hidden-word" not in done.stdout + done.stderr
    assert "${BAILEY_URL_1}" in done.stdout and "Set BAILEY_URL_1" in done.stderr


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


CRONTAB = """# m h dom mon dow command
MAILTO=ops@example.com
CRON_TZ=Europe/Moscow
0 2 * * * /srv/app/backup.sh >> /var/log/backup.log 2>&1
@reboot /srv/app/start
0 */2 * * * redis-cli -p {port} FLUSHDB
30 */2 * * * redis-cli -p {port} -n 7 flushdb
0 1 * * * cd /srv/app && venv/bin/celery -A app purge -f
5 4 * * sun docker exec cache redis-cli -h "$REDIS" FLUSHALL
61 2 * * * never
* * * *
0 0 30 2 * never
15 3 1-7 * mon tidy
"""


def test_a_crontab_is_judged_line_by_line_and_dangers_are_findings(server: Server, tmp_path: Path) -> None:
    server.client().flushall()
    server.client().hset("redbeat:a", "definition", entry("a"))
    server.client().zadd("redbeat::schedule", {"redbeat:a": 1})
    (tmp_path / "cron").write_text(CRONTAB.format(port=server.port), encoding="utf-8")
    found = discovered(tmp_path, server.url, "--crontab", "cron", status=1)
    verdicts = {one["place"]: one["verdict"] for one in found["crontab"]}
    assert verdicts == {
        "cron:4": "migrate", "cron:5": "keep", "cron:6": "keep", "cron:7": "keep", "cron:8": "keep", "cron:9": "keep",
        "cron:10": "unsupported", "cron:11": "unsupported", "cron:12": "unsupported", "cron:13": "migrate",
    }  # fmt: skip
    findings = {one["place"]: (one["code"], one["severity"]) for one in found["findings"]}
    assert findings == {
        "cron:6": ("BLY094", "error"),
        "cron:7": ("BLY094", "info"),
        "cron:8": ("BLY095", "error"),
        "cron:9": ("BLY094", "error"),
    }
    first = found["crontab"][0]
    assert first["per_day"] == 1 and first["timezone"] == "Europe/Moscow" and len(first["next_ticks"]) == 3
    # 02:00 in Moscow is 23:00 in UTC.
    assert all(tick.endswith("T23:00:00Z") for tick in first["next_ticks"])
    # Without a look at that server nobody knows what it holds.
    alone = discovered(tmp_path, "--crontab", "cron", status=1)
    assert {one["place"]: one["severity"] for one in alone["findings"]}["cron:6"] == "warning"


def test_the_systems_crontab_has_users(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/crontab").write_text("17 * * * * root run-parts /etc/cron.hourly\n", encoding="utf-8")
    found = discovered(tmp_path, "--crontab", "etc/crontab")
    (line,) = found["crontab"]
    assert line["user"] == "root" and line["command"] == "run-parts /etc/cron.hourly"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("binary", b"\x7fELF\x00\x01\x02"),
        ("prose", b"This is a letter to my aunt.\nIt has two lines.\n"),
        ("yaml", b"version: 1\nsources:\n  s: {kind: redbeat}\n"),
        ("latin", b"0 1 * * * caf\xe9\n"),
    ],
)
def test_a_file_that_is_no_crontab_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    done = bailey(tmp_path, "discover", "--crontab", name)
    assert done.returncode == 2 and f"{name} is no crontab" in done.stderr, done.stderr
    missing = bailey(tmp_path, "discover", "--crontab", "nowhere")
    assert missing.returncode == 2 and "nowhere" in missing.stderr
    assert bailey(tmp_path, "discover", "--crontab", str(tmp_path)).returncode == 2


def test_init_writes_what_is_there(server: Server, tmp_path: Path) -> None:
    server.client().flushall()
    there = server.client(db=2)
    there.hset("acme:a", "definition", entry("a"))
    there.zadd("acme::schedule", {"acme:a": 1})
    done = bailey(tmp_path, "init", "--discover", CELERY_BROKER_URL=server.url)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "bailey.yaml").read_text(encoding="utf-8")
    assert "${CELERY_BROKER_URL}?db=2" in text and '"acme:"' in text
    inventory = bailey(tmp_path, "import", "--json", CELERY_BROKER_URL=server.url)
    assert [one["id"] for one in json.loads(inventory.stdout)["entries"]] == ["scheduler/a"]
