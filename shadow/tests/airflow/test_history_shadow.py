"""What legacy has recorded is run again in Airflow: each tick with its own logical date, each job with its own payload."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from bailey import ROOT
from rest import eventually
from road import Road
from test_live_shadow import instant

MAPPING = ROOT / "mappings" / "examples" / "laboratory" / "jobs.yaml"
TICKS, JOBS = "recorded", "background-jobs"
ENTRY = "recorded-entry"
# The entry is due each minute.
LIMIT, PATIENCE = 3, 260.0


def run_of(road: Road, pipeline: str, comparison: dict[str, Any]) -> dict[str, Any]:
    """The DAG run that shadowed a recorded one."""
    dag, run = comparison["shadow"]["run"].split("/", 1)
    assert dag == pipeline
    return road.airflow.call("GET", f"/dags/{dag}/dagRuns/{run}")


def recorded(road: Road) -> int:
    """How many runs of the entry Celery has kept."""
    return sum(
        ENTRY.encode() in (road.redis.get(key) or b"") for key in road.redis.scan_iter("celery-task-meta-*", count=1000)
    )


@pytest.mark.full
def test_recorded_runs_are_run_again(road: Road) -> None:
    page = {"template": "{{ x }}\n", "owner": "Анна", "limits": [1, 2]}
    clock = road.entry(ENTRY, task="company.ops.refresh_cache", args=[ENTRY], kwargs=page)
    call = {"callable": "lab.work:refresh_cache", "environment": "company"}
    road.pipeline(TICKS, clock, {"work": {"entry": clock, "python": call, "shadow": "pure"}})
    shutil.copy(MAPPING, road.workspace.folder / "mappings")
    try:
        eventually("legacy has recorded enough", lambda: recorded(road) >= LIMIT, PATIENCE)
        road.build(TICKS, JOBS)
        words = ("shadow", "--engine", "airflow", "--from-history", "--limit", str(LIMIT), TICKS, JOBS)
        road.workspace.run(*words, status=(0, 1), limit=600)
        report = road.workspace.json("report", status=(0, 1))
        found = {pipeline["id"]: pipeline["comparisons"] for pipeline in report["pipelines"]}

        ticks = [comparison for comparison in found[TICKS] if comparison["shadow"]]
        assert len({comparison["tick"] for comparison in ticks}) == len(ticks) == LIMIT
        # The tick that the unpause would have fired is kept from the scheduler by a run of its date; no second one can have that.
        kept = {instant(run["logical_date"]) for run in road.airflow.runs(TICKS) if "suppressed" in run["dag_run_id"]}
        dated = 0
        for comparison in ticks:
            run, tick = run_of(road, TICKS, comparison), instant(comparison["tick"])
            assert run["state"] == "success"
            assert (comparison["verdict"], comparison["differences"]) == ("match", [])
            assert comparison["shadow"]["arguments"] == comparison["legacy"]["arguments"]
            if run["logical_date"] is None:
                assert tick in kept
                continue
            assert instant(run["logical_date"]) == tick
            # Bailey's own, unless the scheduler has shadowed the tick since the unpause.
            dated += run["run_type"] == "manual"

        assert dated >= 1

        jobs = [comparison for comparison in found[JOBS] if comparison["shadow"]]
        assert jobs and len({comparison["job"] for comparison in jobs}) == len(jobs)
        for comparison in jobs:
            assert run_of(road, JOBS, comparison)["conf"]["bailey"]["job"] == comparison["job"]
            # Planted: production alone may hold the warehouse's snapshot, so that this one fails in shadow.
            planted = comparison["entry"] == "jobs/export_data"
            assert comparison["verdict"] == ("mismatch" if planted else "match"), comparison
    finally:
        road.airflow.pause(JOBS, True)
        (road.workspace.folder / "mappings" / MAPPING.name).unlink()
        road.remove(TICKS, ENTRY)
