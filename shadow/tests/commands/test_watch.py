"""`bailey watch` on a real Redis and beat: ends windows, settles, heals, rolls back by policy, and tells people."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from desk import Desk

from testing.server import free_port, wait_until
from testing.world import BAILEY, ROOT, World, fresh_folder

RECEIVERS = ROOT / "Tests" / "AlertsTests" / "Receivers"


@pytest.fixture(autouse=True)
def plain(desk: Desk) -> None:
    """No policy and no alerts but a test's own."""
    desk.settle()


class Receiver:
    """A real server that takes alerts; what it got stands in a file."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.file = folder / f"{kind}.got"
        words = [sys.executable, str(RECEIVERS / f"{kind}_receiver.py"), str(self.file)]
        self.process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        self.port = int(self.process.stderr.readline())

    def got(self) -> list[Any]:
        """What arrived so far."""
        return [json.loads(line) for line in self.file.read_text("utf-8").splitlines()] if self.file.exists() else []


@contextlib.contextmanager
def receiver(kind: str, folder: Path) -> Iterator[Receiver]:
    """A receiver for the time of a test."""
    made = Receiver(kind, folder)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()


def test_a_window_that_has_ended_is_given_back(desk: Desk) -> None:
    entry = desk.entry()
    desk.cut_over(entry, "--ticks", "1")
    assert desk.status(entry)["waits_for"] == "1 more tick, then ownership returns by itself"
    # The gate that had the last tick died before it gave back.
    desk.claim(entry, "r1")
    assert desk.world.owner(entry) == "airflow"
    event = desk.watch_until(entry, "window-ended")
    assert event["level"] == "info"
    desk.legacy_resumes(entry)
    assert [one for one in desk.watch() if one["pipeline"] == entry.pipeline] == []


def test_times_that_cannot_be_looked_at_are_told(desk: Desk) -> None:
    """An Airflow that gives no answer is no sign that all is done in time."""
    airflow = {"url": f"http://127.0.0.1:{free_port()}", "user": "op", "password": "none"}
    desk.settle(target={"airflow": airflow})
    mapping = {
        "pipeline": "timed",
        "schedule": {"crontab": "0 2 * * *"},
        "sla": "1h",
        "tasks": {"a": {"command": ["true"]}},
    }
    file = desk.world.folder / "mappings" / "timed.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(mapping), encoding="utf-8")
    try:
        [event] = [one for one in desk.watch() if one["pipeline"] == "timed"]
        assert (event["event"], event["level"]) == ("trouble", "warning")
        assert "done within their sla is not known" in event["text"]
        assert [one for one in desk.watch() if one["pipeline"] == "timed"] == []
    finally:
        file.unlink()


def test_what_was_left_closing_is_settled(desk: Desk) -> None:
    entry = desk.entry()
    desk.left_closing(entry)
    assert desk.status(entry)["stage"] == "closing"
    assert desk.watch_until(entry, "settled")["level"] == "info"
    assert desk.world.owner(entry) == "airflow"
    desk.run("rollback", entry.pipeline, "--execute")
    desk.legacy_resumes(entry)


def test_an_entry_that_the_application_made_anew_is_parked_again(desk: Desk) -> None:
    entry = desk.entry()
    desk.cut_over(entry)
    desk.redis.delete(f"redbeat:{entry.name}")
    desk.world.application(f"entry({entry.name!r}, '2').save()")
    event = desk.watch_until(entry, "healed")
    assert event["level"] == "warning" and "restarted legacy's clock" in event["text"]
    meta = desk.redis.hget(f"redbeat:{entry.name}", "meta")
    assert meta is not None and '"year": 2100' in meta
    desk.run("rollback", entry.pipeline, "--execute")


def test_a_late_tick_gives_it_back(desk: Desk) -> None:
    entry = desk.entry()
    desk.settle(policy={"rollback": {"late_by": "3s"}})
    desk.cut_over(entry)
    event = desk.watch_until(entry, "rolled-back")
    assert event["level"] == "urgent" and "no run has claimed the tick" in event["text"]
    desk.legacy_resumes(entry)
    assert desk.status(entry)["stage"] == "rolled-back"


def test_a_mismatch_gives_it_back(desk: Desk) -> None:
    entry = desk.entry()
    desk.settle(policy={"rollback": {"mismatch": True}})
    mapping = {
        "pipeline": entry.pipeline,
        "clock": f"scheduler/{entry.name}",
        "tasks": {
            "run": {
                "entry": f"scheduler/{entry.name}",
                "command": ["sh", "-c", "echo '{\"n\": 2}'"],
                "shadow": "pure",
            }
        },
    }
    (desk.world.folder / "mappings" / f"{entry.name}.yaml").write_text(json.dumps(mapping), encoding="utf-8")

    def ran(number: int) -> None:
        record = {
            "status": "SUCCESS",
            "result": {"n": 1},
            "traceback": None,
            "date_done": "2026-01-01T00:00:01",
            "name": "legacy.run",
            "args": [entry.name],
            "kwargs": {},
            "retries": 0,
            "task_id": f"m{number}",
        }
        desk.redis.set(f"celery-task-meta-m{number}", json.dumps(record))

    # What was compared before the cutover is no reason.
    ran(1)
    desk.run("shadow", "--from-history", entry.pipeline)
    desk.cut_over(entry)
    assert desk.watch() == []
    ran(2)
    desk.run("shadow", "--from-history", entry.pipeline)
    event = desk.watch_until(entry, "rolled-back")
    assert "differs: the result differs at $.n" in event["text"]
    desk.legacy_resumes(entry)


def test_people_are_told_once_by_every_way(desk: Desk, tmp_path: Path) -> None:
    entry = desk.entry()
    told = tmp_path / "command.got"
    with receiver("http", tmp_path) as http, receiver("smtp", tmp_path) as smtp:
        desk.settle(
            policy={"rollback": {"late_by": "3s"}},
            alerts=[
                {"webhook": f"http://127.0.0.1:{http.port}/services/T0/secret-word"},
                {"email": {"relay": f"127.0.0.1:{smtp.port}", "from": "bailey@example.com", "to": ["ops@example.com"]}},
                {"command": ["sh", "-c", f"cat >> {told}"]},
            ],
        )
        desk.cut_over(entry)
        event = desk.watch_until(entry, "rolled-back")
        desk.watch()
        [request] = http.got()
        # Slack and those that took its shape want exactly this.
        assert json.loads(request["body"]) == {"text": f"Bailey: {entry.pipeline}: {event['text']}"}
        assert request["path"] == "/services/T0/secret-word"
        [mail] = smtp.got()
        assert (mail["from"], mail["to"], mail["defects"]) == ("bailey@example.com", ["ops@example.com"], [])
        assert mail["subject"] == f"Bailey: {entry.pipeline}: rolled-back"
        assert event["text"].split(".")[0] in mail["body"].replace("\n", " ")
        [line] = told.read_text(encoding="utf-8").splitlines()
        assert json.loads(line) == event


def test_what_no_way_took_is_sent_at_a_later_look(desk: Desk, tmp_path: Path) -> None:
    entry = desk.entry()
    policy = {"rollback": {"late_by": "3s"}}
    desk.settle(policy=policy, alerts=[{"webhook": f"http://127.0.0.1:{free_port()}/"}])
    desk.cut_over(entry)
    event = desk.watch_until(entry, "rolled-back")
    with receiver("http", tmp_path) as http:
        desk.settle(policy=policy, alerts=[{"webhook": f"http://127.0.0.1:{http.port}/"}])
        assert [one for one in desk.watch() if one["pipeline"] == entry.pipeline] == []
        desk.watch()
        assert [json.loads(request["body"])["text"] for request in http.got()] == [
            f"Bailey: {entry.pipeline}: {event['text']}"
        ]


def test_it_outlives_its_redis_and_ends_when_told(desk: Desk) -> None:
    words = [str(BAILEY), "watch", "--every", "1s", "--json"]
    output = desk.world.folder / "watch.out"
    with output.open("wb") as file:
        process = subprocess.Popen(words, cwd=desk.world.folder, stdout=file, stderr=file)

    def saw(event: str) -> bool:
        return f'"event":"{event}"' in output.read_text(encoding="utf-8")

    try:
        wait_until("it watches", lambda: "watching scheduler" in output.read_text(encoding="utf-8"))
        desk.world.server.stop()
        wait_until("it misses its Redis", lambda: saw("unreachable"))
        desk.world.server.start()
        wait_until("it has it again", lambda: saw("reachable"))
        desk.world.revive_beats()
        entry = desk.entry()
        desk.cut_over(entry, "--ticks", "1")
        desk.claim(entry, "r1")
        wait_until("it gives back", lambda: desk.world.owner(entry) == "legacy")
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert "Ended; switches and gates go on without it." in output.read_text(encoding="utf-8")


def test_another_operator_is_left_alone() -> None:
    """Two watchmen at once: one of them does it, and neither fails."""
    from testing.entry import Entry

    world = World(fresh_folder("two"), [Entry("a", "2", static=False)])
    with world.running():
        desk = Desk(world)
        entry = desk.entry()
        desk.cut_over(entry, "--ticks", "1")
        desk.claim(entry, "r1")
        both = [
            subprocess.Popen(
                [str(BAILEY), "watch", "--once", "--json"], cwd=world.folder, stdout=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        events = [json.loads(process.communicate(timeout=60)[0])["events"] for process in both]
        assert [process.returncode for process in both] == [0, 0]
        assert sorted(len(some) for some in events) in ([0, 1], [1, 1]), events
        desk.legacy_resumes(entry)
