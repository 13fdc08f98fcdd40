"""`bailey rehearse` against a real beat whose Redis carries Celery's messages."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from desk import Desk
from office import Office

from lab.record import Record
from testing.server import wait_until
from testing.world import BAILEY

STEPS = ["create", "legacy fires", "cutover", "· close", "· fence and settle", "claim", "legacy is silent", "rollback"]


@pytest.fixture
def office(company: Record, tmp_path: Path) -> Iterator[Office]:
    """A workspace that has imported."""
    office = Office(tmp_path, company, rehearsal={"within": "1d"})
    done = office.run("import")
    assert done.returncode == 0, done.stderr
    yield office
    assert office.copies() == []


def policy(office: Office, pipeline: str) -> dict[str, Any]:
    """The policy's lines of a pipeline, by rule."""
    found = json.loads(office.run("status", pipeline, "--json").stdout)["pipelines"][0]["policy"]
    return {line["rule"]: line for line in found["lines"]}


def test_every_step_is_timed_and_nothing_stays(office: Office) -> None:
    pipeline = "heartbeat-metrics"
    before = office.redis.hgetall("redbeat:heartbeat-metrics")["definition"]
    dry = office.run("rehearse", pipeline)
    assert dry.returncode == 0 and "Nothing was changed" in dry.stdout
    assert policy(office, pipeline)["rehearsal"]["verdict"] == "fail"
    done = office.run("rehearse", pipeline, "--execute", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    rehearsal = json.loads(done.stdout)["rehearsal"]
    assert rehearsal["passed"] is True
    first = ["message run", "round trip run"]
    assert [step["name"] for step in rehearsal["steps"]] == [*first, *STEPS, "legacy resumes", "clean up"]
    assert all(step["passed"] for step in rehearsal["steps"])
    assert {step["name"]: step["seconds"] for step in rehearsal["steps"]}["legacy fires"] > 0
    # The entry itself was not touched, and the policy that wanted a rehearsal has one.
    assert office.redis.hgetall("redbeat:heartbeat-metrics")["definition"] == before
    assert office.redis.keys("bailey:*heartbeat-metrics*") == []
    assert policy(office, pipeline)["rehearsal"]["verdict"] == "pass"
    # What beat sends and what the DAG sends is the same, and a worker answers.
    [message], [trip] = rehearsal["messages"], rehearsal["round_trips"]
    assert message["verdict"] == "same" and message["differences"] == [], message
    assert "body" in message["same"] and len(message["same"]) > 15 and len(message["body_sha256"]) == 64
    assert message["entry"] == f"scheduler/{pipeline}" and "celery" in message["to"]
    assert trip["came_back"] and trip["milliseconds"] < 20_000, trip
    judged = policy(office, pipeline)
    assert (judged["message-parity"]["verdict"], judged["round-trip"]["verdict"]) == ("pass", "pass"), judged
    assert [key for key in office.redis.scan_iter(count=1000) if "bailey-" in key] == []


def test_a_message_that_is_not_beats_is_named(office: Office) -> None:
    pipeline = "refresh-cache"
    before = policy(office, pipeline)["message-parity"]
    assert before["verdict"] == "not-enough-data" and "nobody has compared" in before["evidence"]
    # A mapping that sends it with another priority, another way.
    office.map(pipeline, {"entry": f"scheduler/{pipeline}", "send": {"options": {"priority": 7, "queue": "elsewhere"}}})
    done = office.run("rehearse", pipeline, "--execute", "--json")
    assert done.returncode == 1, done.stdout + done.stderr
    rehearsal = json.loads(done.stdout)["rehearsal"]
    [message], [trip] = rehearsal["messages"], rehearsal["round_trips"]
    named = {one["property"]: one for one in message["differences"]}
    assert message["verdict"] == "different" and named["properties.priority"]["dag"] == "7", message
    assert "celery" in named["to"]["beat"] and "elsewhere" in named["to"]["dag"]
    assert not trip["reached"] and "no live worker consumes the queue “elsewhere”" in trip["detail"], trip
    judged = policy(office, pipeline)
    assert judged["message-parity"]["verdict"] == "fail" and judged["round-trip"]["verdict"] == "fail", judged
    # Evidence is of what would be sent then; once it is mended it has to be seen again.
    office.map(pipeline, {"entry": f"scheduler/{pipeline}"})
    judged = policy(office, pipeline)
    assert judged["message-parity"]["verdict"] == "not-enough-data", judged
    assert "changed since" in judged["message-parity"]["evidence"]


def test_there_and_back_without_a_rehearsal(office: Office) -> None:
    dry = office.run("doctor", "--round-trip", "refresh-cache")
    assert dry.returncode == 0 and "Nothing was sent" in dry.stdout and "celery.accumulate" in dry.stdout
    found = office.json("doctor", "--round-trip", "refresh-cache", "heartbeat-metrics", "--execute")
    assert found["holds"] and [one["came_back"] for one in found["round_trips"]] == [True, True], found
    assert found["round_trips"][0]["celery_task"] == "company.ops.heartbeat_metrics"
    assert office.run("doctor", "--round-trip", "nothing").returncode == 2
    assert office.run("doctor", "--execute").returncode == 2


def test_one_that_was_killed_is_cleared_away_by_the_next(office: Office) -> None:
    pipeline = "refresh-cache"
    process = subprocess.Popen(
        [str(BAILEY), "rehearse", pipeline, "--execute"],
        cwd=office.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    wait_until("its copy is cut over", lambda: any(key.startswith("bailey:switch:") for key in office.copies()))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert office.copies() != []
    # It is no pipeline of anybody's.
    assert "bailey-rehearsal-" not in office.run("status").stdout
    done = office.run("rehearse", pipeline, "--execute")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "keys that a broken-off rehearsal had left" in done.stderr


def test_job_types_are_looked_at(office: Office) -> None:
    done = office.run("rehearse", "jobs__export_data", "--execute", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    [step] = json.loads(done.stdout)["rehearsal"]["steps"]
    assert (step["name"], step["passed"]) == ("queue jobs", True)


def test_a_fence_is_no_shorter_than_the_workers_say(office: Office) -> None:
    settings = office.folder / "bailey.yaml"
    settings.write_text(settings.read_text(encoding="utf-8").replace('"max_interval": 2', '"max_interval": 1'))
    before = set(office.redis.scan_iter(count=1000, match="*pidbox*"))
    done = office.run("cutover", "heartbeat-metrics", "--execute", "--override", "a test", "--reason", "no comparing")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "scheduler: its workers say that beat sleeps up to 2.0 s; max_interval of bailey.yaml says 1" in done.stderr
    longest = office.redis.hget("bailey:switch:{redbeat:heartbeat-metrics}", "longest_tick")
    assert longest == "7000000"
    assert set(office.redis.scan_iter(count=1000, match="*pidbox*")) <= before
    # Only looking asks nobody.
    assert "workers say" not in office.run("rollback", "heartbeat-metrics").stderr
    assert office.run("rollback", "heartbeat-metrics", "--execute").returncode == 0


def test_where_messages_go_elsewhere_it_is_refused(desk: Desk) -> None:
    entry = desk.entry()
    done = desk.world.bailey("rehearse", entry.pipeline, "--execute")
    assert done.returncode == 1
    assert "does not carry Celery's messages" in done.stderr
    assert [key for key in desk.redis.scan_iter(count=1000) if "rehearsal" in key] == []
