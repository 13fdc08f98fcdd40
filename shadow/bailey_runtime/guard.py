"""Two bodies of one task never run beside each other: Airflow begins a task anew where it believes the one before to be dead."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOG = logging.getLogger("bailey.body")
# How long a body may outlive the process above its task, and how often one that waits for another looks again.
_LOOK_SECONDS = 0.5
# A process of its own, because what is killed by -9 cannot clear up: the pipe to it closes, whatever ends us.
_SCRIPT = 'read -r group && { read -r _ || kill -s KILL -- "-$group"; }'


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


@contextmanager
def guarding() -> Iterator[Callable[[int, Callable[[], None]], None]]:
    """Gives what guards a process group for as long as this lasts; it is ready before the group is there.

    The group is killed if this process is; its second argument is called if Airflow's process above this one is gone. Nobody
    would take the body's result then, and Airflow runs the task again.
    """
    guard = subprocess.Popen(
        ["/bin/sh", "-c", _SCRIPT],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        start_new_session=True,
    )
    over = threading.Event()

    def hold(group: int, end: Callable[[], None]) -> None:
        try:
            if guard.stdin is not None:
                guard.stdin.write(f"{group}\n".encode())
        except OSError:
            end()
            raise
        threading.Thread(target=_watch, args=(os.getppid(), over, end), daemon=True).start()

    try:
        yield hold
    finally:
        over.set()
        # Told so, it lets the group be: what a body leaves behind on purpose is its own.
        guard.communicate(b"\n\n")


def _watch(supervisor: int, over: threading.Event, end: Callable[[], None]) -> None:
    while not over.wait(_LOOK_SECONDS):
        if os.getppid() != supervisor:
            end()
            return
