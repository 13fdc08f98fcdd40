"""A part of Airflow is killed in the middle of a run: the outcome that is recorded in the end is the truth."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from rest import eventually
from road import Road, probe

from lab.processes import stop

# How long a body lasts: long enough to be killed in, shorter than a heartbeat's time-out.
LASTS = 12
# Longer than it takes a scheduler to miss another one, and to begin its tasks again.
OUTLASTS = 60
# The heartbeat's time-out, its detection, a restart of what was killed, and a second attempt.
LIMIT = 240.0


def lasting(road: Road, name: str, folder: Path, seconds: int = LASTS) -> str:
    """A pipeline whose only body lasts a while, and may be tried again; returns a run of it whose body has begun."""
    clock = road.entry(f"{name}-entry", 86400.0)
    task = probe("last", seconds, str(folder), entry=clock, retries=3, retry_delay=1)
    road.pipeline(name, clock, {"body": task})
    road.build(name)
    road.airflow.trigger(name, "by-hand")
    eventually("the body has begun", lambda: (folder / "body.begun").exists())
    return "by-hand"


def assert_true(road: Road, name: str, run: str, folder: Path) -> dict[str, Any]:
    """The run's end, the task's state, its outcome and what the body itself wrote all say the same."""
    state = road.airflow.ended(name, run, LIMIT)
    task = road.airflow.tasks(name, run)["body"]
    assert task["state"] == state
    outcome = road.airflow.outcome(name, run, "body")
    done = (folder / "body.done").read_text(encoding="utf-8").split() if (folder / "body.done").exists() else []
    begun = (folder / "body.begun").read_text(encoding="utf-8").split()
    # Airflow may begin an attempt anew under the same number: that is one body after another, never beside it.
    overlaps = folder / "body.overlaps"
    assert not overlaps.exists(), f"{overlaps.read_text(encoding='utf-8').split()} of {begun}"
    if state == "success":
        assert outcome is not None and outcome["state"] == "success"
        assert outcome["attempts"] == task["try_number"]
        assert outcome["result"].keys() == {"lasted"}
        # The recorded outcome is that of the last one, which was let go on to its end. One before it may have come to its end, too: an end
        # that nobody could be told of, with the part down that is told, is unknown to Airflow, which runs the task again.
        assert done[-1:] == begun[-1:]
    else:
        assert outcome is None or outcome["state"] == "failed"
    return task


def test_the_api_server_is_killed(road: Road, tmp_path: Path) -> None:
    run = lasting(road, "outlives-api", tmp_path)
    road.stack.halt("api-server")
    road.stack.restart("api-server")
    assert assert_true(road, "outlives-api", run, tmp_path)["state"] == "success"


@pytest.mark.full
@pytest.mark.parametrize("alone", [False, True], ids=["with its workers", "alone"])
def test_the_scheduler_is_killed(road: Road, tmp_path: Path, alone: bool) -> None:
    name = f"outlives-scheduler-{'alone' if alone else 'whole'}"
    run = lasting(road, name, tmp_path, OUTLASTS if alone else LASTS)
    if alone:
        stop([road.stack.running().member("scheduler")], signal.SIGKILL, limit=30.0)
    else:
        road.stack.halt("scheduler")
    road.stack.restart("scheduler")
    assert assert_true(road, name, run, tmp_path)["state"] == "success"


@pytest.mark.full
def test_the_celery_worker_is_killed(celery_road: Road, tmp_path: Path) -> None:
    run = lasting(celery_road, "outlives-worker", tmp_path)
    celery_road.stack.halt("celery worker")
    celery_road.stack.restart("celery worker")
    assert assert_true(celery_road, "outlives-worker", run, tmp_path)["state"] == "success"
