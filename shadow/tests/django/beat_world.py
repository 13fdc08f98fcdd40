"""A real beat with django-celery-beat's scheduler, what it sends, and the switch's functions as a gate and an operator call them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import redis

from testing.server import Server, wait_until

HERE = Path(__file__).resolve().parent
SQL = HERE.parents[2] / "Sources/Cutover/DjangoBeat/SQL"
TASK = "django_celery_beat_periodictask"
SOURCE = "d"
# Seconds for which a locked row is asked for: a minute's beginning is waited for, too.
BUSY = 60


def install(url: str) -> None:
    """As the bridge does it."""
    with psycopg.connect(url) as connection:
        for name in ("tables", "helpers", "moving", "running", "copying", "retiring"):
            connection.execute((SQL / f"beat_{name}.sql").read_text(encoding="utf-8"))
        connection.execute("SELECT bailey_beat.install(%s, %s::regclass, 'test')", (SOURCE, f"public.{TASK}"))


class Switch:
    """The functions, over one connection; whatever is busy is asked again."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True)

    def call(self, function: str, *values: Any) -> dict[str, Any]:
        marks = ", ".join(["%s"] * len(values))
        return self._until_free(f"SELECT bailey_beat.{function}({marks})", values)

    def _until_free(self, sql: str, values: tuple[Any, ...]) -> dict[str, Any]:
        """An answer; what is locked, or would tell beat something while a minute is near, is asked again."""
        deadline = time.monotonic() + BUSY
        while True:
            try:
                row = self.connection.execute(sql, values).fetchone()
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
                assert time.monotonic() < deadline, f"busy for {BUSY} s: {sql}"
                time.sleep(0.02)
                continue
            assert row is not None
            found: dict[str, Any] = row[0]
            return found

    def order(
        self, names: list[str], *, told: int | None = None, slack: int = 0, longest: float = 7, **more: Any
    ) -> str:
        """What `close` takes: the rows as they are now."""
        entries = []
        for name in names:
            query = f"""SELECT to_jsonb(p), to_jsonb(c), to_jsonb(i) FROM {TASK} p
                LEFT JOIN django_celery_beat_crontabschedule c ON c.id = p.crontab_id
                LEFT JOIN django_celery_beat_intervalschedule i ON i.id = p.interval_id WHERE p.name = %s"""
            row = self.connection.execute(query, (name,)).fetchone()
            assert row is not None, name
            kind = "crontab" if row[1] else "interval"
            entries.append({"name": name, "row": row[0], "schedule": row[1] or row[2], "kind": kind})
        return json.dumps(
            {"by": "test", "clock": "entry", "slack": slack, "longest": round(longest * 1e6), "told": told}
            | {"entries": entries}
            | more
        )

    def close(self, pipeline: str, names: list[str], **more: Any) -> dict[str, Any]:
        return self.call("close", SOURCE, pipeline, self.order(names, **more))

    def settle(self, pipeline: str, limit: float = 40) -> dict[str, Any]:
        """Asks until it is more than waiting."""
        ends = time.monotonic() + limit
        while True:
            found = self.call("settle", SOURCE, pipeline)
            if found["answer"] != "waiting" or time.monotonic() > ends:
                return found
            time.sleep(0.1)

    def give_back(self, pipeline: str, only_closing: bool = False) -> dict[str, Any]:
        found = self.call("give_back", SOURCE, pipeline, None, False, only_closing)
        self.tell()
        return found

    def tell(self) -> None:
        """As whoever has given something back: until beat was told, which waits for a moment at which no crontab is due."""
        wait_until("beat is told", lambda: self.call("tell", SOURCE)["answer"] != "owing", BUSY)

    def ask(
        self, pipeline: str, tick: float, run: str, policy: str = "every", installation: str = "a"
    ) -> dict[str, Any]:
        sql = """SELECT bailey_beat.ask(%s, %s, bailey_beat.at(%s), %s, %s, NULL, clock_timestamp(), %s)"""
        found = self._until_free(sql, (SOURCE, pipeline, round(tick * 1e6), run, policy, installation))
        if found["owes"]:
            self.tell()
        return found

    def row(self, name: str) -> dict[str, Any]:
        found = self.connection.execute(f"SELECT to_jsonb(p) FROM {TASK} p WHERE name = %s", (name,)).fetchone()
        assert found is not None, name
        row: dict[str, Any] = found[0]
        return row


class Beat:
    """A beat, and what it sent: each message by the periodic task that it names, with the time at which it came."""

    def __init__(self, url: str, folder: Path, loop: float = 5) -> None:
        self.folder = folder
        self.server = Server(folder / "redis", durable=False)
        self.server.start()
        self.sent: list[tuple[float, str]] = []
        self._url = url
        self._loop = loop
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0
        self._ends = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def start(self) -> None:
        environment = os.environ | {
            "BEAT_DATABASE": self._url,
            "BEAT_BROKER": self.server.url,
            "PYTHONPATH": str(HERE),
        }
        words = [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "beat_app",
            "beat",
            "-l",
            "DEBUG",
            "--max-interval",
            str(self._loop),
        ]
        words += ["--pidfile", "", "-s", str(self.folder / "schedule")]
        self._starts += 1
        with (self.folder / "beat.log").open("ab") as log:
            self._process = subprocess.Popen(words, cwd=self.folder, env=environment, stdout=log, stderr=log)

    def wait_until_started(self) -> None:
        """It has loaded its schedule, as its log says."""
        log = self.folder / "beat.log"
        wait_until("beat starts", lambda: log.read_bytes().count(b"beat: Starting...") >= self._starts, 900)

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(600)
            self._process = None

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def end(self) -> None:
        self.stop(signal.SIGKILL)
        self._ends.set()
        self._reader.join()
        self.server.stop()

    def of(self, name: str) -> list[float]:
        return [at for at, sent in list(self.sent) if sent == name]

    def loads(self, name: str) -> list[int]:
        """From which load of its schedule beat sent each message of an entry, by its log, in the order of `of`."""
        load, found = 0, []
        for line in (self.folder / "beat.log").read_text(errors="replace").splitlines():
            if line.endswith("DatabaseScheduler: Fetching database schedule"):
                load += 1
            elif f"Scheduler: Sending due task {name} (" in line:
                found.append(load)
        return found

    def _read(self) -> None:
        client = redis.Redis.from_url(self.server.url)
        while not self._ends.is_set():
            try:
                found = client.blpop(["celery"], timeout=1)
            except redis.RedisError:
                time.sleep(0.1)
                continue
            if found:
                headers = json.loads(found[1])["headers"]
                self.sent.append((time.time(), headers.get("periodic_task_name") or headers["task"]))


@contextmanager
def beat(url: str, folder: Path, loop: float = 5) -> Iterator[Beat]:
    """A beat for as long as this lasts."""
    one = Beat(url, folder, loop)
    try:
        one.start()
        yield one
    finally:
        one.end()


def fired(one: Beat, name: str, limit: float = 30) -> float:
    """When beat fires an entry next."""
    before = len(one.of(name))
    wait_until(f"beat fires {name}", lambda: len(one.of(name)) > before, limit)
    return one.of(name)[-1]


def make(name: str, every: int | None = None, **more: Any) -> Any:
    """A row by the package's own models: each minute, or each so many seconds."""
    from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

    if every is None:
        more["crontab"] = CrontabSchedule.objects.get_or_create(timezone="Europe/Paris")[0]
    else:
        more["interval"] = IntervalSchedule.objects.get_or_create(every=every, period="seconds")[0]
    return PeriodicTask.objects.create(name=name, task=f"work.{name}", **more)
