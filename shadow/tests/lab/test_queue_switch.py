"""A job type moves between the company's workers and DAG runs while both work: each job's effect exactly once."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from commands import SHADOW, wait_until
from psycopg.types.json import Jsonb

from bailey_runtime import json_value
from bailey_runtime import queue as switch
from lab import poller
from testing.postgres import cluster

INSTALL = (SHADOW.parent / "Tests/CutoverTests/Golden/background_jobs.sql").read_text(encoding="utf-8")
# The profile's waits are a minute and more.
QUICK = INSTALL.replace("60.0 * 2.0::float8 ^ least(bailey_done, 865)", "0.1")
EFFECTS = """
CREATE TABLE effects (
    place bigint GENERATED ALWAYS AS IDENTITY, job uuid, by text, attempt int, failed boolean, at timestamptz DEFAULT clock_timestamp()
)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A PostgreSQL of this module's own; its URL without a database."""
    with cluster("max_prepared_transactions=5") as url:
        yield url.removesuffix("/postgres")


class Database:
    """A database with the company's table and the switch on it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.connection = psycopg.connect(url, autocommit=True)
        self.connection.execute(poller.TABLE)
        self.connection.execute(EFFECTS)
        self.connection.execute(QUICK)

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """All rows of a statement."""
        return self.connection.execute(sql, values or None).fetchall()

    def one(self, sql: str, *values: Any) -> Any:
        """The only value of a statement."""
        return self.rows(sql, *values)[0][0]

    def add(self, count: int, job_type: str = "export", **data: int) -> list[str]:
        """Adds jobs that are due; their ids."""
        ids = [str(uuid.uuid4()) for _ in range(count)]
        with self.connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO tasks.background_jobs (id, job_id, job_type, job_data, created_at) VALUES (%s, %s, %s, %s, now())",
                [(job, f"{job_type}-{job}", job_type, Jsonb(data)) for job in ids],
            )
        return ids

    def close(self, share: int = 100, drain: bool = False, pause: float = 0) -> int:
        """Begins to move the type; the fence."""
        sql = "SELECT fence FROM bailey.close('jobs', 'export', %s, 'p', 'test', %s, %s * interval '1 second')"
        return int(self.one(sql, share, drain, pause))

    def settle(self, fence: int) -> tuple[str, str, int]:
        """Holds what waits and tries to settle."""
        while self.one("SELECT bailey.hold('jobs', 'export', 200)") > 0:
            pass
        answer, reason, amount = self.rows("SELECT * FROM bailey.settle('jobs', 'export', %s)", fence)[0]
        return str(answer), str(reason), int(amount)

    def cut_over(self, share: int = 100, drain: bool = False, pause: float = 0) -> None:
        """Moves the type, or a share of it, to Airflow."""
        fence = self.close(share, drain, pause)
        wait_until("settled", lambda: self.settle(fence)[0] in ("ok", "again"))

    def roll_back(self) -> None:
        """Gives the type back."""
        self.one("SELECT answer FROM bailey.release('jobs', 'export', 'p', 'test')")
        wait_until("swept", lambda: self.one("SELECT done FROM bailey.sweep('jobs', 'export')"))

    def unfinished(self) -> int:
        """How many jobs have not ended."""
        return int(self.one("SELECT count(*) FROM tasks.background_jobs WHERE status NOT IN ('completed', 'failed')"))

    def statuses(self) -> dict[str, int]:
        """How many jobs have which status."""
        return dict(self.rows("SELECT status, count(*) FROM tasks.background_jobs GROUP BY 1"))


@pytest.fixture
def database(server: str) -> Iterator[Database]:
    """A new database."""
    name = f"q{uuid.uuid4().hex[:8]}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    database = Database(f"{server}/{name}")
    yield database
    database.connection.close()


class Crew:
    """Processes of a test; all are gone after it."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.members: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, kind: str) -> None:
        """Starts a member, or starts it again."""
        words = [sys.executable, str(Path(__file__).with_name("queue_workers.py")), kind, self.database.url]
        words += ["--backlog", str(self.folder / f"{name}.run")]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.members[name] = subprocess.Popen(words, stdout=log, stderr=log)

    def kill(self, name: str) -> None:
        """Kills a member by SIGKILL."""
        self.members[name].kill()
        self.members[name].wait()

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for name in self.members:
            self.kill(name)


def test_three_thousand_jobs_move_over_and_back_and_by_share(database: Database, tmp_path: Path) -> None:
    seed = int(os.environ.get("BAILEY_SEED") or random.randrange(1 << 30))
    chance = random.Random(seed)
    jobs, moves, kills = 3000, 0, 0
    busy: dict[str, int] = {}

    def add(count: int) -> None:
        for tries in (0, 0, 0, 0, 0, 0, 0, 0, 1, 2):
            busy.update(dict.fromkeys(database_of_feeder.add(count // 10, busy_for=tries), tries))

    database_of_feeder = Database.__new__(Database)
    database_of_feeder.connection = psycopg.connect(database.url, autocommit=True)

    def feed() -> None:
        for _ in range(20):
            add(100)
            time.sleep(0.2)

    with Crew(database, tmp_path) as crew:
        add(1000)
        feeder = threading.Thread(target=feed)
        feeder.start()
        for n in range(3):
            crew.start(f"worker-{n}", "worker")
        for n in range(2):
            crew.start(f"dag-{n}", "dag")
        while feeder.is_alive() or database.unfinished() > 300:
            step = chance.choice(("over", "over", "share", "share", "back", "kill"))
            if step == "over":
                database.cut_over()
            elif step == "share":
                database.cut_over(chance.randrange(10, 100, 10))
            elif step == "back":
                database.roll_back()
            else:
                name = f"dag-{chance.randrange(2)}"
                crew.kill(name)
                crew.start(name, "dag")
                kills += 1
            moves += step != "kill"
            time.sleep(chance.random() * 0.4)
        feeder.join()
        database.roll_back()
        wait_until("all jobs have ended", lambda: database.unfinished() == 0)
    effects = database.rows("SELECT job::text, by, attempt, failed FROM effects ORDER BY place")
    ran = {by: sum(effect[1] == by for effect in effects) for by in ("legacy", "airflow")}
    print(f"\nseed {seed}: {jobs} jobs, {len(effects)} attempts, {ran}, {moves} moves, {kills} runs killed")
    by_job: dict[str, list[tuple[str, int, bool]]] = {}
    for job, by, attempt, failed in effects:
        by_job.setdefault(job, []).append((by, attempt, failed))
    assert len(busy) == jobs
    for job, tries in busy.items():
        # Every attempt once, in order, and only the last succeeds.
        assert [(attempt, failed) for _, attempt, failed in by_job[job]] == [
            (n, n <= tries) for n in range(1, tries + 2)
        ], (seed, job, by_job[job])
        owners = [by for by, _, _ in by_job[job]]
        # What legacy has begun stays legacy's; a rollback gives it Airflow's retries.
        assert owners == sorted(owners), (seed, job, owners)
    assert database.statuses() == {"completed": jobs}
    assert database.one("SELECT count(*) FROM bailey.claim WHERE finished_at IS NULL") == 0
    assert database.one("SELECT count(*) FROM bailey.sighting") == 0
    assert min(ran.values()) > 50
    assert kills > 0


def test_workers_without_row_locks_are_drained_first(database: Database, tmp_path: Path) -> None:
    with Crew(database, tmp_path) as crew:
        for n in range(3):
            crew.start(f"worker-{n}", "lockless")
        crew.start("dag", "dag")
        database.add(300)
        wait_until("legacy is at it", lambda: database.one("SELECT count(*) FROM effects") > 20)
        fence = database.close(drain=True, pause=0.5)
        waited = set()
        deadline = time.monotonic() + 60
        # The DAG's own gate settles too, and takes jobs at once: both are looked at in one snapshot.
        early = "SELECT count(*) FROM bailey.claim WHERE (SELECT state FROM bailey.switch) = 'closing'"
        while (answer := database.settle(fence))[0] == "waiting":
            assert time.monotonic() < deadline
            waited.add(answer[1])
            assert database.one(early) == 0
            time.sleep(0.02)
        assert answer[0] in ("ok", "again")
        assert "pause" in waited
        assert database.one("SELECT count(*) FROM tasks.background_jobs WHERE status = 'running'") == 0
        database.add(300)
        wait_until("all jobs have ended", lambda: database.unfinished() == 0)
    both = "SELECT count(*) FROM (SELECT job FROM effects GROUP BY job HAVING count(DISTINCT by) > 1) AS t"
    assert database.one(both) == 0
    twice = "SELECT count(*) FROM (SELECT FROM effects WHERE by = 'airflow' GROUP BY job HAVING count(*) > 1) AS t"
    assert database.one(twice) == 0
    own = "SELECT count(*) FROM (SELECT FROM effects WHERE by = 'legacy' GROUP BY job HAVING count(*) > 1) AS t"
    print(f"\n{database.one(own)} jobs twice by legacy's own bug")
    assert database.one("SELECT count(*) FROM effects WHERE by = 'airflow'") >= 300


def test_a_worker_cannot_begin_what_a_run_has(database: Database) -> None:
    [job] = database.add(1)
    database.cut_over()
    run = switch.take(database.connection, "jobs", "export", "dag/1", 5)
    assert [item["job"] for item in run] == [job]
    begin = "UPDATE tasks.background_jobs SET status = 'running', started_at = now() WHERE id = %s"
    with pytest.raises(psycopg.errors.LockNotAvailable, match="was taken by the Airflow run dag/1"):
        database.connection.execute(begin, (job,))
    assert switch.finish(database.connection, "jobs", job, "dag/1", "success") == "success"
    with pytest.raises(psycopg.errors.LockNotAvailable):
        database.connection.execute(begin, (job,))
    assert database.statuses() == {"completed": 1}


def test_what_no_run_has_taken_goes_back_as_it_was(database: Database) -> None:
    database.add(20)
    database.add(5, "other")
    database.connection.execute(
        "UPDATE tasks.background_jobs SET next_retry_at = '2099-01-01' WHERE job_type = 'other'"
    )
    picture = "SELECT * FROM tasks.background_jobs ORDER BY id"
    before = database.rows(picture)
    database.cut_over()
    assert database.statuses() == {"bailey_held": 20, "pending": 5}
    late = database.add(3)
    taken = switch.take(database.connection, "jobs", "export", "dag/1", 4)
    for job in taken[:2]:
        assert switch.finish(database.connection, "jobs", job["job"], "dag/1", "success") == "success"
    database.roll_back()
    after = {row[0]: row for row in database.rows(picture)}
    untouched = {row[0]: row for row in before if str(row[0]) not in {job["job"] for job in taken}}
    assert {key: after[key] for key in untouched} == untouched
    assert all(after[uuid.UUID(job)][4] == "pending" for job in late)
    # Two are the run's own to finish still; it may be told so by its gate.
    assert switch.mode(database.connection, "jobs", "export") == "shadow"
    assert switch.mode(database.connection, "jobs", "export", "dag/1") == "live"
    assert [job["job"] for job in switch.take(database.connection, "jobs", "export", "dag/1", 9)] == [
        job["job"] for job in taken[2:]
    ]
    assert switch.finish(database.connection, "jobs", taken[2]["job"], "dag/1", "failed", "no") == "released"
    assert switch.finish(database.connection, "jobs", taken[3]["job"], "dag/1", "success") == "success"
    assert database.statuses() == {"completed": 3, "pending": 25}


def test_a_take_may_be_repeated_and_ends_once(database: Database) -> None:
    database.add(5, limit=1)
    database.cut_over()
    first = switch.take(database.connection, "jobs", "export", "dag/1", 3)
    assert switch.take(database.connection, "jobs", "export", "dag/1", 3) == first
    assert len(switch.take(database.connection, "jobs", "export", "dag/2", 9)) == 2
    assert [(job["payload"], job["attempt"]) for job in first] == [('{"limit":1}', 1)] * 3
    job = first[0]["job"]
    assert switch.finish(database.connection, "jobs", job, "dag/2", "success") == "unknown"
    for _ in range(2):
        assert switch.finish(database.connection, "jobs", job, "dag/1", "failed", "busy") == "retry"
    assert switch.take(database.connection, "jobs", "export", "dag/1", 3) == first[1:]
    time.sleep(0.15)
    [again] = switch.take(database.connection, "jobs", "export", "dag/3", 3)
    assert (again["job"], again["attempt"]) == (job, 2)
    for attempt in (2, 3, 4):
        run = f"dag/{attempt + 1}"
        wait_until("due", lambda: switch.take(database.connection, "jobs", "export", run, 3) != [] or attempt == 2)
        said = (
            switch.finish(database.connection, "jobs", job, run, "failed")
            if attempt > 2
            else switch.finish(database.connection, "jobs", job, "dag/3", "failed")
        )
    assert said == "failed"
    database.connection.execute("DELETE FROM tasks.background_jobs WHERE id = %s", (first[1]["job"],))
    assert switch.finish(database.connection, "jobs", first[1]["job"], "dag/1", "success") == "overtaken"


@pytest.mark.parametrize("column", ["text", "json"])
def test_a_payload_is_taken_as_its_row_holds_it(database: Database, column: str) -> None:
    """And read as Bailey reads it in the history, by the same table of cases."""
    database.connection.execute(
        f"ALTER TABLE tasks.background_jobs ALTER job_data TYPE {column} USING job_data::{column}"
    )
    lines = (SHADOW.parent / "Tests/LegacyTests/Fixtures/payloads.jsonl").read_text(encoding="utf-8").splitlines()
    kept: dict[str, dict[str, str]] = {}
    for case in map(json.loads, lines):
        [job] = database.add(1)
        # What a column of JSON refuses stands in none.
        with contextlib.suppress(psycopg.errors.InvalidTextRepresentation, psycopg.errors.StatementTooComplex):
            database.connection.execute(
                "UPDATE tasks.background_jobs SET job_data = %s WHERE id = %s", (case["text"], job)
            )
            kept[job] = case
    assert len(kept) == len(lines) if column == "text" else len(kept) > 20
    database.cut_over()
    for attempt in range(2):
        taken = {job["job"]: job["payload"] for job in switch.take(database.connection, "jobs", "export", "dag/1", 200)}
        for job, case in kept.items():
            read = json_value.read(case["text"]) if case["kind"] == "json" else case["text"]
            assert taken[job] == json_value.write(read), case
        # A repeated take tells the same.
        assert attempt == 0 or len(taken) >= len(kept)
    # What an older Bailey has installed keeps what the server makes of it, and is used all the same.
    database.connection.execute("ALTER TABLE bailey.claim DROP COLUMN stored")
    [first, *_] = switch.take(database.connection, "jobs", "export", "dag/1", 200)
    assert first["payload"] is not None and json_value.read(first["payload"]) is not None


def test_a_share_moves_no_job_that_is_held_or_taken(database: Database) -> None:
    database.add(200)
    database.cut_over(30)
    held = {row[0] for row in database.rows("SELECT id FROM tasks.background_jobs WHERE status = 'bailey_held'")}
    expected = {
        row[0] for row in database.rows("SELECT id FROM tasks.background_jobs WHERE bailey.bucket(id::text) < 30")
    }
    assert held == expected
    taken = switch.take(database.connection, "jobs", "export", "dag/1", 10)
    database.cut_over(10)
    claimed = {uuid.UUID(job["job"]) for job in taken}
    now = {row[0]: row[1] for row in database.rows("SELECT id, status FROM tasks.background_jobs")}
    assert {job for job, status in now.items() if status == "bailey_held"} == held - claimed
    assert {job for job, status in now.items() if status == "bailey_claimed"} == claimed
    # A retry stays Airflow's although its bucket is legacy's now.
    outside = next(job for job in taken if database.one("SELECT bailey.bucket(%s) >= 10", job["job"]))
    assert switch.finish(database.connection, "jobs", outside["job"], "dag/1", "failed") == "retry"
    # What legacy has begun stays legacy's, whatever the share becomes.
    begun = database.one("SELECT id FROM tasks.background_jobs WHERE status = 'pending' LIMIT 1")
    database.connection.execute(
        "UPDATE tasks.background_jobs SET status = 'running', started_at = now() WHERE id = %s", (begun,)
    )
    database.cut_over(100)
    database.connection.execute(poller.RETRY, (0, begun))
    assert database.statuses()["pending"] == 1
    assert database.one("SELECT retries FROM bailey.look('jobs', 'export')") == 1


def test_a_dead_runs_claims_come_back_on_a_persons_word_only(database: Database) -> None:
    database.add(3)
    database.cut_over()
    taken = switch.take(database.connection, "jobs", "export", "dag/dead", 2)
    assert len(switch.take(database.connection, "jobs", "export", "dag/2", 9)) == 1
    assert switch.take(database.connection, "jobs", "export", "dag/3", 9) == []
    give_up = "SELECT bailey.give_up('jobs', 'export', %s, 'test')"
    assert database.one(give_up, ["dag/dead"]) == 2
    assert (
        database.one("SELECT count(*) FROM tasks.background_jobs WHERE status = 'bailey_held' AND started_at IS NULL")
        == 2
    )
    assert switch.finish(database.connection, "jobs", taken[0]["job"], "dag/dead", "success") == "returned"
    assert switch.take(database.connection, "jobs", "export", "dag/dead", 9) == []
    assert len(switch.take(database.connection, "jobs", "export", "dag/4", 9)) == 2
    database.roll_back()
    assert database.one(give_up, ["dag/4"]) == 2
    assert database.statuses() == {"bailey_claimed": 1, "pending": 2}


def test_rows_of_transactions_that_had_not_seen_the_change(database: Database) -> None:
    add = "INSERT INTO tasks.background_jobs (id, job_type, job_data, created_at) VALUES (gen_random_uuid(), 'export', '{}', now())"
    with psycopg.connect(database.url) as old:
        old.execute(add)
        fence = database.close()
        assert database.settle(fence) == ("waiting", "transactions", 0)
        old.commit()
        assert database.settle(fence)[0] == "ok"
        assert database.statuses() == {"bailey_held": 1}
        old.execute(add)
        database.one("SELECT answer FROM bailey.release('jobs', 'export', 'p', 'test')")
        assert database.rows("SELECT * FROM bailey.sweep('jobs', 'export')") == [(False, 0)]
        old.commit()
        assert database.statuses() == {"bailey_held": 1, "pending": 1}
        # A gate that asks does it too, if Bailey was killed meanwhile.
        assert switch.mode(database.connection, "jobs", "export") == "shadow"
        assert database.statuses() == {"pending": 2}
        assert database.rows("SELECT * FROM bailey.sweep('jobs', 'export')") == [(True, 0)]


def test_a_gate_settles_what_was_left_closing(database: Database) -> None:
    database.add(3)
    database.close()
    assert switch.mode(database.connection, "jobs", "export") == "live"
    assert database.statuses() == {"bailey_held": 3}


def test_no_switch_means_legacy(server: str) -> None:
    with psycopg.connect(f"{server}/postgres") as connection:
        assert switch.mode(connection, "jobs", "export", "dag/1") == "shadow"


ADD = "INSERT INTO tasks.background_jobs (id, job_type, job_data, created_at) VALUES (gen_random_uuid(), 'export', '{}', now())"


@pytest.mark.parametrize("prepared", [False, True])
def test_a_snapshot_from_before_the_rollback_holds_nothing_for_ever(database: Database, prepared: bool) -> None:
    database.cut_over()
    old = psycopg.connect(database.url)
    old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    old.execute("SELECT 1")
    database.one("SELECT answer FROM bailey.release('jobs', 'export', 'p', 'test')")
    sweep = "SELECT done FROM bailey.sweep('jobs', 'export')"
    assert [database.one(sweep) for _ in range(3)] == [False] * 3
    # It decides by what it saw, after the rollback.
    old.execute(ADD)
    if prepared:
        old.execute("PREPARE TRANSACTION 'late'")
        old.close()
        assert database.one(sweep) is False
        database.connection.execute("COMMIT PREPARED 'late'")
    else:
        assert database.one(sweep) is False
        old.commit()
    assert database.statuses() == {"bailey_held": 1}
    wait_until("swept", lambda: database.one(sweep))
    assert database.statuses() == {"pending": 1}
    old.close()


def test_snapshots_that_began_afterwards_are_not_waited_for(database: Database) -> None:
    database.cut_over()
    with psycopg.connect(database.url) as other:
        # Its snapshot holds back the horizon of every later one.
        other.execute(ADD)
        database.one("SELECT answer FROM bailey.release('jobs', 'export', 'p', 'test')")
        assert database.one("SELECT done FROM bailey.sweep('jobs', 'export')") is False
        with psycopg.connect(database.url) as reader:
            reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            reader.execute("SELECT 1")
            other.commit()
            wait_until("swept", lambda: database.one("SELECT done FROM bailey.sweep('jobs', 'export')"))


def test_a_frozen_take_and_a_locked_row_hold_up_no_other(database: Database) -> None:
    database.add(20)
    database.cut_over()
    frozen, locker = psycopg.connect(database.url), psycopg.connect(database.url, application_name="the app")
    taken = frozen.execute("SELECT job FROM bailey.take('jobs', 'export', 'dag/1', 3)").fetchall()
    assert len(taken) == 3
    lock = "SELECT id FROM tasks.background_jobs WHERE status = 'bailey_held' LIMIT 1 FOR UPDATE SKIP LOCKED"
    locked = locker.execute(lock).fetchall()
    answer = database.rows("SELECT * FROM bailey.release('jobs', 'export', 'p', 'test')")[0]
    assert answer[:2] == ("released", 16)
    assert database.statuses() == {"pending": 16, "bailey_held": 4}
    blockers = database.rows("SELECT pid, name, state, query, since IS NOT NULL FROM bailey.blockers('jobs', 'export')")
    assert {row[0] for row in blockers} == {frozen.info.backend_pid, locker.info.backend_pid}
    assert ("the app", "idle in transaction", lock, True) in {row[1:] for row in blockers}
    # What the take had when it commits is its run's; the locked row goes back as soon as it may.
    frozen.commit()
    locker.rollback()
    wait_until("swept", lambda: database.one("SELECT done FROM bailey.sweep('jobs', 'export')"))
    assert database.statuses() == {"pending": 17, "bailey_claimed": 3}
    assert str(locked[0][0]) not in {row[0] for row in taken}
    frozen.close()
    locker.close()


def test_a_take_outlives_a_crash_and_not_a_silence(database: Database) -> None:
    database.add(2)
    database.cut_over()
    with psycopg.connect(database.url) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.commit()
        show = "SELECT current_setting('synchronous_commit'), current_setting('idle_in_transaction_session_timeout')"
        for call in (
            "SELECT * FROM bailey.take('jobs', 'export', 'dag/1', 1)",
            "SELECT bailey.finish('jobs', (SELECT job FROM bailey.claim), 'dag/1', 'success', NULL)",
            "SELECT * FROM bailey.close('jobs', 'mail', 100, 'p', 'x', false, '0')",
            "SELECT * FROM bailey.settle('jobs', 'mail', 1)",
            "SELECT * FROM bailey.release('jobs', 'export', 'p', 'x')",
            "SELECT bailey.give_up('jobs', 'export', '{dag/2}', 'x')",
        ):
            connection.execute(call)
            assert connection.execute(show).fetchone() == ("on", "1min"), call
            connection.commit()
            assert connection.execute(show).fetchone() == ("off", "0")
            connection.commit()


def test_a_held_job_follows_the_owner_of_its_new_type(database: Database) -> None:
    jobs = database.add(3)
    database.cut_over()
    change = "UPDATE tasks.background_jobs SET job_type = %s WHERE id = %s"
    database.connection.execute(change, ("mail", jobs[0]))
    assert database.statuses() == {"bailey_held": 2, "pending": 1}
    database.connection.execute(change, ("export", jobs[0]))
    assert database.statuses() == {"bailey_held": 3}
    [taken] = switch.take(database.connection, "jobs", "export", "dag/1", 1)
    database.connection.execute(change, ("mail", taken["job"]))
    assert switch.finish(database.connection, "jobs", taken["job"], "dag/1", "success") == "success"


def test_a_claim_belongs_to_its_row_and_not_to_an_id(database: Database) -> None:
    [one, two] = database.add(2)
    database.cut_over()
    assert len(switch.take(database.connection, "jobs", "export", "dag/1", 2)) == 2
    again = "INSERT INTO tasks.background_jobs (id, job_type, job_data, created_at) VALUES (%s, 'export', '{}', now())"
    # An upsert is no new row.
    database.connection.execute(again + " ON CONFLICT DO NOTHING", (one,))
    assert switch.claim(database.connection, "jobs", one, "dag/1") == "open"
    assert switch.finish(database.connection, "jobs", one, "dag/1", "success") == "success"
    database.connection.execute("TRUNCATE tasks.background_jobs RESTART IDENTITY")
    assert switch.claim(database.connection, "jobs", two, "dag/1") == "overtaken"
    database.connection.execute(again, (one,))
    database.connection.execute(again, (two,))
    assert database.statuses() == {"bailey_held": 2}
    assert switch.finish(database.connection, "jobs", two, "dag/1", "success") == "overtaken"
    assert len(switch.take(database.connection, "jobs", "export", "dag/2", 2)) == 2
    assert switch.finish(database.connection, "jobs", two, "dag/2", "failed") == "retry"
    assert switch.finish(database.connection, "jobs", one, "dag/2", "success") == "success"
    assert database.one("SELECT count(*) FROM bailey.sighting WHERE what = 'emptied'") == 1
    # Deleted and made anew with triggers that were off meanwhile.
    assert len(switch.take(database.connection, "jobs", "export", "dag/3", 2)) == 0
    time.sleep(0.15)
    assert len(switch.take(database.connection, "jobs", "export", "dag/4", 1)) == 1
    with database.connection.transaction():
        database.connection.execute("SET LOCAL session_replication_role = replica")
        database.connection.execute("DELETE FROM tasks.background_jobs")
    database.connection.execute(again, (two,))
    assert switch.claim(database.connection, "jobs", two, "dag/4") == "overtaken"
    database.roll_back()
    begin = "UPDATE tasks.background_jobs SET status = 'running', started_at = now() WHERE id = %s"
    database.connection.execute(begin, (two,))
    assert database.statuses() == {"running": 1}


def test_what_others_do_to_held_and_taken_jobs_is_seen(database: Database) -> None:
    jobs = database.add(6)
    database.cut_over()
    taken = {job["job"] for job in switch.take(database.connection, "jobs", "export", "dag/1", 2)}
    held = [job for job in jobs if job not in taken]
    [one, two] = sorted(taken)
    change = "UPDATE tasks.background_jobs SET status = %s WHERE id = %s"
    # A worker that has read a job long ago and writes only its end.
    database.connection.execute(change, ("completed", one))
    assert switch.finish(database.connection, "jobs", one, "dag/1", "success") == "overtaken"
    database.connection.execute(change, ("completed", held[0]))
    # Cancelled by name, purged by a status that held jobs do not have.
    database.connection.execute(change, ("cancelled", held[1]))
    database.connection.execute("DELETE FROM tasks.background_jobs WHERE status <> 'pending'")
    whats = dict(database.rows("SELECT what, count(*) FROM bailey.sighting GROUP BY 1"))
    assert whats == {
        "taken: bailey_claimed to completed": 1,
        "held: bailey_held to completed": 1,
        "deleted while held": 2,
        "deleted while a run had it": 1,
    }
    assert switch.finish(database.connection, "jobs", two, "dag/1", "success") == "overtaken"


def test_types_change_under_open_sessions(database: Database) -> None:
    database.add(4)
    database.cut_over()
    with psycopg.connect(database.url) as app, psycopg.connect(database.url, autocommit=True) as dag:
        # All functions and triggers are compiled in both sessions.
        app.execute(ADD)
        app.commit()
        [first] = switch.take(dag, "jobs", "export", "dag/1", 1)
        assert switch.finish(dag, "jobs", first["job"], "dag/1", "success") == "success"
        for change in (
            "ALTER COLUMN id TYPE text",
            "ALTER COLUMN status TYPE text",
            "ALTER COLUMN job_type TYPE varchar(200)",
            "ALTER COLUMN created_at TYPE timestamptz",
            "ALTER COLUMN retry_count TYPE bigint",
        ):
            database.connection.execute(f"ALTER TABLE tasks.background_jobs {change}")
            app.execute(ADD)
            app.commit()
            run = f"dag/{change}"
            [job] = switch.take(dag, "jobs", "export", run, 1)
            assert switch.finish(dag, "jobs", job["job"], run, "success") == "success"
    assert database.one("SELECT count(*) FROM bailey.sighting") == 0
    database.roll_back()
    assert database.statuses() == {"completed": 6, "pending": 4}


def test_a_run_that_was_called_dead_is_told_so(database: Database) -> None:
    [job] = database.add(1)
    database.cut_over()
    assert switch.claim(database.connection, "jobs", job, "dag/1") == "unknown"
    switch.take(database.connection, "jobs", "export", "dag/1", 1)
    assert switch.claim(database.connection, "jobs", job, "dag/1") == "open"
    assert database.one("SELECT bailey.give_up('jobs', 'export', %s, 'test')", ["dag/1"]) == 1
    assert switch.claim(database.connection, "jobs", job, "dag/1") == "returned"
    switch.take(database.connection, "jobs", "export", "dag/2", 1)
    assert switch.claim(database.connection, "jobs", job, "dag/1") == "returned"
    assert switch.claim(database.connection, "jobs", job, "dag/2") == "open"


def test_many_held_rows_go_back_in_bounded_transactions(database: Database) -> None:
    count = int(os.environ.get("BAILEY_HELD_ROWS", "50000"))
    database.cut_over()
    database.connection.execute(
        "INSERT INTO tasks.background_jobs (id, job_type, job_data, created_at)"
        " SELECT gen_random_uuid(), 'export', '{}', now() FROM generate_series(1, %s)",
        (count,),
    )
    assert database.statuses() == {"bailey_held": count}
    began = time.monotonic()
    given = [int(database.one("SELECT amount FROM bailey.release('jobs', 'export', 'p', 'test')"))]
    while given[-1] > 0:
        given.append(int(database.one("SELECT bailey.give_back('jobs', 'export', 10000)")))
    print(f"\n{count} rows in {time.monotonic() - began:.1f} s, {len(given)} transactions")
    assert sum(given) == count and max(given) == 10_000
    assert database.statuses() == {"pending": count}
