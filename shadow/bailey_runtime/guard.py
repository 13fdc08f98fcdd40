"""A body must not outlive the task that waits for it: nobody would take its result, and Airflow runs the task again beside it."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# How long a body may outlive the process above its task, in seconds.
_LOOK_SECONDS = 0.5
# A process of its own, because what is killed by -9 cannot clear up: the pipe to it closes, whatever ends us.
_SCRIPT = 'read -r _ || kill -s KILL -- "-$0"'


@contextmanager
def guarded(group: int, end: Callable[[], None]) -> Iterator[None]:
    """For as long as this lasts, a process group is killed if this process is; `end` is called if Airflow's process above it is."""
    try:
        guard = subprocess.Popen(
            ["/bin/sh", "-c", _SCRIPT, str(group)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        end()
        raise
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(os.getppid(), over, end), daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()
        watch.join()
        # Told so, it lets the group be: what a body leaves behind on purpose is its own.
        guard.communicate(b"\n")


def _watch(supervisor: int, over: threading.Event, end: Callable[[], None]) -> None:
    while not over.wait(_LOOK_SECONDS):
        if os.getppid() != supervisor:
            end()
            return
