"""Due jobs start their pipeline in a running Airflow: a run waits in the triggerer, none is made for nothing, and who owns the jobs is asked anew."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest
from line import Line
from rest import eventually
from road import Road

pytestmark = pytest.mark.versions()
EVERY = "1s"


def waiting(line: Line) -> dict[str, Any] | None:
    """The run that waits for jobs, once it holds no worker slot any more."""
    running = [run for run in line.road.airflow.runs(line.pipeline) if run["state"] == "running"]
    if len(running) != 1:
        return None
    gate = line.road.airflow.states(line.pipeline, running[0]["dag_run_id"]).get("gate")
    return running[0] if gate == "deferred" else None


def waits(line: Line) -> str:
    """The id of that run."""
    return str(eventually("a run waits for jobs", lambda: waiting(line))["dag_run_id"])


def test_a_run_waits_for_jobs_and_takes_them(road: Road, tmp_path: Path) -> None:
    """Legacy's, Airflow's, legacy's again, Airflow's again."""
    line = Line(road, tmp_path / "workspace", "woken", {"jobs": EVERY})
    # In 3.0 a run cannot see whether others wait for its place, so it keeps that for a minute alone.
    keeps = road.airflow.record.version != "30"
    line.work()
    line.add()
    line.workspace.run("import", status=(0, 1))
    (planned,) = line.workspace.json("plan", status=(0, 1))["pipelines"]
    assert (planned["jobs_every_seconds"], planned["timetable"]) == (1, None)
    assert planned["waits"][0]["most_seconds"] == 1
    line.workspace.run("generate", status=(0, 1))
    line.workspace.run("deploy", "--execute", "--unpause")

    # While the jobs are legacy's, one run waits, whatever legacy does.
    first = waits(line)
    before = line.by("legacy")
    for _ in range(3):
        line.add()
    eventually("legacy runs them", lambda: line.by("legacy") == before + 3)
    if keeps:
        assert waits(line) == first and len(road.airflow.runs(line.pipeline)) == 1
    first = waits(line)
    assert line.by("airflow") == 0

    # The run that waited is the one that takes them: nobody has to start another.
    move = ("cutover", line.pipeline, "--execute", "--override", "a test", "--reason", "nothing was compared")
    line.workspace.run(*move)
    began = time.monotonic()
    line.add()
    eventually("a run takes the job", lambda: line.by("airflow") == 1, pause=0.1)
    print(f"a job was run {time.monotonic() - began:.1f} s after it was queued", file=sys.stderr)
    road.airflow.ended(line.pipeline, first)
    if keeps:
        assert road.airflow.states(line.pipeline, first)["gate"] == "success"
        assert "live" in str(road.airflow.xcom(line.pipeline, first, "gate"))

    # A run that a person starts has its turn, though one waits that keeps the DAG's only place.
    before_hand = waits(line)
    road.airflow.trigger(line.pipeline, "by-hand")
    road.airflow.ended(line.pipeline, "by-hand")
    assert road.airflow.ended(line.pipeline, before_hand) == "success"
    assert road.airflow.states(line.pipeline, before_hand)["gate"] == "skipped"
    assert "idle" in str(road.airflow.xcom(line.pipeline, before_hand, "gate"))

    # More than one run takes at once: the next goes on without a wait.
    second = waits(line)
    assert second != first
    for _ in range(25):
        line.add()
    eventually("all are run", lambda: line.by("airflow") == 26)
    last = waits(line)
    made = [run["dag_run_id"] for run in road.airflow.runs(line.pipeline)]
    assert last in made
    assert len(made) <= 9 or not keeps, made

    # Given back while a run waits: legacy's at once; and Airflow's again.
    line.workspace.run("rollback", line.pipeline, "--execute")
    before = line.by("legacy")
    waiting_now = waits(line)
    line.add()
    eventually("legacy runs it", lambda: line.by("legacy") == before + 1)
    assert waits(line) == waiting_now or not keeps
    line.workspace.run(*move)
    line.add()
    eventually("Airflow runs it", lambda: line.by("airflow") == 27)
    waits(line)

    line.stop()
    line.each_once()
    road.airflow.pause(line.pipeline, True)


@pytest.mark.full
def test_without_the_gate_a_run_waits_too(road: Road, tmp_path: Path) -> None:
    line = Line(road, tmp_path / "workspace", "woken-retired", {"jobs": EVERY})
    line.add()
    line.cut_over()
    for number in range(3):
        eventually("jobs are clean", lambda number=number: line.by("airflow") == number + 1)
        line.add()
    eventually("the last is too", lambda: line.by("airflow") == 4)
    waiting_now = waits(line)
    done = line.workspace.json("retire", line.pipeline, "--execute", "--wait", "4m")
    assert (done["outcome"], done["queues"][0]["removed"]) == ("done", True)
    assert not line.schema() and "bailey_runtime" not in line.file and "@continuous" in line.file
    # The run that had waited for the gate was ended; another waits, and takes what comes.
    road.airflow.ended(line.pipeline, waiting_now)
    line.add()
    eventually("a run takes the job", lambda: line.by("airflow") == 5)
    line.each_once()

    def waits_again() -> bool:
        newest = road.airflow.runs(line.pipeline)[-1]
        states = road.airflow.states(line.pipeline, newest["dag_run_id"])
        return newest["state"] == "running" and states.get("wait_for_jobs") == "running"

    eventually("the next waits", waits_again)
    road.airflow.pause(line.pipeline, True)
