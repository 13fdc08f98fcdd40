"""A job type moves between the company's workers and DAG runs while both work: each job's effect exactly once."""

from __future__ import annotations

import os
import random
import threading
import time
import uuid
from pathlib import Path

import psycopg
from commands import wait_until
from queue_database import Crew, Database

from bailey_runtime import queue as switch
from lab import poller


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
