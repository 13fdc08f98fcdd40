"""The systems under test: two real Redis servers, real beats, a real worker, a network that can be cut, and `bailey`."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from testing.entry import Entry
from testing.network import Network
from testing.server import Server, wait_until

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BAILEY = Path(os.environ.get("BAILEY_PROGRAM", ROOT / ".build" / "debug" / "bailey"))


class World:
    """All of it, in a folder."""

    def __init__(
        self,
        folder: Path,
        entries: list[Entry],
        *,
        prefix: str = "redbeat:",
        lock: str | None = None,
        durable: float = 1.1,
        python: str = sys.executable,
        max_interval: int = 1,
        beats: int = 1,
        server: Server | None = None,
    ) -> None:
        self.folder = folder
        self.entries = entries
        self.legacy = [member for entry in entries for member in entry.everyone]
        self.prefix = prefix
        self.lock = lock
        self.durable = durable
        self.python = python
        self.max_interval = max_interval
        self.ended = threading.Event()
        # Another's, which is up, or its own.
        self._lent = server is not None
        self.server = server or Server(folder / "redis", durable=True)
        self.records_server = Server(folder / "records", durable=False)
        self.beats: list[subprocess.Popen[bytes]] = []
        self.wanted_beats = beats
        self.skew = 0.0
        self.outages: list[tuple[float, float]] = []
        self._beat_lock = threading.RLock()
        self.began = time.time()

    # Up and down

    def up(self) -> None:
        if not self._lent:
            self.server.start()
        self.records_server.start()
        self.network = Network(self.server.port)
        self.records = self.records_server.client()
        self._dynamic_entries()
        self._worker = self._celery(
            "worker", "--pool", "threads", "--concurrency", "8", "--without-gossip", log="worker"
        )
        self.revive_beats()
        self._write_workspace()
        wait_until("beat has fired every entry", self._all_have_fired, 120)
        ended = self.bailey("import", "--json")
        assert ended.returncode == 0, ended.stderr

    def down(self) -> None:
        self.ended.set()
        with self._beat_lock:
            self.wanted_beats = 0
            for beat in self.beats:
                beat.kill()
                beat.wait()
        self._worker.kill()
        self._worker.wait()
        self.network.close()
        if not self._lent:
            self.server.stop()
        self.records_server.stop()

    @contextlib.contextmanager
    def running(self) -> Iterator[World]:
        try:
            self.up()
            yield self
        finally:
            with contextlib.suppress(AttributeError):
                self.down()

    def _all_have_fired(self) -> bool:
        # What is due less often than that is not waited for: to be there is enough.
        client = self.server.client(decode_responses=True)
        return all(
            ("total_run_count" if entry.seconds < 60 else "last_run_at")
            in (client.hget(self.prefix + entry.name, "meta") or "")
            for entry in self.legacy
        )

    # Legacy

    @property
    def source_url(self) -> str:
        """Where Bailey finds RedBeat's keys."""
        return self.server.url

    @property
    def environment(self) -> dict[str, str]:
        static = {entry.name: entry.every for entry in self.legacy if entry.static}
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("BAILEY_")},
            "LEGACY_BROKER": self.records_server.url,
            "LEGACY_REDIS": self.server.url,
            "LEGACY_PREFIX": self.prefix,
            "LEGACY_STATIC": json.dumps(static),
            "LEGACY_SKEW": str(self.skew),
            "LEGACY_LOCK": self.lock or "",
            "LEGACY_MAX_INTERVAL": str(self.max_interval),
            "PYTHONPATH": str(HERE),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def _celery(self, *words: str, log: str) -> subprocess.Popen[bytes]:
        command = [self.python, "-m", "celery", "-A", "legacy_app", *words, "--loglevel", "INFO"]
        with (self.folder / f"{log}.log").open("ab") as output:
            return subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=output, stderr=output, start_new_session=True
            )

    def start_beat(self) -> None:
        with self._beat_lock:
            pidfile = self.folder / f"beat-{time.time_ns()}.pid"
            self.beats.append(self._celery("beat", "--pidfile", str(pidfile), log="beat"))

    def kill_beat(self, number: int, *, hard: bool) -> None:
        with self._beat_lock:
            beat = self.beats.pop(number)
        beat.send_signal(signal.SIGKILL if hard else signal.SIGTERM)
        beat.wait()

    def revive_beats(self) -> int:
        """What a supervisor does: beats that ended are started again. Returns how many had ended."""
        with self._beat_lock:
            dead = [beat for beat in self.beats if beat.poll() is not None]
            self.beats = [beat for beat in self.beats if beat.poll() is None]
            for _ in range(self.wanted_beats - len(self.beats)):
                self.start_beat()
        return len(dead)

    def owner(self, entry: Entry) -> str:
        """Who decides about an entry's ticks: the state of its switch."""
        return str(
            self.server.client(decode_responses=True).hget(f"bailey:switch:{{{self.prefix}{entry.name}}}", "state")
        )

    def application(self, code: str) -> None:
        """Runs code as the application would, with its `app` and `entry(name, every)`; again if Redis is away, so it must be repeatable."""
        prelude = (
            "from legacy_app import app, when\n"
            "from redbeat import RedBeatSchedulerEntry\n"
            "def entry(name, every):\n"
            "    return RedBeatSchedulerEntry(name=name, task='legacy.run', schedule=when(every), args=[name], app=app)\n"
        )
        words = [self.python, "-c", prelude + code]
        for tries_left in reversed(range(5)):
            ended = subprocess.run(
                words, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=180
            )
            if ended.returncode == 0:
                return
            away = ("redis.exceptions.ConnectionError", "redis.exceptions.BusyLoadingError")
            assert any(error in ended.stderr for error in away) and tries_left, ended.stderr
            time.sleep(1)

    def _dynamic_entries(self) -> None:
        lines = [f"entry({entry.name!r}, {entry.every!r}).save()" for entry in self.legacy if not entry.static]
        self.application("\n".join(lines))

    # Bailey

    def _write_workspace(self) -> None:
        lock = f"\n    lock_key: {self.lock}" if self.lock else ""
        (self.folder / "bailey.yaml").write_text(
            f"version: 1\nsources:\n  scheduler:\n    kind: redbeat\n    celery: {{settings: {{}}}}\n    url: '{self.source_url}'\n    prefix: '{self.prefix}'\n"
            f"    max_interval: {self.max_interval}{lock}\n",
            encoding="utf-8",
        )
        mappings = self.folder / "mappings"
        mappings.mkdir(exist_ok=True)
        for entry in self.entries:
            absorbed = [f"scheduler/{one.name}" for one in entry.absorbed]
            (mappings / f"{entry.name}.yaml").write_text(
                f"pipeline: {entry.pipeline}\nclock: scheduler/{entry.name}\nabsorbs: {json.dumps(absorbed)}\n"
                f"tasks:\n  run:\n    entry: scheduler/{entry.name}\n",
                encoding="utf-8",
            )

    def last_journal_line(self, pipeline: str) -> str:
        """What the journal of a pipeline ends with."""
        with contextlib.closing(sqlite3.connect(self.folder / ".bailey" / "state.sqlite", timeout=30)) as state:
            query = "SELECT operation, step, phase FROM journal WHERE pipeline = ? ORDER BY id DESC LIMIT 1"
            operation, step, phase = state.execute(query, (pipeline,)).fetchone()
        return f"{operation}'s line “{step}, {phase}”"

    def bailey(self, *words: str, die_at: int | None = None, limit: float = 180.0) -> subprocess.CompletedProcess[str]:
        """Runs `bailey`; with `die_at` it is killed right after so many lines of the journal."""
        environment = {name: value for name, value in os.environ.items() if name != "BAILEY_DIE_AT"}
        if die_at is not None:
            environment["BAILEY_DIE_AT"] = str(die_at)
        return subprocess.run(
            [str(BAILEY), *words],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=limit,
        )


def fresh_folder(name: str) -> Path:
    """An empty folder under /tmp."""
    folder = Path("/tmp") / f"bailey-switch-{name}-{os.getpid()}-{random.randrange(1 << 20)}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
