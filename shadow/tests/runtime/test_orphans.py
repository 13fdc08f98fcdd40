"""A body ends with the task that waits for it and with the process that supervises the task; the next one waits for its end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bailey_runtime import bodies
from bailey_runtime.compat import AirflowException
from bailey_runtime.guard import alone
from bailey_runtime.outcome import BodyError, BodyFailed, TaskRun, now
from bailey_runtime.program import run_program

SHADOW = Path(__file__).resolve().parents[2]
LIMIT = 15.0
# A program with children that go away from it in every way, all of which write down who they are and would last.
LASTING = "echo $$ > {0}.part; mv {0}.part {0}; exec sleep 300"
BODY = f"""
sh -c '{LASTING.format("child")}' &
setsid sh -c '{LASTING.format("session")}' &
(setsid setsid sh -c 'exec env -i {shutil.which("sh")} -c "{LASTING.format("orphan").replace("$", chr(92) + "$")}"' >/dev/null 2>&1 </dev/null &)
python3 -c 'import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: os.execlp("sh", "sh", "-c", "trap : TERM HUP INT; {LASTING.format("daemon").replace("exec ", "")}")
os._exit(0)'
{LASTING.format("body")}
"""
NAMES = ("body", "child", "session", "orphan", "daemon")
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
        until("the body has begun", lambda: all((tmp_path / name).exists() for name in NAMES))
        pids = [int((tmp_path / name).read_text(encoding="utf-8")) for name in NAMES]
        assert all(runs(pid) for pid in pids)
        # It alone: what it started learns of it only if somebody looks.
        process.kill()
        process.wait()
        until("the body and its child are gone", lambda: not any(runs(pid) for pid in pids))
    finally:
        for pid in [process.pid, *(int((tmp_path / name).read_text()) for name in NAMES if (tmp_path / name).exists())]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_body_ends_with_what_is_told_to_end(tmp_path: Path, number: signal.Signals) -> None:
    environment = {**os.environ, "PYTHONPATH": str(SHADOW)}
    # Tests that a shell runs in the background inherit that SIGINT is ignored.
    words = [sys.executable, "-c", f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler); {TASK}"]
    process = subprocess.Popen(words, cwd=tmp_path, env=environment, start_new_session=True)
    pids: list[int] = []
    try:
        until("the body has begun", lambda: all((tmp_path / name).exists() for name in NAMES))
        pids = [int((tmp_path / name).read_text(encoding="utf-8")) for name in NAMES]
        # A body may stop what guards it: that helps it to nothing.
        guards = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
        os.kill(guards[0], signal.SIGSTOP)
        process.send_signal(number)
        process.wait(LIMIT)
        until("all of it is gone", lambda: not any(runs(pid) for pid in [*pids, *guards]))
    finally:
        for pid in [process.pid, *pids]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_a_body_that_is_late_ends_with_all_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BodyFailed) as failure:
        run_program(["/bin/sh", "-c", BODY], "null", limit=3.0)
    assert failure.value.error.type == "timeout"
    pids = [int((tmp_path / name).read_text(encoding="utf-8")) for name in NAMES]
    until("all of it is gone", lambda: not any(runs(pid) for pid in pids))


def test_a_shadowed_body_without_a_timeout_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of a task's surroundings is Airflow's, and is tried in a running one."""
    task = SimpleNamespace(execution_timeout=None)
    context: dict[str, Any] = {"ti": SimpleNamespace(task=task)}
    recorded: list[tuple[str, BodyError | None]] = []
    for mode in ("shadow", "live"):
        run = TaskRun(mode, "t", "s/e", None, None, None, 1, "d/r", now())
        monkeypatch.setattr(bodies, "attempt", lambda *_, run=run: run)
        monkeypatch.setattr(bodies, "is_undecided", lambda *_: False)
        monkeypatch.setattr(bodies, "record", lambda _c, _r, state, **k: recorded.append((state, k.get("error"))))
        assert bodies.shadow_limit(context, run) == (3600.0 if mode == "shadow" else None)
        monkeypatch.setenv("BAILEY_SHADOW_TIMEOUT", "1.5")
        task.execution_timeout = timedelta(hours=3)
        assert bodies.shadow_limit(context, run) is None, "the task's own holds"
        task.execution_timeout = None
        if mode == "shadow":
            with pytest.raises(AirflowException, match=r"longer than 1\.5 s"):
                bodies.run_command(
                    context, ["/bin/sh", "-c", "setsid sleep 300"], shadow="pure", directory=str(tmp_path)
                )
            assert [(state, error and error.type) for state, error in recorded] == [("failed", "timeout")]
        else:
            assert bodies.run_command(context, ["/bin/sh", "-c", "sleep 2.5; echo 1"], directory=str(tmp_path)) == 1
        for wrong in ("soon", "0", "-1", "nan", "inf", "1e300"):
            monkeypatch.setenv("BAILEY_SHADOW_TIMEOUT", wrong)
            if mode == "shadow":
                with pytest.raises(AirflowException, match="BAILEY_SHADOW_TIMEOUT"):
                    bodies.shadow_limit(context, run)
        monkeypatch.delenv("BAILEY_SHADOW_TIMEOUT")


def test_a_program_ends_under_its_guard_as_it_does_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for body, said in {
        "exit 7": "ended with status 7",
        "kill -9 $$": "was ended by signal 9",
        "kill -TERM $$": "was ended by signal 15",
        "kill -ABRT $$": "was ended by signal 6",
    }.items():
        with pytest.raises(BodyFailed, match=said):
            run_program(["/bin/sh", "-c", body], "null")
    for words, said in {
        ("/no/such",): "/no/such could not be run: .*No such file",
        (str(tmp_path),): "could not be run: .*Permission denied",
    }.items():
        with pytest.raises(BodyFailed, match=said):
            run_program(list(words), "null")
    with pytest.raises(BodyFailed, match="could not be run"):
        run_program(["/bin/true"], "null", directory=str(tmp_path / "none"))
    # It reads what it is given, sees no variable of its guard's, and no descriptor but its three.
    monkeypatch.delenv("LC_CTYPE", raising=False)
    monkeypatch.setenv("LC_ALL", "")
    monkeypatch.setenv("LANG", "C")
    assert run_program(["/bin/cat"], '{"a": 1.50}') == '{"a": 1.50}'
    assert run_program(["/bin/sh", "-c", 'echo "\\"${LC_CTYPE:-none}\\""'], "null") == '"none"'
    assert run_program(["/bin/sh", "-c", "ls /proc/self/fd | wc -l"], "null") == "4"
    words = ["ä\u200b", "", " $HOME ", "--"]
    echo = [sys.executable, "-c", "import json, sys; print(json.dumps(sys.argv[1:]))", *words]
    assert json.loads(run_program(echo, "null") or "") == words


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
