"""Processes of a laboratory: started in sessions of their own, found again in /proc, never mistaken for others."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

TOKEN = "LAB_TOKEN"


class LabError(Exception):
    """What was being done, what was found, and what to do next, for a person."""


@dataclass(frozen=True)
class Birth:
    """A process for good: its pid, and its start in clock ticks since boot, because pids are used again."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Birth | None:
        """The process that has the pid now, or None if there is none (a zombie is none)."""
        try:
            text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        # The name, in parentheses, may itself hold spaces and parentheses.
        state, *fields = text.rpartition(")")[2].split()
        return None if state in "ZX" else cls(pid, int(fields[18]))

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return Birth.of(self.pid) == self

    def send(self, number: int) -> None:
        """Sends a signal, if it still runs."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def start(
    command: Sequence[str], *, log: Path, folder: Path, environment: Mapping[str, str], user: str | None = None
) -> subprocess.Popen[bytes]:
    """Starts a process in a session (so a process group) of its own: Ctrl-C in this terminal does not reach it."""
    account: dict[str, Any] = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    with log.open("ab") as output:
        process: subprocess.Popen[bytes] = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=dict(environment),
            start_new_session=True,
            **account,
        )
    return process


def session_of(leader: int) -> list[Birth]:
    """All processes of the session that a pid leads, itself included."""
    found = []
    for folder in Path("/proc").iterdir():
        birth = Birth.of(int(folder.name)) if folder.name.isdigit() else None
        if birth is not None:
            with suppress(ProcessLookupError):
                if os.getsid(birth.pid) == leader:
                    found.append(birth)
    return found


def belonging_to(token: str, postgres_data: Path) -> list[Birth]:
    """All processes of a laboratory: those with its token, and PostgreSQL's, which overwrite their environment."""
    mark = f"{TOKEN}={token}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        birth = Birth.of(int(folder.name))
        if birth is not None and (_carries(folder, mark) or _serves(folder, postgres_data)):
            found.append(birth)
    return found


def _carries(process: Path, mark: bytes) -> bool:
    try:
        return mark in (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _serves(process: Path, postgres_data: Path) -> bool:
    try:
        program, folder = os.readlink(process / "exe"), os.readlink(process / "cwd")
    except OSError:
        return False
    return os.path.basename(program).startswith("postgres") and folder == str(postgres_data)


def stop(processes: Iterable[Birth], number: int, limit: float) -> None:
    """Sends a signal to each and waits until all have ended; kills those that have not within the limit (seconds)."""
    remaining = list(processes)
    for process in remaining:
        process.send(number)
    if not _ended(remaining, limit):
        for process in remaining:
            process.send(signal.SIGKILL)
        if not _ended(remaining, 10.0):
            pids = ", ".join(str(process.pid) for process in remaining if process.alive)
            raise LabError(f"these processes did not end when killed: {pids}")


def _ended(processes: Sequence[Birth], limit: float) -> bool:
    deadline = time.monotonic() + limit
    while any(process.alive for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def wait_for(
    what: str, condition: Callable[[], bool], *, limit: float, process: subprocess.Popen[bytes], log: Path
) -> None:
    """Waits until the condition holds; fails if the limit (seconds) passes or the process ends before."""
    deadline = time.monotonic() + limit
    while True:
        # Looked at before the condition: to have ended may be what is waited for.
        ended = process.poll() is not None
        if condition():
            return
        if ended:
            raise LabError(f"{what} ended with status {process.returncode}; its log, {log}, ends with:\n{tail(log)}")
        if time.monotonic() > deadline:
            raise LabError(f"{what} was not ready after {limit:g} s; its log, {log}, ends with:\n{tail(log)}")
        time.sleep(0.1)


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log."""
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
