"""Pipelines that wait for others, that assets start, and tasks that are to be done in time, in a running Airflow."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from rest import eventually
from road import Road, probe

pytestmark = pytest.mark.versions()
MINUTE = timedelta(minutes=1)
LATE, AFTER = "waits-late", "waits-after"
STORE, GATED, UNGATED, READER = "waits-store", "waits-gated", "waits-ungated", "waits-reader"
ASSET = "x://waits/made"
# The store's last tick until the waiting pipelines' own tick of half past two.
TICK, OWN, EARLIER = "2026-11-28T02:00:00Z", "2026-11-28T02:30:00Z", "2026-11-27T02:30:00Z"


def started(road: Road, dag: str, run: str, tick: str, **conf: Any) -> None:
    """Starts a run of a tick."""
    road.airflow.call("POST", f"/dags/{dag}/dagRuns", {"dag_run_id": run, "conf": conf, "logical_date": tick})


def state(road: Road, dag: str, run: str, task: str) -> str | None:
    """What the grid shows of a task."""
    return road.airflow.states(dag, run).get(task)


@pytest.fixture(scope="module")
def waits(road: Road) -> Iterator[Road]:
    """The pipelines in the Airflow; none has a run."""
    wait = {"wait_for": {"pipeline": STORE, "task": "load", "within": "10m", "every": "3s"}}
    for name in (GATED, UNGATED):
        tasks = {"wait": wait, "after": probe("nothing", after=["wait"])}
        road.workspace.add_mapping({"pipeline": name, "schedule": {"crontab": "30 2 * * *"}, "tasks": tasks})
    load = probe("last", 25, "/tmp", f"waits-{id(road)}", sla="3s", produces=[ASSET])
    fails = {"command": ["false"], "when": {"task": "load", "path": "$.lasted", "exists": False}, "after": ["load"]}
    store = {"load": load, "fails": fails}
    road.workspace.add_mapping({"pipeline": STORE, "schedule": {"crontab": "0 * * * *"}, "tasks": store})
    reader = {"read": probe("nothing", inlets=[ASSET])}
    road.workspace.add_mapping({"pipeline": READER, "schedule": {"assets": [ASSET]}, "tasks": reader})
    road.workspace.run("import", status=(0, 1))
    road.workspace.run("generate", STORE, GATED, READER)
    road.workspace.run("generate", "--ungated", UNGATED)
    road.deploy(STORE, GATED, READER, UNGATED)
    yield road
    for name in (STORE, GATED, READER, UNGATED):
        road.remove(name)


def test_a_task_waits_for_the_run_of_the_others_last_tick(waits: Road) -> None:
    started(waits, GATED, "live", OWN, bailey_mode="live")
    started(waits, UNGATED, "plain", OWN)
    for dag, run, word in ((GATED, "live", "deferred"), (UNGATED, "plain", "up_for_reschedule")):
        eventually(f"{dag} waits", lambda dag=dag, run=run, word=word: state(waits, dag, run, "wait") == word)
    started(waits, STORE, "live", TICK, bailey_mode="live")
    for dag, run in ((GATED, "live"), (UNGATED, "plain")):
        waits.airflow.ended(dag, run)
        states = waits.airflow.states(dag, run)
        assert (states["wait"], states["after"]) == ("success", "success"), (dag, states)
    outcome = waits.airflow.outcome(GATED, "live", "wait")
    assert outcome is not None and outcome["result"] == {"tick": TICK}


def test_an_asset_starts_the_pipeline_that_reads_it(waits: Road) -> None:
    assert waits.airflow.ended(STORE, "live") == "success"
    run = eventually("an asset starts the reader", lambda: next(iter(waits.airflow.runs(READER)), None))
    assert run["run_type"] == ("dataset_triggered" if waits.airflow.is_2 else "asset_triggered")
    assert waits.airflow.ended(READER, run["dag_run_id"]) == "success"
    assert waits.airflow.states(READER, run["dag_run_id"])["read"] == "success"


# 3.0 knows no deadlines, and 2.11 looks at runs that it has made alone.
@pytest.mark.versions("33")
def test_a_task_that_is_late_is_told_of_and_what_it_does(waits: Road) -> None:
    line = re.compile(rf"late: the task load of the run live of {STORE} is not done after 0:00:03: ([a-z ]+)")

    def told() -> list[str]:
        files = [file for file in waits.stack.folder.rglob("*log*") if file.is_file()]
        texts = [file.read_text(encoding="utf-8", errors="replace") for file in files]
        return [found for text in texts for found in line.findall(text)]

    # On a busy machine it may not even have begun.
    said = eventually("the late task is told of", lambda: told() or None, limit=60, pause=2)[0]
    assert said.startswith(("it is running", "it has not begun"))


def test_in_shadow_nothing_is_waited_for(waits: Road) -> None:
    started(waits, GATED, "shadow", EARLIER)
    assert waits.airflow.ended(GATED, "shadow") == "success"
    assert waits.airflow.states(GATED, "shadow") == {"gate": "success", "wait": "skipped", "after": "success"}
    outcome = waits.airflow.outcome(GATED, "shadow", "wait")
    assert outcome is not None and outcome["state"] == "observed"


def test_what_has_failed_is_not_waited_for(waits: Road) -> None:
    tick = "2026-11-26T02:00:00Z"
    body = {"dag_run_id": "dead", "conf": {}, "logical_date": tick}
    waits.airflow.pause(STORE, True)
    waits.airflow.call("POST", f"/dags/{STORE}/dagRuns", body)
    waits.airflow.change(f"/dags/{STORE}/dagRuns/dead", "state", {"state": "failed"})
    started(waits, GATED, "dead", "2026-11-26T02:30:00Z", bailey_mode="live")
    assert waits.airflow.ended(GATED, "dead") == "failed"
    states = waits.airflow.states(GATED, "dead")
    assert (states["wait"], states["after"]) == ("failed", "upstream_failed")


@pytest.fixture(scope="module")
def late(road: Road) -> Iterator[dict[str, Any]]:
    """What the gate said of a tick that it coalesced: a pipeline that is due each minute and Airflow's was paused over some ticks."""
    clock = road.entry(LATE)
    road.pipeline(LATE, clock, {"load": {"entry": clock, **probe("last", 20, "/tmp", f"waits-late-{id(road)}")}})
    wait = {"wait_for": {"pipeline": LATE, "task": "load", "within": "10m", "every": "3s"}}
    whole = {"wait_for": {"pipeline": LATE, "within": "10m", "every": "3s"}}
    tasks = {"wait": wait, "whole": whole, "after": probe("nothing", after=["wait", "whole"])}
    road.workspace.add_mapping({"pipeline": AFTER, "schedule": {"crontab": "0 4 1 1 *"}, "tasks": tasks})
    road.build(LATE, AFTER)
    road.cut_over(LATE)

    def said(how: str) -> dict[str, Any] | None:
        for run in road.airflow.runs(LATE):
            answer = road.airflow.xcom(LATE, run["dag_run_id"], "gate")
            found = json.loads(answer) if isinstance(answer, str) else answer
            if found and found["how"] == how:
                return dict(found)
        return None

    # From here on every tick is Airflow's, also the one that the scheduler has in mind.
    eventually("a run is live", lambda: said("live"), limit=400)
    road.airflow.pause(LATE, True)
    due = road.airflow.next_tick(LATE)
    eventually("ticks have passed", lambda: datetime.now(timezone.utc) > due + 2 * MINUTE, limit=400)
    # The scheduler makes a run of the tick it had in mind, and of the latest: whichever asks first stands for the other.
    road.airflow.pause(LATE, False)
    yield eventually("a tick is coalesced", lambda: said("coalesced"))
    road.roll_back(LATE)
    road.remove(LATE, LATE)
    road.remove(AFTER)


# 2.11 forgets the tick that it had in mind when it parses the file of a paused DAG: there is one run, and nothing is coalesced.
@pytest.mark.versions("33")
@pytest.mark.full
def test_a_tick_that_was_coalesced_is_awaited_in_the_run_that_stands_for_it(road: Road, late: dict[str, Any]) -> None:
    dag, _, run = late["into"].partition("/")
    assert dag == LATE
    own = (datetime.fromisoformat(late["tick"].replace("Z", "+00:00")) + MINUTE / 2).isoformat()
    started(road, AFTER, "after", own, bailey_mode="live")
    assert road.airflow.ended(AFTER, "after") == "success"
    for task in ("wait", "whole"):
        outcome = road.airflow.outcome(AFTER, "after", task)
        assert outcome is not None and outcome["result"] == {"tick": late["tick"], "run": run}
    # It was waited for until that run was done.
    done = road.airflow.tasks(LATE, run)["load"]["end_date"]
    assert done is not None and road.airflow.tasks(AFTER, "after")["wait"]["end_date"] > done
