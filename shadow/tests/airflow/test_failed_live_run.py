"""`bailey watch` beside a real Airflow: a pipeline whose live run fails is given back by itself."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from bailey import PROGRAM
from rest import eventually
from road import Road

EVERY = 20.0
DAG, ENTRY = "fails-live", "fails-live-entry"


def live_failures(road: Road) -> list[str]:
    """The scheduled runs whose body failed because it was live."""
    found = []
    for run in road.airflow.runs(DAG):
        outcome = road.airflow.outcome(DAG, run["dag_run_id"], "work") if run["run_type"] == "scheduled" else None
        if outcome is not None and outcome["mode"] == "live":
            assert (outcome["state"], outcome["error"]["type"]) == ("failed", "exit"), outcome
            found.append(run["dag_run_id"])
    return found


def owner(road: Road) -> str:
    """Whose the ticks are, by the switch."""
    return (road.redis.hget(f"bailey:switch:{{redbeat:{ENTRY}}}", "state") or b"legacy").decode()


def fires(road: Road) -> int:
    """How often beat has fired the entry."""
    return int(json.loads(road.redis.hget(f"redbeat:{ENTRY}", "meta") or b"{}").get("total_run_count", 0))


@pytest.mark.full
@pytest.mark.versions()
def test_a_live_run_that_fails_gives_it_back(road: Road, tmp_path: Path) -> None:
    clock = road.entry(ENTRY, EVERY)
    # In shadow it is only observed, so nobody has seen it fail.
    body = {"entry": clock, "command": ["sh", "-c", "echo the disk is full >&2; exit 3"]}
    road.pipeline(DAG, clock, {"work": body}, policy={"rollback": {"failed_runs": 1}})
    road.build(DAG)
    told, output = tmp_path / "told", tmp_path / "watch.out"
    alerts: list[Any] = [{"command": ["sh", "-c", f"cat >> {told}"]}]
    with road.settings(lambda settings: settings.update(alerts=alerts)), output.open("wb") as file:
        watch = subprocess.Popen(
            [PROGRAM, "watch", "--every", "2s"],
            cwd=road.workspace.folder,
            env=road.workspace.environment,
            stdout=file,
            stderr=file,
        )
        try:
            eventually("it watches", lambda: "watching" in output.read_text(encoding="utf-8"))
            road.cut_over(DAG)
            assert owner(road) == "airflow"
            eventually("it is given back", lambda: owner(road) == "legacy")
            before = fires(road)
            eventually("beat fires it again", lambda: fires(road) > before)
        finally:
            watch.send_signal(signal.SIGINT)
            assert watch.wait(60) == 0
    failed = live_failures(road)
    alerts = [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()]
    (alert,) = [one for one in alerts if one["pipeline"] == DAG]
    assert (alert["event"], alert["level"]) == ("rolled-back", "urgent")
    assert "the newest live run failed" in alert["text"] and any(run in alert["text"] for run in failed), alert
    ended = len(failed)

    def later() -> bool:
        runs = [run for run in road.airflow.runs(DAG) if run["run_type"] == "scheduled"]
        outcome = road.airflow.outcome(DAG, runs[-1]["dag_run_id"], "work")
        return outcome is not None and outcome["mode"] == "shadow"

    eventually("its runs are shadows again", later)
    assert len(live_failures(road)) == ended
    road.remove(DAG, ENTRY)
