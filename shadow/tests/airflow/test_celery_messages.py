"""A task that stands for an entry sends what beat would have sent, in a running Airflow, and has the worker's result."""

from __future__ import annotations

import json

from rest import eventually
from road import Road

ENTRY = "sends-for-beat"
DAG = "sends_for_beat"


def test_a_live_run_has_the_result_of_the_worker(road: Road) -> None:
    clock = road.entry(ENTRY, 20, task="company.ops.refresh_cache", args=[ENTRY])
    road.pipeline(DAG, clock, {"work": {"entry": clock}})
    road.build(DAG)
    road.cut_over(DAG)

    def live() -> dict | None:
        for run in road.airflow.runs(DAG):
            outcome = road.airflow.outcome(DAG, run["dag_run_id"], "work")
            if outcome is not None and outcome["mode"] == "live" and outcome["state"] != "observed":
                return outcome
        return None

    outcome = eventually("Airflow has sent a message and has its result", live)
    assert outcome["state"] == "success", outcome
    assert outcome["arguments"] == {"args": [ENTRY], "kwargs": {}}
    stored = [json.loads(road.redis.get(key) or b"{}") for key in road.redis.scan_iter("celery-task-meta-*")]
    assert outcome["result"] in [one.get("result") for one in stored if one.get("args") == [ENTRY]]
    road.roll_back(DAG)
    road.remove(DAG, ENTRY)
