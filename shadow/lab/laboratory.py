"""The company's laboratory: its members, in the order in which they start."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg
import redis
from celery import Celery

from lab.processes import LabError
from lab.record import Record
from lab.stack import Stack

SEEDED_AT_LEAST = 40


class Laboratory(Stack[Record]):
    """The laboratory in a folder, whether it exists or not."""

    NAME = "the laboratory"
    CLIENTS = ("poller", "beat", "worker")
    record_type = Record
    # Seconds between polls of the queue; only up needs it.
    poll_interval = 1.0

    def up(self, speed: float, poll_interval: float, owner: int | None = None) -> Record:
        """Starts it, or says that it runs. If anything fails or interrupts this, nothing is left."""
        self.poll_interval = poll_interval
        return self.bring_up(owner, speed=speed, effects=str(self.folder / "effects"))

    def members(self, record: Record) -> Sequence[str]:
        return ("redis", "postgres", "worker", "beat", "poller")

    def _start(self, record: Record) -> None:
        Path(record.effects).mkdir()
        self._start_redis(record)
        self._start_postgres(record)
        self._run_once(record, "entries", _python("-m lab.entries"))
        poll = f"-m lab.poller {record.postgres_url} --interval {self.poll_interval} --backoff 1"
        poller = self._launch(record, "poller", _python(poll))
        consume = "-m celery -A lab.company worker --concurrency 4 --pool prefork --loglevel INFO"
        worker = self._launch(record, "worker", _python(consume))
        self._wait(record, "worker", worker, lambda: _worker_answers(record))
        self._start_beat(record)
        self._wait(record, "poller", poller, lambda: _finished_jobs(record) >= SEEDED_AT_LEAST)

    def revive_beat(self) -> None:
        """Starts beat again if it ends, as it does once Redis is back after it was away for longer than beat's lock lasts."""
        record = self.running()
        deadline = time.monotonic() + self.READY_LIMIT
        while not _beat_leads(record):
            if not record.member("beat").alive:
                return self._start_beat(record)
            if time.monotonic() > deadline:
                raise LabError(f"beat runs and does not lead; its log is {self._log('beat')}")
            time.sleep(0.2)

    def _start_beat(self, record: Record) -> None:
        beat = self._launch(record, "beat", _python("-m celery -A lab.company beat --loglevel INFO"))
        self._wait(record, "beat", beat, lambda: _beat_leads(record))

    def _variables(self, record: Record) -> Mapping[str, str]:
        return {"LAB_REDIS_URL": record.redis_url, "LAB_EFFECTS": record.effects, "LAB_SPEED": str(record.speed)}


def _python(arguments: str) -> list[str]:
    return [sys.executable, *arguments.split()]


def _worker_answers(record: Record) -> bool:
    return bool(Celery(broker=record.redis_url).control.ping(timeout=0.5, limit=1))


def _beat_leads(record: Record) -> bool:
    return bool(redis.Redis.from_url(record.redis_url, socket_timeout=2).exists("redbeat::lock"))


def _finished_jobs(record: Record) -> int:
    with psycopg.connect(record.postgres_url, connect_timeout=2) as connection:
        if connection.execute("SELECT to_regclass('tasks.background_jobs')").fetchone() == (None,):
            return 0
        row = connection.execute("SELECT count(*) FROM tasks.background_jobs WHERE completed_at IS NOT NULL").fetchone()
    return int(row[0]) if row else 0
