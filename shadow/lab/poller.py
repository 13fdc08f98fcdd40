"""The company's own queue worker (`python -m lab.poller URL`): polls `tasks.background_jobs` and feeds it too.

The table is the company's, column for column. The worker claims up to ten due jobs at a time, runs them one after
another, and writes `completed`, `failed`, or `pending` again with a later `next_retry_at`.
"""

from __future__ import annotations

import argparse
import itertools
import signal
import threading
import time
import traceback
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Callable

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from lab import work

TABLE = """
CREATE SCHEMA tasks;
CREATE TABLE tasks.background_jobs (
    id uuid PRIMARY KEY,
    job_id character varying(255) UNIQUE,
    job_type character varying(100),
    job_data jsonb,
    status character varying(50) DEFAULT 'pending',
    created_at timestamp without time zone,
    started_at timestamp without time zone,
    completed_at timestamp without time zone,
    retry_count integer DEFAULT 0,
    max_retries integer DEFAULT 3,
    next_retry_at timestamp without time zone
);
"""

ENQUEUE = """
INSERT INTO tasks.background_jobs (id, job_id, job_type, job_data, created_at, max_retries, next_retry_at)
VALUES (%s, %s, %s, %s, now(), 2, now() + %s * interval '1 second')
"""

CLAIM = """
UPDATE tasks.background_jobs SET status = 'running', started_at = now()
WHERE id IN (
    SELECT id FROM tasks.background_jobs
    WHERE status = 'pending' AND (next_retry_at IS NULL OR next_retry_at < now())
    ORDER BY created_at LIMIT 10 FOR UPDATE SKIP LOCKED
)
RETURNING id, job_id, job_type, job_data, retry_count, max_retries
"""

FINISH = "UPDATE tasks.background_jobs SET status = %s, completed_at = clock_timestamp() WHERE id = %s"

RETRY = """
UPDATE tasks.background_jobs
SET status = 'pending', retry_count = retry_count + 1, next_retry_at = clock_timestamp() + %s * interval '1 second'
WHERE id = %s
"""

BODIES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "export_data": work.export_data,
    "send_email": work.send_email,
    "generate_report": work.generate_report,
}

SEEDED = 44
DEFERRED = 3
HOUR = 3600.0


@dataclass(frozen=True)
class Job:
    """A claimed row."""

    id: uuid.UUID
    job_id: str
    job_type: str
    job_data: dict[str, Any]
    retry_count: int
    max_retries: int


def jobs_to_come() -> Iterator[tuple[str, dict[str, Any]]]:
    """Type and data of one job after another, without end; always the same ones."""
    for n in itertools.count(1):
        yield "export_data", {"org_id": n, "format": "xlsx" if n % 3 == 0 else "csv"}
        yield "send_email", {"to": f"user{n}@example.org", "template": "digest", "busy_for": 1 if n % 4 == 0 else 0}
        report = "unheard-of" if n % 5 == 0 else work.REPORTS[n % len(work.REPORTS)]
        yield (
            "generate_report",
            {"report": report, "period": f"2026-{n % 12 + 1:02d}", "busy_for": 1 if n % 3 == 0 else 0},
        )


class Queue:
    """One connection to the table; its clock is UTC."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(
            url, autocommit=True, application_name="background-jobs", options="-c timezone=UTC"
        )
        self._coming = jobs_to_come()
        self._fed = 0

    def create(self) -> None:
        """Makes the table."""
        self.connection.execute(TABLE)

    def enqueue(self, deferred_by: float | None = None) -> None:
        """Adds the next job, due now or so many seconds from now."""
        job_type, job_data = next(self._coming)
        self._fed += 1
        values = (uuid.uuid4(), f"{job_type}-{self._fed:05d}", job_type, Jsonb(job_data), deferred_by)
        self.connection.execute(ENQUEUE, values)

    def claim(self) -> list[Job]:
        """Takes up to ten due jobs."""
        with self.connection.cursor(row_factory=class_row(Job)) as cursor:
            return cursor.execute(CLAIM).fetchall()

    def run(self, job: Job, backoff: float) -> None:
        """Runs a claimed job and writes how it ended."""
        try:
            perform(job)
        except Exception:
            traceback.print_exc()
            if job.retry_count < job.max_retries:
                self.connection.execute(RETRY, (backoff * 2**job.retry_count, job.id))
            else:
                self.connection.execute(FINISH, ("failed", job.id))
        else:
            self.connection.execute(FINISH, ("completed", job.id))
        print(f"{job.job_id}: attempt {job.retry_count + 1}", flush=True)


def perform(job: Job) -> dict[str, Any]:
    """Runs the job's body, unless a service that it needs is busy, as some are for the first attempts."""
    if job.retry_count < job.job_data.get("busy_for", 0):
        raise ConnectionError(f"{job.job_type}: the service is busy, try again")
    with work.running(job.job_id):
        return BODIES[job.job_type](job.job_data)


def poll(queue: Queue, options: argparse.Namespace, stopping: threading.Event) -> None:
    """Polls and feeds until told to stop; a claimed job is always brought to its end."""
    next_feed = time.monotonic() + options.feed
    while not stopping.is_set():
        jobs = queue.claim()
        for job in jobs:
            queue.run(job, options.backoff)
        while time.monotonic() >= next_feed:
            queue.enqueue()
            next_feed += options.feed
        # A full batch means that more is due.
        if len(jobs) < 10:
            stopping.wait(options.interval)


def main() -> None:
    """Makes the table and its first jobs, then works until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m lab.poller", description=__doc__)
    parser.add_argument("url", help="the queue's PostgreSQL URL")
    parser.add_argument("--interval", type=float, default=5.0, help="seconds between polls (default 5)")
    parser.add_argument(
        "--backoff", type=float, default=60.0, help="seconds before the first retry, doubled each time (default 60)"
    )
    parser.add_argument("--feed", type=float, default=2.0, help="seconds between new jobs (default 2)")
    options = parser.parse_args()

    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())

    queue = Queue(options.url)
    queue.create()
    for n in range(SEEDED + DEFERRED):
        queue.enqueue(deferred_by=None if n < SEEDED else HOUR)
    poll(queue, options, stopping)


if __name__ == "__main__":
    main()
