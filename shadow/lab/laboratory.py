"""A laboratory: its members, in the order in which they start, and how all of it is removed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Callable

import psycopg
import redis
from celery import Celery

from lab import servers
from lab.processes import TOKEN, Birth, LabError, belonging_to, start, stop, tail, wait_for
from lab.record import Record

# What up starts, in this order; down stops them the other way round.
MEMBERS = ("redis", "postgres", "worker", "beat", "poller")
SEEDED_AT_LEAST = 40
READY_LIMIT = 60.0
PORT_ATTEMPTS = 3

Say = Callable[[str], None]


class Laboratory:
    """The laboratory in a folder, whether it exists or not."""

    def __init__(self, folder: Path, say: Say) -> None:
        self.folder = folder.resolve()
        self.say = say

    # Up

    def up(self, speed: float, poll_interval: float) -> Record:
        """Starts it, or says that it runs. If anything fails or interrupts this, nothing is left."""
        record = Record.read(self.folder)
        if record is not None and record.state == "running":
            missing = self.missing(record)
            if missing:
                raise LabError(f"the laboratory in {self.folder} runs without {', '.join(missing)}; take it down first")
            self.say(f"the laboratory in {self.folder} is running already")
            return record
        if record is not None and record.being_started:
            raise LabError(f"process {record.starter} is starting the laboratory in {self.folder}; wait for it")
        if record is not None:
            self.say("a start was broken off here: clearing up")
            self.down()
        record = self._claim(speed)
        try:
            self._start(record, poll_interval)
        except BaseException:
            # A second Ctrl-C must not break off the clearing up.
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            self.down()
            raise
        return record

    def _claim(self, speed: float) -> Record:
        """Makes the folder and its record, before anything that would have to be cleared up."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if any(not entry.name.startswith("lab.json") for entry in self.folder.iterdir()):
            raise LabError(f"{self.folder} is not empty and holds no laboratory; name another folder")
        record = Record.new(self.folder, speed)
        try:
            record.create(self.folder)
        except FileExistsError:
            raise LabError(f"another process is starting a laboratory in {self.folder}; wait for it") from None
        return record

    def _start(self, record: Record, poll_interval: float) -> None:
        for name in ("logs", "redis", "effects"):
            (self.folder / name).mkdir()
        self._start_redis(record)
        self._start_postgres(record)
        self._run_once(record, "entries", "-m lab.entries")
        poll = f"-m lab.poller {record.postgres_url} --interval {poll_interval} --backoff 1"
        poller = self._launch(record, "poller", self._python(poll))
        consume = "-m celery -A lab.company worker --concurrency 4 --pool prefork --loglevel INFO"
        worker = self._launch(record, "worker", self._python(consume))
        self._wait(record, "worker", worker, lambda: _worker_answers(record))
        beat = self._launch(record, "beat", self._python("-m celery -A lab.company beat --loglevel INFO"))
        self._wait(record, "beat", beat, lambda: _beat_leads(record))
        self._wait(record, "poller", poller, lambda: _finished_jobs(record) >= SEEDED_AT_LEAST)
        record.state = "running"
        record.write(self.folder)

    def _start_redis(self, record: Record) -> None:
        def attempt() -> subprocess.Popen[bytes]:
            port = servers.free_port()
            record.redis_url = f"redis://127.0.0.1:{port}/0"
            return self._launch(record, "redis", servers.redis_command(port, self.folder / "redis"))

        self._start_server(record, "redis", attempt, lambda: _redis_answers(record))

    def _start_postgres(self, record: Record) -> None:
        user = servers.postgres_user()
        if user is not None and not servers.reachable(self.folder, user):
            record.postgres_data = str(Path(tempfile.gettempdir()) / f"bailey-lab-{record.token}")
            record.write(self.folder)
        data = Path(record.postgres_data)
        servers.make_cluster(data, self._environment(record), self._log("postgres"))

        def attempt() -> subprocess.Popen[bytes]:
            port = servers.free_port()
            record.postgres_url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
            return self._launch(record, "postgres", servers.postgres_command(port, data), user=user)

        self._start_server(record, "postgres", attempt, lambda: _postgres_answers(record))

    def _start_server(
        self, record: Record, name: str, attempt: Callable[[], subprocess.Popen[bytes]], answers: Callable[[], bool]
    ) -> None:
        """Starts a server; on another port if somebody else took the one that was free a moment ago."""
        for left in reversed(range(PORT_ATTEMPTS)):
            process = attempt()
            try:
                self._wait(record, name, process, answers)
                return
            except LabError:
                if left == 0 or process.poll() is None or "in use" not in tail(self._log(name)):
                    raise

    def _launch(
        self, record: Record, name: str, command: Sequence[str], user: str | None = None
    ) -> subprocess.Popen[bytes]:
        # PostgreSQL's account may not be able to enter the laboratory's folder.
        folder = self.folder if user is None else Path("/")
        process = start(command, log=self._log(name), folder=folder, environment=self._environment(record), user=user)
        record.note(name, process.pid, self.folder)
        return process

    def _wait(self, record: Record, name: str, process: subprocess.Popen[bytes], condition: Callable[[], bool]) -> None:
        began = time.monotonic()
        wait_for(name, condition, limit=READY_LIMIT, process=process, log=self._log(name))
        self.say(f"{name}: ready after {time.monotonic() - began:.1f} s, pid {record.pids[name]}")

    def _run_once(self, record: Record, name: str, arguments: str) -> None:
        process = start(
            self._python(arguments), log=self._log(name), folder=self.folder, environment=self._environment(record)
        )
        wait_for(name, lambda: process.poll() == 0, limit=READY_LIMIT, process=process, log=self._log(name))

    def _python(self, arguments: str) -> list[str]:
        return [sys.executable, *arguments.split()]

    def _log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def _environment(self, record: Record) -> dict[str, str]:
        return {
            # What tells a body that it runs in shadow is not for legacy processes.
            **{name: value for name, value in os.environ.items() if not name.startswith("BAILEY_")},
            TOKEN: record.token,
            "LAB_REDIS_URL": record.redis_url,
            "LAB_EFFECTS": record.effects,
            "LAB_SPEED": str(record.speed),
            "PYTHONPATH": record.pythonpath,
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    # Status

    def missing(self, record: Record) -> list[str]:
        """The members that do not run."""
        return [name for name in MEMBERS if name not in record.pids or not record.member(name).alive]

    # Down

    def down(self) -> bool:
        """Stops and removes it; returns whether there was one."""
        record = Record.read(self.folder)
        if record is None:
            return False
        if record.being_started and record.starter != os.getpid():
            stop([Birth(record.starter, record.starter_birth)], signal.SIGTERM, limit=READY_LIMIT)
            if Record.read(self.folder) is None:
                return True
        data = Path(record.postgres_data)
        clients = [record.member(name) for name in ("poller", "beat", "worker") if name in record.pids]
        stop(clients, signal.SIGTERM, limit=5.0)
        data_servers = [record.member(name) for name in ("redis", "postgres") if name in record.pids]
        # SIGINT is PostgreSQL's fast shutdown; Redis takes it as it takes SIGTERM.
        stop(data_servers, signal.SIGINT, limit=10.0)
        # Children that outlived their parents, and what was started a moment before it could be recorded.
        while True:
            strays = belonging_to(record.token, data)
            if not strays:
                break
            stop(strays, signal.SIGKILL, limit=5.0)
        servers.release_shared_memory(data)
        shutil.rmtree(data, ignore_errors=True)
        # The record goes last: until then down can be repeated.
        for entry in self.folder.iterdir():
            if entry.name != "lab.json":
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        (self.folder / "lab.json").unlink()
        self.folder.rmdir()
        return True


def _redis_answers(record: Record) -> bool:
    try:
        return bool(_redis(record).ping())
    except redis.exceptions.ConnectionError:
        return False


def _postgres_answers(record: Record) -> bool:
    try:
        with psycopg.connect(record.postgres_url, connect_timeout=2) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def _worker_answers(record: Record) -> bool:
    return bool(Celery(broker=record.redis_url).control.ping(timeout=0.5, limit=1))


def _beat_leads(record: Record) -> bool:
    return bool(_redis(record).exists("redbeat::lock"))


def _finished_jobs(record: Record) -> int:
    with psycopg.connect(record.postgres_url, connect_timeout=2) as connection:
        if connection.execute("SELECT to_regclass('tasks.background_jobs')").fetchone() == (None,):
            return 0
        row = connection.execute("SELECT count(*) FROM tasks.background_jobs WHERE completed_at IS NOT NULL").fetchone()
    return int(row[0]) if row else 0


def _redis(record: Record) -> redis.Redis:
    return redis.Redis.from_url(record.redis_url, socket_timeout=2)
