"""A job type moves between the company's workers and DAG runs while both work: each job's effect exactly once."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import tempfile
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

from bailey_runtime import queue as switch
from lab import poller, servers

INSTALL = (SHADOW.parent / "Tests/CutoverTests/Golden/background_jobs.sql").read_text(encoding="utf-8")
# The profile's waits are a minute and more.
QUICK = INSTALL.replace("60.0 * 2.0::float8 ^ done", "0.1")
EFFECTS = """
CREATE TABLE effects (
    place bigint GENERATED ALWAYS AS IDENTITY, job uuid, by text, attempt int, failed boolean, at timestamptz DEFAULT clock_timestamp()
)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A PostgreSQL of this module's own; its URL without a database."""
    with tempfile.TemporaryDirectory(prefix="bailey-queue-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        data, log, user, port = folder / "data", folder / "log", servers.postgres_user(), servers.free_port()
        servers.make_cluster(data, os.environ, log)
        account: dict[str, Any] = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        with log.open("ab") as output:
            process = subprocess.Popen(
                servers.postgres_command(port, data), cwd="/", stdout=output, stderr=output, **account
            )
        url = f"postgresql://postgres@127.0.0.1:{port}"

        def answers() -> bool:
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(f"{url}/postgres"):
                return True
            return False

        try:
            wait_until("PostgreSQL answers", answers)
            yield url
        finally:
            process.terminate()
            process.wait()


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
    assert [(job["payload"], job["attempt"]) for job in first] == [('{"limit": 1}', 1)] * 3
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
