"""Tasks that stand for entries send what beat would have sent, in a running Airflow, and end as the worker's own ended."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
from celery import Celery
from rest import eventually
from road import Road

# Longer than it takes Airflow to hand the wait to its triggerer, and a test to see that.
AHEAD = 60
# How long a message is waited for that nobody will answer.
WAITS = 60
# In an order of its own, by which its effect is known.
MODELS = ["ranking", "fraud", "churn"]


def effects(road: Road, task: str) -> list[str]:
    """The message for which a legacy task has done its work with these models, each time it did."""
    file = road.laboratory.folder / "effects" / "effects.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    done = [line for line in map(json.loads, lines) if line["task"] == task]
    return [line["id"] for line in done if line["args"] == {"models": MODELS}]


def live_run(road: Road, dag: str) -> str:
    """The first run that is Airflow's own."""

    def look() -> str | None:
        for run in road.airflow.runs(dag):
            # 2.11 tells a value by its form in Python, others as JSON.
            if re.search("""['"]mode['"]: ?['"]live""", str(road.airflow.xcom(dag, run["dag_run_id"], "gate"))):
                return run["dag_run_id"]
        return None

    return eventually("a run is Airflow's", look)


@pytest.mark.versions()
def test_each_task_ends_as_the_worker_says(road: Road) -> None:
    each_task_ends_as_the_worker_says(road, f"sends-for-beat-{road.airflow.record.version}")


@pytest.mark.full
def test_each_task_ends_so_under_celerys_executor_too(celery_road: Road) -> None:
    each_task_ends_as_the_worker_says(celery_road, "sends-for-beat-celery")


def each_task_ends_as_the_worker_says(road: Road, name: str) -> None:
    """Tasks of every end, in a live run of a pipeline that is given back then."""
    clock = road.entry(f"{name}-done", 20, task="company.ops.refresh_cache", args=[name])
    entries = {
        "fails": road.entry(f"{name}-fails", 86400, task="company.ml.score_sample", args=[[]]),
        "lasts": road.entry(f"{name}-lasts", 86400, task="company.ml.retrain_models", args=[MODELS]),
        "revoked": road.entry(
            f"{name}-revoked",
            86400,
            task="company.ml.check_model_drift",
            args=[0.3],
            options={"countdown": AHEAD},
        ),
    }
    entries["lost"] = road.entry(
        f"{name}-lost", 86400, task="company.ops.heartbeat_metrics", options={"queue": "nobody"}
    )
    tasks = {task: {"entry": one} for task, one in entries.items()}
    tasks["lost"]["timeout"] = WAITS
    road.pipeline(name, clock, {"done": {"entry": clock}} | tasks)
    road.build(name)
    road.cut_over(name)
    run = live_run(road, name)

    # Somebody revokes a message that a worker holds, while Airflow's triggerer waits for its result.
    legacy = Celery("company", broker=road.legacy.redis_url, set_as_current=False)

    def held() -> str | None:
        # What a worker has taken and not yet begun; a busy one answers no questions.
        for stored in road.redis.hvals("unacked"):
            headers = json.loads(stored)[0]["headers"]
            if headers["task"] == "company.ml.check_model_drift" and "0.3" in headers["argsrepr"]:
                return str(headers["id"])
        return None

    message = eventually("a worker holds the message", held)
    eventually("the wait is deferred", lambda: road.airflow.states(name, run)["revoked"] == "deferred")
    legacy.control.revoke(message)

    assert road.airflow.ended(name, run) == "failed"
    states = road.airflow.states(name, run)
    ends = {"done": "success", "fails": "failed", "lasts": "success", "revoked": "failed", "lost": "failed"}
    assert {task: states[task] for task in ends} == ends
    outcomes = {task: road.airflow.outcome(name, run, task) for task in ends}
    assert all(outcome is not None and outcome["mode"] == "live" for outcome in outcomes.values()), outcomes
    assert {task: outcome["state"] for task, outcome in outcomes.items()} == ends
    # The very records of the worker.
    stored = [json.loads(road.redis.get(key) or b"{}") for key in road.redis.scan_iter("celery-task-meta-*")]
    assert outcomes["done"]["arguments"] == {"args": [name], "kwargs": {}}
    assert outcomes["done"]["result"] in [one.get("result") for one in stored if one.get("args") == [name]]
    assert [one["model"] for one in outcomes["lasts"]["result"]["trained"]] == MODELS
    assert outcomes["fails"]["error"]["type"] == "ZeroDivisionError"
    assert outcomes["revoked"]["error"]["type"] == "TaskRevokedError"
    assert "no live worker consumes the queue “nobody”" in outcomes["lost"]["error"]["message"], outcomes["lost"]
    returned = str(road.airflow.xcom(name, run, "lasts"))
    assert all(one["version"] in returned for one in outcomes["lasts"]["result"]["trained"])
    # What lasts ran once for each message, whatever Airflow did with the slot.
    assert set(Counter(effects(road, "retrain_models")).values()) == {1}
    road.roll_back(name)
    road.remove(name, f"{name}-done", *(f"{name}-{task}" for task in entries))
