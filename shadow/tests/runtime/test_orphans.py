"""A body ends with the task that waits for it and with the process that supervises the task; the next one waits for its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from bailey_runtime.guard import alone
from bailey_runtime.program import run_program

SHADOW = Path(__file__).resolve().parents[2]
LIMIT = 15.0
# A program with a child of its own, both of which write down who they are and would last.
BODY = "sleep 300 & echo $! > child.part; echo $$ > body.part; mv child.part child; mv body.part body; wait"
TASK = f"from bailey_runtime.program import run_program; run_program(['/bin/sh', '-c', {BODY!r}], 'null')"
SUPERVISOR = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {TASK!r}])"


def until(what: str, condition: Callable[[], bool]) -> None:
    """Waits until it holds."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, f"not within {LIMIT:g} s: {what}"
        time.sleep(0.02)


def runs(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.parametrize("program", [TASK, SUPERVISOR], ids=["the task", "its supervisor"])
def test_a_body_ends_with_what_is_killed(tmp_path: Path, program: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(SHADOW)}
    process = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, env=environment, start_new_session=True)
    try:
        until("the body has begun", (tmp_path / "body").exists)
        pids = [int((tmp_path / name).read_text(encoding="utf-8")) for name in ("body", "child")]
        assert all(runs(pid) for pid in pids)
        # It alone: what it started learns of it only if somebody looks.
        process.kill()
        process.wait()
        until("the body and its child are gone", lambda: not any(runs(pid) for pid in pids))
    finally:
        for pid in [process.pid, *(int(file.read_text(encoding="utf-8")) for file in tmp_path.glob("body"))]:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)


def test_a_body_that_has_ended_leaves_what_it_wants_and_no_guard(tmp_path: Path) -> None:
    detached = f"sleep 300 </dev/null >/dev/null 2>&1 & echo $! > {tmp_path}/child; echo 1"
    before = children()
    assert run_program(["/bin/sh", "-c", detached], "null") == "1"
    child = int((tmp_path / "child").read_text(encoding="utf-8"))
    try:
        assert runs(child)
        assert children() == before
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_body_waits_for_the_one_before(tmp_path: Path) -> None:
    hold = (
        "import time; from pathlib import Path; from bailey_runtime.guard import alone\n"
        "with alone('dag/run/task'): Path('held').touch(); time.sleep(300)"
    )
    environment = {**os.environ, "PYTHONPATH": str(SHADOW)}
    first = subprocess.Popen([sys.executable, "-c", hold], cwd=tmp_path, env=environment)
    began = threading.Event()

    def second() -> None:
        with alone("dag/run/task"):
            began.set()

    thread = threading.Thread(target=second)
    try:
        until("the first one holds it", (tmp_path / "held").exists)
        with alone("dag/run/another task"):
            pass
        thread.start()
        assert not began.wait(1.5), "it waits for as long as the first one lasts"
    finally:
        first.kill()
        first.wait()
    assert began.wait(LIMIT)
    thread.join()


def children() -> set[str]:
    """The processes that this one started."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split())
