"""Runs the laboratory as a person does: by its command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

SHADOW = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SHADOW))

from lab.processes import Birth  # noqa: E402
from lab.record import Record  # noqa: E402


class Lab:
    """A laboratory's folder and the commands on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def command(self, name: str, *options: str) -> list[str]:
        """The words of one command."""
        return [sys.executable, "-m", "lab", name, "--folder", str(self.folder), *options]

    @property
    def environment(self) -> dict[str, str]:
        """The environment that the commands need."""
        return {**os.environ, "PYTHONPATH": str(SHADOW)}

    def run(self, name: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Runs one command to its end."""
        return subprocess.run(
            self.command(name, *options),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def begin(self, name: str) -> subprocess.Popen[str]:
        """Starts one command, which can be interrupted even where the tests run in a shell's background."""
        return subprocess.Popen(
            self.command(name),
            env=self.environment,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    @property
    def record(self) -> Record:
        """What `lab.json` says."""
        record = Record.read(self.folder)
        assert record is not None
        return record

    def processes(self) -> list[Birth]:
        """The members and all that descends from them."""
        children: dict[int, list[int]] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
        found, waiting = [], list(self.record.pids.values())
        while waiting:
            pid = waiting.pop()
            waiting.extend(children.get(pid, []))
            birth = Birth.of(pid)
            if birth is not None:
                found.append(birth)
        return found


def wait_until(what: str, condition: Callable[[], bool], limit: float = 60.0) -> None:
    """Waits for a condition; the test fails if it does not hold within the limit (seconds)."""
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit:g} s: {what}"
        time.sleep(0.1)


def segments(postmaster: int) -> list[str]:
    """The System V segments that a postmaster made."""
    lines = Path("/proc/sysvipc/shm").read_text(encoding="utf-8").splitlines()[1:]
    return [line for line in lines if line.split()[4] == str(postmaster)]
