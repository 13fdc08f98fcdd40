"""A queue of a test's own, with the company's table: jobs are queued all the time, and each execution leaves a line."""

from __future__ import annotations

import json
import threading
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
from bailey import Workspace
from psycopg.types.json import Jsonb
from rest import eventually
from road import Road, probe

from lab import poller

ADD = """
INSERT INTO tasks.background_jobs (id, job_id, job_type, job_data, created_at, max_retries)
VALUES (%s, %s, %s, %s, now(), 3)
"""
# As often as a run of it can end before the next begins, on a busy machine too.
EVERY = "30s"


class Line:
    """A job type in a database of its own, its pipeline, its legacy worker, and the application that queues jobs."""

    def __init__(self, road: Road, folder: Path, name: str, schedule: dict[str, Any] | None = None) -> None:
        self.road = road
        self.type = name
        self.pipeline = f"line-{name}"
        self.number = 0
        self.threads: list[tuple[threading.Event, threading.Thread]] = []
        database = f"line_{uuid.uuid4().hex[:8]}"
        with psycopg.connect(road.legacy.postgres_url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}"')
        self.url = road.legacy.postgres_url.rsplit("/", 1)[0] + "/" + database
        self.connection = self.connect("test")
        self.connection.execute(poller.TABLE)
        self.connection.execute("CREATE TABLE effects (number integer, by text, failed boolean)")
        settings = json.loads((road.workspace.folder / "bailey.yaml").read_text(encoding="utf-8"))
        # A source's name is that of Airflow's connection.
        self.source = database
        queue = {"kind": "queue", "profile": "line", "url": self.url, "timezone": "UTC"}
        settings["sources"] = {self.source: queue}
        self.workspace = Workspace(folder, settings, road.workspace.environment)
        profiles = self.workspace.folder / "mappings" / "profiles"
        text = (profiles / "background_jobs.yaml").read_text(encoding="utf-8")
        text = text.replace("profile: background_jobs", "profile: line").replace("delay: 60s, backoff: 2", "delay: 2s")
        (profiles / "line.yaml").write_text(text, encoding="utf-8")
        self.workspace.add_mapping(
            {
                "pipeline": self.pipeline,
                "schedule": schedule or {"interval": EVERY},
                "tasks": {
                    "work": {
                        **job_probe(),
                        "entry": f"{self.source}/{self.type}",
                        "limit": 20,
                        "retries": 1,
                        "retry_delay": "1s",
                    }
                },
                "policy": {"clean_ticks": 3, "compared_ticks": 0, "in_a_row": 0},
            }
        )

    def connect(self, name: str) -> psycopg.Connection[Any]:
        """A connection as the application makes it."""
        return psycopg.connect(self.url, autocommit=True, application_name=name, options="-c timezone=UTC")

    # Legacy

    def add(self, busy_for: int = 0, kills: bool = False) -> int:
        """Queues a job; its number."""
        self.number += 1
        payload = {"number": self.number, "url": self.url, "busy_for": busy_for, "kills": kills}
        self.connection.execute(ADD, (uuid.uuid4(), f"job-{self.number}", self.type, Jsonb(payload)))
        return self.number

    def feed(self, every: float) -> None:
        """Queues a job every so many seconds until it is stopped."""

        def run(stopping: threading.Event) -> None:
            while not stopping.wait(every):
                self.add()

        self._begin(run)

    def work(self) -> None:
        """Runs the company's worker until it is stopped: it takes every job that waits."""

        def run(stopping: threading.Event) -> None:
            queue = poller.Queue(self.url)
            while not stopping.wait(0.3):
                for job in queue.claim():
                    with queue.connection.transaction():
                        queue.connection.execute(
                            "INSERT INTO effects (number, by, failed) VALUES (%s, 'legacy', false)",
                            (job.job_data["number"],),
                        )
                        queue.connection.execute(poller.FINISH, ("completed", job.id))
            queue.connection.close()

        self._begin(run)

    def _begin(self, run: Any) -> None:
        stopping = threading.Event()
        thread = threading.Thread(target=run, args=(stopping,), daemon=True)
        self.threads.append((stopping, thread))
        thread.start()

    def stop(self) -> None:
        """Stops the thread that was begun last."""
        stopping, thread = self.threads.pop()
        stopping.set()
        thread.join(30)
        assert not thread.is_alive()

    # Looking

    def statuses(self) -> Counter[str]:
        """How many rows have which status."""
        rows = self.connection.execute("SELECT status, count(*) FROM tasks.background_jobs GROUP BY status").fetchall()
        return Counter({str(status): int(number) for status, number in rows})

    def by(self, whom: str) -> int:
        """How many jobs somebody has run."""
        row = self.connection.execute("SELECT count(*) FROM effects WHERE by = %s AND NOT failed", (whom,)).fetchone()
        return 0 if row is None else int(row[0])

    def each_once(self) -> None:
        """Waits until every job has ended, and fails unless each was run to its end exactly once."""
        eventually("every job has ended", lambda: set(self.statuses()) <= {"completed"})
        rows = self.connection.execute("SELECT number FROM effects WHERE NOT failed").fetchall()
        assert Counter(int(number) for (number,) in rows) == Counter(range(1, self.number + 1))

    def schema(self) -> bool:
        """Whether schema bailey, or a trigger of it, is there."""
        row = self.connection.execute(
            "SELECT to_regnamespace('bailey') IS NOT NULL OR EXISTS (SELECT FROM pg_trigger WHERE tgname LIKE 'bailey%')"
        ).fetchone()
        return row == (True,)

    # Bailey

    def cut_over(self) -> None:
        """Imports, generates, deploys and moves the type to Airflow."""
        self.workspace.run("import", status=(0, 1))
        self.workspace.run("generate", status=(0, 1))
        self.workspace.run("deploy", "--execute", "--unpause")
        self.workspace.run(
            "cutover", self.pipeline, "--execute", "--override", "a test", "--reason", "nothing was compared"
        )

    @property
    def file(self) -> str:
        """The DAG's file, where Airflow reads it."""
        return (self.road.stack.folder / "dags" / f"{self.pipeline}.py").read_text(encoding="utf-8")


def job_probe() -> dict[str, Any]:
    """A task that leaves a line for each job."""
    task = probe("effect")
    # The function gets the payload.
    del task["python"]["args"], task["python"]["kwargs"]
    return {**task, "shadow": "observe"}
