"""A part of Airflow is killed in the middle of a run: the outcome that is recorded in the end is the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rest import eventually
from road import Road, probe

# How long a body lasts: long enough to be killed in, shorter than a heartbeat's time-out.
LASTS = 12
# The heartbeat's time-out, its detection, a restart of what was killed, and a second attempt.
LIMIT = 240.0


def lasting(road: Road, name: str, folder: Path) -> str:
    """A pipeline whose only body lasts a while, and may be tried again; returns a run of it whose body has begun."""
    clock = road.entry(f"{name}-entry", 86400.0)
    task = probe("last", LASTS, str(folder), entry=clock, retries=3, retry_delay=1)
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
    # An attempt may die before its body begins; none begins it twice.
    assert 1 <= len(begun) <= task["try_number"]
    if state == "success":
        assert outcome is not None and outcome["state"] == "success"
        assert outcome["attempts"] == task["try_number"]
        assert outcome["result"] == {"lasted": LASTS}
        assert begun[-1] in done
    else:
        assert outcome is None or outcome["state"] == "failed"
    return task


def test_the_api_server_is_killed(road: Road, tmp_path: Path) -> None:
    run = lasting(road, "outlives-api", tmp_path)
    road.stack.halt("api-server")
    road.stack.restart("api-server")
    assert assert_true(road, "outlives-api", run, tmp_path)["state"] == "success"


@pytest.mark.full
def test_the_scheduler_is_killed(road: Road, tmp_path: Path) -> None:
    run = lasting(road, "outlives-scheduler", tmp_path)
    road.stack.halt("scheduler")
    road.stack.restart("scheduler")
    assert assert_true(road, "outlives-scheduler", run, tmp_path)["state"] == "success"


@pytest.mark.full
def test_the_celery_worker_is_killed(celery_road: Road, tmp_path: Path) -> None:
    run = lasting(celery_road, "outlives-worker", tmp_path)
    celery_road.stack.halt("celery worker")
    celery_road.stack.restart("celery worker")
    assert assert_true(celery_road, "outlives-worker", run, tmp_path)["state"] == "success"
