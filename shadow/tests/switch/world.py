"""The systems under test: two real Redis servers, real beats, a real worker, a network that can be cut, the gates of DAGs, and `bailey`."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
BAILEY = Path(os.environ.get("BAILEY_PROGRAM", ROOT / ".build" / "debug" / "bailey"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(what: str, condition: Any, limit: float = 30.0) -> None:
    """Waits for a condition; fails after the limit (seconds)."""
    deadline = time.monotonic() + limit
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {limit:g} s: {what}")
        time.sleep(0.05)


@dataclass(frozen=True)
class Loss:
    """What a server lost that was killed: all it had written from one instant on."""

    since: float
    killed: float
    bytes: int


class Server:
    """A redis-server that can be killed and started again, with or without the last second of its log."""

    def __init__(self, folder: Path, *, durable: bool, options: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.port = free_port()
        self._durable = durable
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._sizes: list[tuple[float, int]] = []
        self._watching = threading.Event()
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self, **options: Any) -> Any:
        return redis.Redis(port=self.port, **options)

    def start(self) -> None:
        words = [
            "redis-server",
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(self.folder),
        ]
        words += ["--appendonly", "yes", "--appendfsync", "everysec"] if self._durable else ["--appendonly", "no"]
        # A rewrite would move the end of the log that a test cuts off.
        words += ["--auto-aof-rewrite-percentage", "0", *self._options]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
        wait_until("redis-server answers", self._answers)
        if self._durable and not self._watching.is_set():
            self._watching.set()
            threading.Thread(target=self._watch, daemon=True).start()

    def stop(self) -> None:
        self._watching.clear()
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def restart(self, *, lose: float = 0.0) -> Loss:
        """Kills it and starts it again, without the last `lose` seconds of its log, and never without more. Returns what it lost."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        killed = since = time.time()
        lost = 0
        log = self._log() if lose else None
        if log is not None:
            # The oldest size that is no older than that. A machine that was too busy to look has none: then it loses less, or nothing.
            since, size = next(
                ((at, size) for at, size in list(self._sizes) if at >= killed - lose), (killed, log.stat().st_size)
            )
            lost = max(0, log.stat().st_size - size)
            os.truncate(log, log.stat().st_size - lost)
            self._sizes.clear()
        self.start()
        return Loss(since, killed, lost)

    def _log(self) -> Path | None:
        found = sorted((self.folder / "appendonlydir").glob("*.incr.aof"))
        return found[-1] if found else None

    def _watch(self) -> None:
        while self._watching.is_set():
            log = self._log()
            if log is not None:
                self._sizes.append((time.time(), log.stat().st_size))
                del self._sizes[:-200]
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return bool(self.client(socket_timeout=1).ping())
        except redis.RedisError:
            return False


class Network:
    """A way to a server that can be cut: open connections break, new ones are refused."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.port = free_port()
        self._up = True
        self._pairs: set[socket.socket] = set()
        self.broken = 0
        self.refused = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=256)
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, seconds: float) -> None:
        self._up = False
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        self.broken += len(pairs) // 2
        for end in pairs:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        time.sleep(seconds)
        self._up = True

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if not self._up:
                near.close()
                self.refused += 1
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()
                continue
            with self._lock:
                self._pairs |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.close()
            with self._lock:
                self._pairs.discard(end)


@dataclass
class Entry:
    """A legacy entry and the DAG that stands for it."""

    name: str
    every: str
    static: bool
    phase: float = 0.0
    # What becomes of ticks that nobody was up to run, and for `none` after how many seconds a tick counts as missed.
    policy: str = "coalesce"
    late_after: float | None = None
    # What its pipeline takes over besides it.
    absorbed: tuple[Entry, ...] = ()

    @property
    def everyone(self) -> tuple[Entry, ...]:
        """All entries of its pipeline."""
        return (self, *self.absorbed)

    @property
    def pipeline(self) -> str:
        return f"p-{self.name}"

    @property
    def seconds(self) -> float:
        return 60.0 if self.every == "cron" else float(self.every)


class Airflow:
    """The DAGs' side: at each tick of each entry a run whose gate asks the switch, as a generated DAG's does."""

    def __init__(self, world: World, entries: list[Entry]) -> None:
        from bailey_runtime.gate import Gate, Group

        self._world = world
        self._entries = entries
        self._pool = ThreadPoolExecutor(max_workers=4 * len(entries) + 16)
        self._stop = threading.Event()
        self.stalled = threading.Event()
        # What each run was told, by its tick: `live`, `coalesced`, `not-ours`, …
        self.told: dict[str, dict[float, str]] = {entry.name: {} for entry in entries}
        self.alerts: list[str] = []
        # How far this side's clock is ahead, in seconds.
        self.skew = 0.0
        self._gates = {
            entry.name: Gate(
                redis.Redis(port=world.network.port, socket_timeout=2, socket_connect_timeout=2),
                Group(tuple(one.name for one in entry.everyone), world.prefix),
                entry.policy,
                late_after=entry.late_after,
                durable=world.durable,
            )
            for entry in entries
        }
        self._threads = [threading.Thread(target=self._schedule, args=(entry,), daemon=True) for entry in entries]
        for thread in self._threads:
            thread.start()

    def decided(self, entry: Entry) -> set[float]:
        """Ticks that a claim recorded as run by nobody, by policy."""
        return {tick for tick, how in list(self.told[entry.name].items()) if how in ("coalesced", "dropped")}

    def stop(self) -> None:
        """No new ticks; those under way are decided first."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._pool.shutdown(wait=True)

    def _schedule(self, entry: Entry) -> None:
        every = entry.seconds
        number = int((time.time() - entry.phase) // every) + 1
        while not self._stop.is_set():
            tick = entry.phase + number * every
            # In small steps: the clock may be set meanwhile.
            while (left := tick - self.skew - time.time()) > 0:
                if self._stop.wait(min(left, 0.5)):
                    return
            while self.stalled.is_set() and not self._stop.wait(0.05):
                pass
            self._pool.submit(self._run, entry, tick)
            number += 1

    def _run(self, entry: Entry, tick: float) -> None:
        run = f"{entry.pipeline}/{tick:.3f}"
        try:
            while True:
                answer = self._gates[entry.name].wait(round(tick * 1_000_000), run, 5.0, pause=0.1)
                self.alerts += answer.alerts
                if answer.mode != "wait":
                    break
                if self._world.ended.is_set():
                    self.alerts.append(f"undecided: {run}")
                    return
            if answer.mode == "live":
                run = {"side": "airflow", "at": tick, "ran_at": time.time()}
                records = [json.dumps({"entry": one.name, **run}) for one in entry.everyone]
                self._world.records.rpush("runs", *records)
            self.told[entry.name][round(tick, 3)] = answer.how
        except Exception as error:  # A gate that breaks is a defect: told at the end.
            self.alerts.append(f"broken: {run}: {type(error).__name__}: {error}")


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
        self.server = Server(folder / "redis", durable=True)
        self.records_server = Server(folder / "records", durable=False)
        self.beats: list[subprocess.Popen[bytes]] = []
        self.wanted_beats = beats
        self.skew = 0.0
        self.outages: list[tuple[float, float]] = []
        self._beat_lock = threading.RLock()
        self.began = time.time()

    # Up and down

    def up(self) -> None:
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
            assert "redis.exceptions.ConnectionError" in ended.stderr and tries_left, ended.stderr
            time.sleep(1)

    def _dynamic_entries(self) -> None:
        lines = [f"entry({entry.name!r}, {entry.every!r}).save()" for entry in self.legacy if not entry.static]
        self.application("\n".join(lines))

    # Bailey

    def _write_workspace(self) -> None:
        lock = f"\n    lock_key: {self.lock}" if self.lock else ""
        (self.folder / "bailey.yaml").write_text(
            f"version: 1\nsources:\n  scheduler:\n    kind: redbeat\n    url: {self.server.url}\n    prefix: '{self.prefix}'\n"
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
