"""A folder of servers that are started one after another and removed whole: what laboratory and Airflow share."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, ClassVar, Generic

import psycopg
import redis

from lab import servers
from lab.processes import TOKEN, Birth, LabError, belonging_to, start, stop, tail, wait_for
from lab.record import AnyRecord

PORT_ATTEMPTS = 3

Say = Callable[[str], None]

# How many times longer than usual a start may take: for a machine that has other work.
PATIENCE = float(os.environ.get("LAB_PATIENCE", "1"))


class Stack(ABC, Generic[AnyRecord]):
    """The stack in a folder, whether it exists or not."""

    # What people call it, with its article.
    NAME: ClassVar[str]
    # The limit of each member's start, in seconds.
    READY_LIMIT: ClassVar[float] = 60.0
    # What down stops first and gently, and how long it waits for it, in seconds.
    CLIENTS: ClassVar[tuple[str, ...]]
    CLIENTS_LIMIT: ClassVar[float] = 5.0
    record_type: type[AnyRecord]

    def __init__(self, folder: Path, say: Say) -> None:
        self.folder = folder.resolve()
        self.say = say

    @abstractmethod
    def members(self, record: AnyRecord) -> Sequence[str]:
        """What up starts."""

    @abstractmethod
    def _start(self, record: AnyRecord) -> None:
        """Starts the members, in order."""

    @abstractmethod
    def _variables(self, record: AnyRecord) -> Mapping[str, str]:
        """The environment variables of its members beside the usual ones."""

    # Up

    def bring_up(self, owner: int | None = None, **values: Any) -> AnyRecord:
        """Starts it, or says that it runs. If anything fails or interrupts this, nothing is left.

        With an owner, the pid of a process, it is removed when that process has ended.
        """
        record = self.record_type.read(self.folder)
        if record is not None and record.state == "running":
            missing = self.missing(record)
            if missing:
                raise LabError(f"{self.NAME} in {self.folder} runs without {', '.join(missing)}; take it down first")
            self.say(f"{self.NAME} in {self.folder} is running already")
            return record
        if record is not None and record.being_started:
            raise LabError(f"process {record.starter} is starting {self.NAME} in {self.folder}; wait for it")
        if record is not None:
            self.say("a start was broken off here: clearing up")
            self.down()
        record = self._claim(values)
        try:
            self._guard(record, owner)
            (self.folder / "logs").mkdir()
            self._start(record)
            record.state = "running"
            record.write(self.folder)
        except BaseException:
            # A second Ctrl-C must not break off the clearing up.
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            self.down()
            raise
        return record

    def _claim(self, values: Mapping[str, Any]) -> AnyRecord:
        """Makes the folder and its record, before anything that would have to be cleared up."""
        kind = self.record_type
        self.folder.mkdir(parents=True, exist_ok=True)
        if any(not entry.name.startswith(kind.FILE) for entry in self.folder.iterdir()):
            raise LabError(f"{self.folder} is not empty and does not hold {kind.KIND}; name another folder")
        record = kind.new(self.folder, **values)
        try:
            record.create(self.folder)
        except FileExistsError:
            raise LabError(f"another process is starting {self.NAME} in {self.folder}; wait for it") from None
        return record

    def _guard(self, record: AnyRecord, owner: int | None) -> None:
        """Starts the process that removes all of this if its starter, or its owner, dies without doing so."""
        command = [sys.executable, "-m", "lab.guardian", self.record_type.FILE, str(self.folder), record.token]
        start(
            [*command, *(str(pid) for pid in (os.getpid(), owner) if pid is not None)],
            log=Path(os.devnull),
            folder=Path("/"),
            environment={**os.environ, TOKEN: record.token, "PYTHONPATH": record.pythonpath},
        )

    def _start_redis(self, record: AnyRecord) -> None:
        (self.folder / "redis").mkdir()

        def attempt() -> subprocess.Popen[bytes]:
            port = servers.free_port()
            record.redis_url = f"redis://127.0.0.1:{port}/0"
            return self._launch(record, "redis", servers.redis_command(port, self.folder / "redis"))

        self._start_server(record, "redis", attempt, lambda: _redis_answers(record.redis_url))

    def _start_postgres(self, record: AnyRecord) -> None:
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

        self._start_server(record, "postgres", attempt, lambda: _postgres_answers(record.postgres_url))

    def _start_server(
        self, record: AnyRecord, name: str, attempt: Callable[[], subprocess.Popen[bytes]], answers: Callable[[], bool]
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
        self, record: AnyRecord, name: str, command: Sequence[str], user: str | None = None
    ) -> subprocess.Popen[bytes]:
        # PostgreSQL's account may not be able to enter the stack's folder.
        folder = self.folder if user is None else Path("/")
        process = start(command, log=self._log(name), folder=folder, environment=self._environment(record), user=user)
        record.note(name, process.pid, self.folder)
        return process

    def _wait(
        self, record: AnyRecord, name: str, process: subprocess.Popen[bytes], condition: Callable[[], bool]
    ) -> None:
        began = time.monotonic()
        wait_for(name, condition, limit=self.READY_LIMIT * PATIENCE, process=process, log=self._log(name))
        self.say(f"{name}: ready after {time.monotonic() - began:.1f} s, pid {record.pids[name]}")

    def _run_once(self, record: AnyRecord, name: str, command: Sequence[str]) -> None:
        log = self._log(name)
        process = start(command, log=log, folder=self.folder, environment=self._environment(record))
        wait_for(name, lambda: process.poll() == 0, limit=self.READY_LIMIT * PATIENCE, process=process, log=log)

    def _log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def _environment(self, record: AnyRecord) -> dict[str, str]:
        return {
            # What tells a body that it runs in shadow is not for these processes, nor is another Airflow's set-up.
            **{name: value for name, value in os.environ.items() if not name.startswith(("BAILEY_", "AIRFLOW_"))},
            TOKEN: record.token,
            "PYTHONPATH": record.pythonpath,
            # Processes that set a title of their own would write it over their environment, and with it the token.
            "SPT_NOENV": "1",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **self._variables(record),
        }

    # Status

    def missing(self, record: AnyRecord) -> list[str]:
        """The members that do not run."""
        return [name for name in self.members(record) if name not in record.pids or not record.member(name).alive]

    def running(self) -> AnyRecord:
        """The record of what runs."""
        record = self.record_type.read(self.folder)
        if record is None or record.state != "running":
            raise LabError(f"{self.NAME} does not run in {self.folder}")
        return record

    # Down

    def down(self) -> bool:
        """Stops and removes it; returns whether there was one."""
        record = self.record_type.read(self.folder)
        if record is None:
            return False
        if record.being_started and record.starter != os.getpid():
            stop([Birth(record.starter, record.starter_birth)], signal.SIGTERM, limit=self.READY_LIMIT)
            if self.record_type.read(self.folder) is None:
                return True
        data = Path(record.postgres_data)
        clients = [record.member(name) for name in self.CLIENTS if name in record.pids]
        stop(clients, signal.SIGTERM, limit=self.CLIENTS_LIMIT)
        data_servers = [record.member(name) for name in ("redis", "postgres") if name in record.pids]
        # SIGINT is PostgreSQL's fast shutdown; Redis takes it as it takes SIGTERM.
        stop(data_servers, signal.SIGINT, limit=10.0)
        # Children that outlived their parents, what was started a moment before it could be recorded, the guardian.
        while True:
            strays = belonging_to(record.token, data)
            if not strays:
                break
            stop(strays, signal.SIGKILL, limit=5.0)
        servers.release_shared_memory(data)
        shutil.rmtree(data, ignore_errors=True)
        self._remove_folder()
        return True

    def _remove_folder(self) -> None:
        """Removes everything in the folder, and the record last: until then down can be repeated.

        What is gone already was removed by a guardian that was at it when this killed it.
        """
        last = self.folder / self.record_type.FILE
        with suppress(FileNotFoundError):
            for entry in self.folder.iterdir():
                if entry == last:
                    continue
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry, ignore_errors=True)
                else:
                    entry.unlink(missing_ok=True)
        last.unlink(missing_ok=True)
        # Another start may have claimed the folder by now.
        with suppress(OSError):
            self.folder.rmdir()


def _redis_answers(url: str) -> bool:
    try:
        return bool(redis.Redis.from_url(url, socket_timeout=2).ping())
    except redis.exceptions.ConnectionError:
        return False


def _postgres_answers(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=2) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False
