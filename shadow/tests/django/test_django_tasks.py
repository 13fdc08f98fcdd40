"""Tasks of a real Django with django-tasks-db and its own workers: they move to Airflow and back, and each runs once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "queues")]

from moving import Crew, Moving, database, move_over_and_back, wait_until  # noqa: E402

from testing.postgres import cluster  # noqa: E402

TABLE = "django_tasks_database_dbtaskresult"


class Shop(Moving):
    """An application with the package's own tables, as its migrations make them."""

    def __init__(self, folder: Path, url: str) -> None:
        environment = {**os.environ, "TASKS_DATABASE": url, "PYTHONPATH": str(HERE)}
        self.environment = environment
        self.application = subprocess.Popen(
            [sys.executable, "-m", "tasks_app", "serve"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.asked(do="migrate")
        super().__init__(folder, url, "django_tasks_db", f"public.{TABLE}", "tasks_app.send_mail")

    def asked(self, **what: Any) -> Any:
        """What the application answers."""
        assert self.application.stdin is not None and self.application.stdout is not None
        self.application.stdin.write(json.dumps(what) + "\n")
        self.application.stdin.flush()
        return json.loads(self.application.stdout.readline())

    def add(self, first: int, count: int = 1, task: str = "send_mail", **how: Any) -> list[str]:
        """Enqueues tasks as the application does; their ids."""
        options = {key: how.pop(key) for key in ("after", "priority") if key in how}
        return list(self.asked(do="enqueue", task=task, first=first, count=count, more=how, **options))

    def result(self, job: str) -> Any:
        """Status, attempts and errors of a task, by the application's own way of asking."""
        return self.asked(do="result", id=job)

    def unfinished(self) -> int:
        """How many tasks have not ended."""
        return int(self.one(f"SELECT count(*) FROM {TABLE} WHERE status NOT IN ('SUCCESSFUL', 'FAILED')"))


class Workers(Crew):
    """Its workers, and runs of a DAG."""

    def start(self, name: str, kind: str, *words: str) -> None:
        """Starts a member, or starts it again."""
        if kind == "dag":
            super().start(name, kind, *words)
            return
        shop = self.moving
        assert isinstance(shop, Shop)
        command = [sys.executable, "-m", "tasks_app", "worker", *words]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.members[name] = subprocess.Popen(command, env=shop.environment, stdout=log, stderr=log)


@pytest.fixture(scope="module")
def cluster_url() -> Iterator[str]:
    """A real PostgreSQL."""
    with cluster() as url:
        yield url


@pytest.fixture
def shop(cluster_url: str, tmp_path: Path) -> Iterator[Shop]:
    """A new application."""
    with database(cluster_url) as url:
        shop = Shop(tmp_path, url)
        yield shop
        shop.application.kill()
        shop.application.wait()
        shop.connection.close()


def test_no_task_is_lost_or_doubled_under_three_workers(
    shop: Shop, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    jobs = 3000 if request.config.getoption("--full") else 200
    shop.add(0, 40)
    shop.begin()
    with Workers(shop, tmp_path) as crew:
        for n in range(3):
            # One of them takes every queue.
            crew.start(f"worker-{n}", "worker", "*" if n == 0 else "mails,stock")
        for n in range(2):
            crew.start(f"dag-{n}", "dag")
        done = move_over_and_back(shop, crew, lambda at, count: shop.add(40 + at, count), shop.unfinished, jobs)
    ran = shop.each_once(40 + jobs)
    print(f"\n{done}, {ran}")
    assert min(ran.values()) > 0 and len(ran) == 2
    assert shop.rows(f"SELECT status, run_after::text, count(*) FROM {TABLE} GROUP BY 1, 2") == [
        ("SUCCESSFUL", "9999-01-01 00:00:00+00", 40 + jobs)
    ]
    assert shop.rows("SELECT what FROM bailey.sighting") == []


def test_what_it_reads_is_what_django_counts(shop: Shop, tmp_path: Path) -> None:
    shop.add(0, 5)
    shop.add(5, 2, bad=True)
    with Workers(shop, tmp_path) as crew:
        crew.start("worker", "worker", "mails")
        wait_until("all have ended", lambda: shop.unfinished() == 0)
    shop.add(200, 3, after=3600)
    shop.add(300, task="stock")
    states = {entry["name"]: entry["history"]["states"] for entry in shop.json("import")["entries"]}
    assert states == {
        "tasks_app.send_mail": {"READY": 3, "SUCCESSFUL": 5, "FAILED": 2},
        "tasks_app.stock": {"READY": 1},
    }
    shop.begin()
    shop.cut_over()
    assert {entry["name"]: entry["history"]["states"] for entry in shop.json("import")["entries"]} == states


def test_held_tasks_go_back_byte_for_byte_and_can_be_asked_for(shop: Shop, tmp_path: Path) -> None:
    jobs = shop.add(0, 20)
    shop.add(20, after=3600)
    shop.add(21, priority=7)
    shop.begin()
    before = shop.table_now()
    shop.cut_over()
    with Workers(shop, tmp_path) as crew:
        crew.start("worker", "worker", "*")
        shop.add(30, task="stock")
        wait_until("a task of another type runs", lambda: shop.one("SELECT count(*) FROM effects") == 1)
        crew.stop("worker")
        crew.start("worker", "worker", "*")
        shop.add(31, task="stock")
        wait_until("it runs again", lambda: shop.one("SELECT count(*) FROM effects") == 2)
        [held] = shop.add(40)
        assert shop.rows("SELECT n FROM effects ORDER BY n") == [(30,), (31,)]
        # The application reads a held task's result as ever.
        assert shop.result(jobs[0]) == shop.result(held) == ["READY", 0, []]
    shop.connection.execute(f"DELETE FROM {TABLE} WHERE id::text = %s OR task_path LIKE '%%stock'", (held,))
    shop.roll_back()
    assert shop.table_now() == before


def test_a_run_of_airflow_writes_what_a_worker_writes(shop: Shop, tmp_path: Path) -> None:
    [legacy] = shop.add(0)
    [legacy_bad] = shop.add(1, bad=True)
    with Workers(shop, tmp_path) as crew:
        crew.start("worker", "worker", "mails")
        wait_until("they have ended", lambda: shop.unfinished() == 0)
    [ours] = shop.add(0)
    [bad] = shop.add(1, priority=-5)
    [later] = shop.add(2, after=3600)
    shop.begin()
    shop.cut_over()
    first, second = shop.take("dag/1")
    assert (first["job"], first["payload"]) == (ours, '{"args":[],"kwargs":{"n":0}}')
    assert second["job"] == bad
    # While a run has it, it is running for whoever asks.
    assert shop.result(ours)[0] == "RUNNING"
    assert shop.finish(ours, "dag/1", "success") == "success"
    assert shop.finish(bad, "dag/1", "failed", "ValueError: no such mail") == "failed"
    columns = "status, args_kwargs, priority, task_path, queue_name, backend_name, run_after, exception_class_path, traceback, started_at IS NULL, finished_at >= started_at"
    rows = shop.rows(f"SELECT {columns} FROM {TABLE} WHERE id::text IN (%s, %s)", legacy, ours)
    assert rows[0] == rows[1]
    assert shop.result(legacy_bad)[0] == "FAILED"
    assert shop.result(bad) == ["FAILED", 0, [["builtins.Exception", "ValueError: no such mail"]]]
    # A deferred one is taken when it is due.
    assert shop.take("dag/2") == []
    shop.roll_back()
    shop.connection.execute(f"UPDATE {TABLE} SET run_after = now() WHERE id::text = %s", (later,))
    shop.cut_over()
    assert [job["job"] for job in shop.take("dag/3")] == [later]


def test_a_worker_that_is_killed_in_the_middle_keeps_its_task(shop: Shop, tmp_path: Path) -> None:
    [job] = shop.add(0, seconds=30)
    shop.begin()
    with Workers(shop, tmp_path) as crew:
        crew.start("worker", "worker", "mails")
        wait_until("it runs", lambda: shop.result(job)[0] == "RUNNING")
        crew.kill("worker")
        before = shop.table_now()
        shop.cut_over()
        assert shop.take("dag/1") == []
        shop.roll_back()
    assert shop.table_now() == before


def test_what_a_run_that_was_called_dead_had_goes_back(shop: Shop) -> None:
    shop.add(0, 3)
    shop.begin()
    before = shop.table_now()
    shop.cut_over()
    jobs = shop.take("dag/1")
    assert len(jobs) == 3
    shop.json("rollback", shop.pipeline, "--execute", "--return-claims", "dag/1")
    assert shop.table_now() == before
    assert shop.finish(jobs[0]["job"], "dag/1", "success") == "returned"
    assert shop.table_now() == before
