"""Processes of the queue's test: the company's worker on jobs that leave one line each, the same with a common bug, and a DAG's runs.

`python queue_workers.py KIND URL …`; each line of `effects` is one execution of a job's body.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
import uuid
from pathlib import Path

import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bailey_runtime import queue as switch  # noqa: E402
from lab import poller  # noqa: E402

EFFECT = "INSERT INTO effects (job, by, attempt, failed) VALUES (%s, %s, %s, %s)"


def fails(payload: dict[str, int], attempt: int) -> bool:
    """Whether this attempt of the job fails."""
    return attempt <= payload.get("busy_for", 0)


class Worker(poller.Queue):
    """The company's worker, whose body writes a line in the transaction that ends the job."""

    def run(self, job: poller.Job, backoff: float) -> None:
        """Runs a claimed job and writes how it ended, with its effect: both or neither."""
        time.sleep(random.random() * 0.002)
        attempt = job.retry_count + 1
        with self.connection.transaction():
            bad = fails(job.job_data, attempt)
            self.connection.execute(EFFECT, (job.id, "legacy", attempt, bad))
            if bad and job.retry_count < job.max_retries:
                self.connection.execute(poller.RETRY, (backoff, job.id))
            else:
                self.connection.execute(poller.FINISH, ("failed" if bad else "completed", job.id))


class Lockless(Worker):
    """The common bug: selects in autocommit, so that its locks are gone before it updates."""

    def claim(self) -> list[poller.Job]:
        """Takes up to ten due jobs, or so it thinks."""
        with self.connection.cursor(row_factory=psycopg.rows.class_row(poller.Job)) as cursor:
            jobs = cursor.execute(
                "SELECT id, job_id, job_type, job_data, retry_count, max_retries FROM tasks.background_jobs"
                " WHERE status = 'pending' AND (next_retry_at IS NULL OR next_retry_at < now())"
                " ORDER BY created_at LIMIT 10 FOR UPDATE SKIP LOCKED"
            ).fetchall()
        time.sleep(random.random() * 0.01)
        claimed = []
        for job in jobs:
            try:
                self.connection.execute(
                    "UPDATE tasks.background_jobs SET status = 'running', started_at = clock_timestamp() WHERE id = %s",
                    (job.id,),
                )
                claimed.append(job)
            except psycopg.errors.LockNotAvailable:
                continue
        return claimed


def work(url: str, kind: type[Worker], backoff: float) -> None:
    """Polls until killed."""
    queue = kind(url)
    while True:
        jobs = queue.claim()
        for job in jobs:
            queue.run(job, backoff)
        if not jobs:
            time.sleep(0.05)


def run_dags(url: str, job_type: str, most: int, backlog: Path) -> None:
    """A DAG's runs, one after another, as generated tasks make them; a run that was killed is begun again under its own id."""
    connection = psycopg.connect(url, application_name="dag")
    while True:
        if backlog.exists():
            run = backlog.read_text()
        else:
            run = f"dag/{uuid.uuid4()}"
            draft = backlog.with_suffix(".new")
            draft.write_text(run)
            draft.replace(backlog)
        if switch.mode(connection, "jobs", job_type, run) == "live":
            for job in switch.take(connection, "jobs", job_type, run, most):
                time.sleep(random.random() * 0.002)
                bad = fails(json.loads(job["payload"] or "{}"), job["attempt"])
                connection.execute(EFFECT, (job["job"], "airflow", job["attempt"], bad))
                switch.finish(connection, "jobs", job["job"], run, "failed" if bad else "success", commit=False)
                connection.commit()
        else:
            time.sleep(0.02)
        backlog.unlink()
        time.sleep(0.01)


def main() -> None:
    """Runs one process until it is killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("worker", "lockless", "dag"))
    parser.add_argument("url")
    parser.add_argument("--type", default="export")
    parser.add_argument("--backlog", type=Path)
    options = parser.parse_args()
    random.seed(os.getpid())
    if options.kind == "dag":
        run_dags(options.url, options.type, 25, options.backlog)
    else:
        work(options.url, Lockless if options.kind == "lockless" else Worker, 0.1)


if __name__ == "__main__":
    main()
