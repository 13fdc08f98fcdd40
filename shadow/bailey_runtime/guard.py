"""Two bodies of one task never run beside each other: Airflow begins a task anew where it believes the one before to be dead."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_LOG = logging.getLogger("bailey.body")
# How long a body may outlive the process above its task, and how often one that waits for another looks again.
_LOOK_SECONDS = 0.5
# A process of its own between the task and its body, because what is killed by -9 cannot clear up. It becomes the parent of whatever loses
# its own below it, so that nothing which the body starts gets out of its sight, whatever session or group that has moved to.
_SCRIPT = Path(__file__).with_name("guard_process.py").read_text(encoding="utf-8")
_GUARD = [sys.executable, "-I", "-S", "-c", _SCRIPT]
# How long a guard may take to end what its body has started, before it is ended itself.
_END_SECONDS = 10.0


@contextmanager
def alone(task: str) -> Iterator[None]:
    """Holds the task's name on this machine, and waits for it: a task that Airflow gave up learns of it at its next heartbeat only.

    The name is that of a socket which the system takes from whoever dies.
    """
    if sys.platform != "linux":
        yield
        return
    name = "\0bailey-body-" + hashlib.sha256(task.encode("utf-8", "surrogatepass")).hexdigest()
    with socket.socket(socket.AF_UNIX) as held:
        told = False
        while not _take(held, name):
            if not told:
                _LOG.warning("Another attempt at %s is not over yet: waiting for its end", task)
                told = True
            time.sleep(_LOOK_SECONDS)
        yield


def _take(held: socket.socket, name: str) -> bool:
    try:
        held.bind(name)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    return True


class Guarded:
    """A program under its guard; `process` is the guard, whose pipes and status are the program's.

    The program and all that stems from it end with this process and with `end`. What it leaves behind after it has ended by itself is
    its own.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        directory: str | None = None,
        limit: float | None = None,
    ) -> None:
        """Starts it. `limit` is how many seconds it may last. Raises OSError where the program cannot be run."""
        told, tell = os.pipe()
        try:
            self.process = subprocess.Popen(
                [*_GUARD, str(os.getpid()), str(tell), environment.get("LC_CTYPE", ""), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=directory,
                env=dict(environment),
                pass_fds=(tell,),
                start_new_session=True,
                text=True,
                encoding="utf-8",
                errors="backslashreplace",
            )
        except BaseException:
            os.close(told)
            raise
        finally:
            os.close(tell)
        self.is_late = False
        self._over = threading.Event()
        with os.fdopen(told, encoding="ascii") as pipe:
            number = pipe.read()
        if number:
            self.close()
            raise OSError(int(number), os.strerror(int(number)), arguments[0])
        threading.Thread(target=self._watch, args=(os.getppid(), limit), daemon=True).start()

    def end(self) -> None:
        """Tells the guard to end all; waits for nothing, so that a handler of signals may call it."""
        for number in (signal.SIGTERM, signal.SIGCONT):
            # The number is its own for as long as nobody has waited for it.
            if self.process.returncode is None:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(self.process.pid, number)

    def close(self) -> None:
        """Waits for the guard, and ends it and its group where that takes too long."""
        self._over.set()
        try:
            self.process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def _watch(self, supervisor: int, limit: float | None) -> None:
        """Ends it when its time is over, or when Airflow's process above this one is gone.

        Nobody would take its result then, and Airflow runs the task again.
        """
        latest = None if limit is None else time.monotonic() + limit
        while not self._over.wait(_LOOK_SECONDS):
            self.is_late = latest is not None and time.monotonic() >= latest
            if self.is_late or os.getppid() != supervisor:
                self.end()
                return
