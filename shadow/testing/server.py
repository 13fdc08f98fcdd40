"""A real Redis that can be killed, with or without the last second of what it was told."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

# Another server that speaks the same language, such as a newer Redis or Valkey.
PROGRAM = os.environ.get("BAILEY_REDIS_SERVER", "redis-server")


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
            PROGRAM,
            *self._file(),
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(self.folder),
        ]
        if "--sentinel" not in self._options:
            words += ["--appendonly", "yes", "--appendfsync", "everysec"] if self._durable else ["--appendonly", "no"]
            # A rewrite would move the end of the log that a test cuts off.
            words += ["--auto-aof-rewrite-percentage", "0"]
        words += self._options
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
        wait_until("redis-server answers", self._answers)
        if self._durable and not self._watching.is_set():
            self._watching.set()
            threading.Thread(target=self._watch, daemon=True).start()

    def _file(self) -> list[str]:
        # A Sentinel writes down what it finds out, and does not start where it cannot.
        if "--sentinel" not in self._options:
            return []
        file = self.folder / "sentinel.conf"
        file.touch()
        return [str(file)]

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
