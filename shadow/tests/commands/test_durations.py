"""How long legacy's runs take, where results do not tell: from logs that real workers wrote, and from their events."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from testing.server import Server, wait_until
from testing.world import BAILEY

HERE = Path(__file__).resolve().parent
FORMATS = {
    "celery's own": "",
    "a time alone": "%(asctime)s %(message)s",
    "logging's own": "%(levelname)s:%(name)s:%(message)s",
    "JSON": '{"at": "%(asctime)s", "level": "%(levelname)s", "logger": "%(name)s", "message": "%(message)s"}',
}


def bailey(folder: Path, *words: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BAILEY), *words], cwd=folder, input=text, capture_output=True, text=True, timeout=120, check=False
    )


def entries(folder: Path, *words: str) -> dict[str, dict[str, Any]]:
    done = bailey(folder, "durations", "--json", *words)
    assert done.returncode == 0, done.stderr
    return {one["entry"].partition("/")[2]: one for one in json.loads(done.stdout)["entries"]}


class Workers:
    """A worker of the application on a queue of its own, and what sends its messages."""

    def __init__(self, server: Server, folder: Path, queue: str = "celery") -> None:
        self.server, self.folder, self.queue = server, folder, queue
        self.environment = {**os.environ, "TIMED_BROKER": server.url, "PYTHONPATH": str(HERE)}
        self.client = Celery(broker=server.url, backend=server.url)
        folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def running(self, log: str, form: str = "", *more: str) -> Iterator[Path]:
        file = self.folder / log
        with file.open("wb") as output:
            words = ["-A", "timed_app", "worker", "--pool", "threads", "--concurrency", "2", "--loglevel", "INFO"]
            words += ["--queues", self.queue, "--hostname", f"{self.queue}@%h"]
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", *words, *more],
                env={**self.environment, "TIMED_FORMAT": form},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_until("the worker is ready", lambda: " ready." in file.read_text(encoding="utf-8"), 60)
            yield file
        finally:
            process.terminate()
            process.wait(timeout=60)

    def send(self, task: str, *args: Any) -> Any:
        return self.client.send_task(f"timed.{task}", args=args, queue=self.queue)

    def run(self, *names: str) -> None:
        """Sends tasks, and waits for their ends."""
        for one in [self.send(name, *{"work": (0.3,), "shared": (1,)}.get(name, ())) for name in names]:
            one.get(timeout=60, propagate=False)


@pytest.fixture(scope="module")
def workers(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    """A worker that sends no events, as it is when nobody says otherwise."""
    one = Workers(server, tmp_path_factory.mktemp("timed"))
    with one.running("one.log"):
        yield one


@pytest.fixture(scope="module")
def imported(workers: Workers, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that knows the entries."""
    folder = tmp_path_factory.mktemp("imported")
    (folder / "mappings").mkdir()
    settings = {"version": 1, "sources": {"told": {"kind": "celery", "url": workers.server.url}}}
    (folder / "bailey.yaml").write_text(json.dumps(settings), encoding="utf-8")
    assert bailey(folder, "import").returncode == 0
    return folder


@pytest.fixture
def workspace(imported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(imported, tmp_path / "workspace"))


def test_logs_of_real_workers_in_several_forms(workers: Workers, workspace: Path) -> None:
    logs = []
    for number, (name, form) in enumerate(FORMATS.items()):
        other = Workers(workers.server, workers.folder, f"form{number}")
        with other.running(f"{number}.log", form) as log:
            other.run("work", "again", "fail", "forge", "nobodys", "shared")
        logs.append(log)
        alone = json.loads(bailey(workspace, "durations", "--json", "--log", str(log)).stdout)["log"]
        assert (alone["runs"], alone["new"], alone["retried"], alone["failed"]) == (5, 5, 1, 1), (name, alone)
    # Read once more, in another order, in the colours of a terminal, and with the lines of Windows: nothing is new.
    coloured = "\n".join(f"\x1b[33m{line}\x1b[0m\r" for line in logs[0].read_text(encoding="utf-8").splitlines())
    again = bailey(
        workspace, "durations", "--json", "--log", "-", *(f"--log={log}" for log in logs[::-1]), text=coloured
    )
    told = json.loads(again.stdout)
    assert told["log"]["new"] == 0 and told["log"]["first"] is not None
    found = {one["entry"]: one for one in told["entries"]}
    work = found["told/work"]
    assert work["known_from"] == "worker-log" and work["runs"] == 4 and 0.3 <= work["seconds"] < 5
    assert found["told/forge"]["runs"] == 4 and 0.1 <= found["told/forge"]["seconds"] < 5
    # One was tried again, one failed, and one is sent by two entries: nobody knows how long those take.
    assert [found[f"told/{name}"]["seconds"] for name in ("again", "fail", "one", "two")] == [None] * 4
    assert "2 entries send the task" in found["told/one"]["why"]
    assert "timed.nobodys" in told["others"]
    planned = json.loads(bailey(workspace, "plan", "--json").stdout)
    tasks = [task for one in planned["pipelines"] for task in one["tasks"] if task["entry"] == "told/work"]
    assert [(task["known_by"], task["seconds"]) for task in tasks] == [("worker-log", work["seconds"])]
    assert "as read in a worker's log" in bailey(workspace, "plan").stdout
    saved = json.loads(bailey(workspace, "report", "--savings", "--json").stdout)
    row = next(one for one in saved["pipelines"] if one["recorded"]["seconds"] == work["seconds"])
    assert row["recorded"]["by"] == "worker-log"
    assert "(4 runs, log)" in bailey(workspace, "report", "--savings").stdout


def test_what_is_no_workers_log_is_said(workers: Workers, workspace: Path) -> None:
    other, packed = workspace / "other.log", workspace / "worker.log.1.gz"
    other.write_text(
        "[2026-11-30 02:00:00,000: WARNING/MainProcess] nothing\nValueError: Task a[b] succeeded in 3s: 1\n"
    )
    packed.write_bytes(b"\x1f\x8b\x08\x00")
    for words, status, said in (
        (["--log", str(other)], 1, "no line of"),
        (["--log", str(packed)], 2, "gzip"),
        (["--log", str(workspace)], 2, "is a folder"),
        (["--log", str(workspace / "none")], 2, "No such file"),
        (["--log", "-", "--log", "-"], 2, "can be read once"),
        (["--execute"], 2, "--execute goes with --events"),
        (["--events", "soon"], 2, "write a length of time"),
        (["elsewhere"], 2, "called “elsewhere”"),
    ):
        done = bailey(workspace, "durations", *words, text="")
        assert done.returncode == status and said in done.stderr, (words, done.stderr)
    assert all(one["seconds"] is None for one in entries(workspace).values())


def sends_events(workers: Workers) -> bool:
    """Whether the worker sends events: told to, it says whether it did so before, and is put back."""
    (answer,) = workers.client.control.broadcast("enable_events", reply=True, timeout=5, limit=1)
    before = "already" in str(answer)
    if not before:
        workers.client.control.broadcast("disable_events", reply=True, timeout=5, limit=1)
    return before


def test_events_are_on_for_a_time_and_off_again(workers: Workers, workspace: Path) -> None:
    would = bailey(workspace, "durations", "--events", "5s")
    assert would.returncode == 0 and "Nothing was changed" in would.stdout and not sends_events(workers)
    with subprocess.Popen(
        [str(BAILEY), "durations", "--events", "8s", "--execute", "--json"],
        cwd=workspace,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as listening:
        wait_until("events are on", lambda: sends_events(workers))
        workers.run("work", "again", "fail", "parent")
        printed, complained = listening.communicate(timeout=60)
    assert listening.returncode == 0, complained
    told = json.loads(printed)
    events = told["events"]
    assert not sends_events(workers) and events["left_on"] == [] == told["still_on"]
    assert events["failed"] == 1 and events["retried"] == 1 and events["parts"] == 1
    work = next(one for one in told["entries"] if one["entry"] == "told/work")
    # What another task asked for took a twentieth of a second, and counts nowhere.
    assert work["known_from"] == "events" and work["runs"] == 1 and 0.3 <= work["seconds"] < 5


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_listening_that_is_broken_off_leaves_no_events_on(
    workers: Workers, workspace: Path, how: signal.Signals
) -> None:
    with subprocess.Popen(
        [str(BAILEY), "durations", "--events", "10m", "--execute"], cwd=workspace, stderr=subprocess.DEVNULL
    ) as listening:
        wait_until("events are on", lambda: sends_events(workers))
        listening.send_signal(how)
        assert listening.wait(timeout=30) != 0
    if how == signal.SIGKILL:
        assert sends_events(workers)
        assert "may still be on" in bailey(workspace, "durations").stdout
        assert bailey(workspace, "durations", "--events", "1s", "--execute").returncode == 0
    assert not sends_events(workers)
    assert "may still be on" not in bailey(workspace, "durations").stdout


def test_a_worker_that_sent_events_before_goes_on(workers: Workers, workspace: Path) -> None:
    workers.client.control.broadcast("enable_events", reply=True, timeout=5, limit=1)
    try:
        done = bailey(workspace, "durations", "--events", "1s", "--execute")
        assert done.returncode == 0 and "sent events before, and go on" in done.stdout, done.stderr
        assert sends_events(workers)
    finally:
        workers.client.control.broadcast("disable_events", reply=True, timeout=5, limit=1)
