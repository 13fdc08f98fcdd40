"""A database with the company's table of jobs and the switch on it, and processes that work on it."""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import psycopg
from commands import SHADOW, wait_until
from psycopg.types.json import Jsonb

from lab import poller

INSTALL = (SHADOW.parent / "Tests/CutoverTests/Golden/background_jobs.sql").read_text(encoding="utf-8")
# The profile's waits are a minute and more.
QUICK = INSTALL.replace("60.0 * 2.0::float8 ^ least(bailey_done, 865)", "0.1")
EFFECTS = """
CREATE TABLE effects (
    place bigint GENERATED ALWAYS AS IDENTITY, job uuid, by text, attempt int, failed boolean, at timestamptz DEFAULT clock_timestamp()
)
"""
# How the application adds a job.
ADD = "INSERT INTO tasks.background_jobs (id, job_type, job_data, created_at) VALUES (gen_random_uuid(), 'export', '{}', now())"


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
