"""A pipeline without a legacy side, from its mapping to its launch and back, in a running Airflow."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from bailey import Workspace
from rest import ENDED, eventually
from road import Road, probe

pytestmark = pytest.mark.versions()
DAG = "fresh"
POOL = "fresh-pool"
VARIABLE = f"bailey_launch_{DAG}"
EVERY = 10.0


@pytest.fixture(scope="module")
def fresh(road: Road) -> Road:
    """The pipeline, generated and not deployed."""
    tasks = {
        "work": {**probe("nothing"), "pool": POOL, "expected": "1s"},
        "observed": {**probe("nothing"), "shadow": "observe", "after": ["work"], "expected": "1s"},
    }
    mapping = {
        "pipeline": DAG,
        "schedule": {"interval": EVERY},
        "tasks": tasks,
        "pools": {POOL: {"slots": 3, "description": "of the test"}},
        "policy": {"launch": {"trial_runs": 2, "approval": {"approver": "Ada", "because": "it was tried"}}},
    }
    road.workspace.add_mapping(mapping)
    road.workspace.run("import", status=(0, 1))
    road.workspace.run("generate", DAG)
    return road


def status(road: Road) -> dict[str, Any]:
    found = road.workspace.json("status", DAG)["pipelines"]
    assert len(found) == 1
    assert found[0]["legacy_side"] is False
    assert "legacy" not in json.dumps([found[0][key] for key in ("owner", "ticks", "waits_for")])
    return found[0]


def answers(road: Road) -> dict[str, dict[str, Any]]:
    """What the gates of ended scheduled runs said, by run."""
    found = {}
    for run in road.airflow.runs(DAG):
        if run["run_type"] == "scheduled" and run["state"] in ENDED:
            answer = road.airflow.xcom(DAG, run["dag_run_id"], "gate")
            if answer is not None:
                found[run["dag_run_id"]] = json.loads(answer) if isinstance(answer, str) else answer
    return found


def test_it_is_tried_launched_and_stopped(fresh: Road) -> None:
    workspace = fresh.workspace
    assert status(fresh)["stage"] == "generated"

    refused = workspace.json("launch", DAG, status=1)
    assert {line["rule"]: line["verdict"] for line in refused["policy"]["lines"]}["deployed"] == "fail"

    # A pool is made with the slots that are declared.
    fresh.deploy(DAG)
    assert fresh.airflow.call("GET", f"/pools/{POOL}")["slots"] == 3

    eventually("two trials have ended", lambda: len(answers(fresh)) >= 2)
    for run, answer in answers(fresh).items():
        assert (answer["mode"], answer["how"]) == ("shadow", "trial")
        outcomes = {task: fresh.airflow.outcome(DAG, run, task) for task in ("work", "observed")}
        assert {task: found and found["state"] for task, found in outcomes.items()} == {
            "work": "success",
            "observed": "observed",
        }
    tried = status(fresh)
    assert (tried["stage"], tried["owner"]) == ("trial", None)
    assert tried["waits_for"].startswith("a person")
    assert "trial" in {tick["runner"] for tick in tried["ticks"]}

    # Without --execute nothing changes.
    assert workspace.json("launch", DAG)["outcome"] == "would"
    assert fresh.airflow.found(f"/variables/{VARIABLE}") is None
    launched = workspace.json("launch", DAG, "--execute")
    assert launched["outcome"] == "done"
    assert workspace.json("launch", DAG, "--execute")["outcome"] == "already"

    def live() -> str | None:
        return next((run for run, answer in answers(fresh).items() if answer["mode"] == "live"), None)

    run = eventually("a run is live", live)
    assert answers(fresh)[run]["how"] == "launched"
    outcome = fresh.airflow.outcome(DAG, run, "observed")
    assert outcome is not None and (outcome["mode"], outcome["state"]) == ("live", "success")
    shown = status(fresh)
    assert (shown["stage"], shown["owner"]) == ("live", "airflow")
    assert shown["waits_for"].startswith("nothing")

    stopped = workspace.json("launch", DAG, "--stop", "--execute")
    end = datetime.fromisoformat(stopped["until"].replace("Z", "+00:00"))

    def later() -> str | None:
        for one in fresh.airflow.runs(DAG):
            if one["run_type"] == "scheduled" and one["state"] in ENDED:
                if datetime.fromisoformat(one["logical_date"]) >= end:
                    return str(one["dag_run_id"])
        return None

    after = eventually("a run has ended after the stop", later)
    assert answers(fresh)[after]["how"] == "trial"
    # Each tick went by what the window held, whenever its run began.
    begin = datetime.fromisoformat(launched["from"].replace("Z", "+00:00"))
    for name, answer in answers(fresh).items():
        tick = datetime.fromisoformat(answer["tick"].replace("Z", "+00:00"))
        assert (answer["mode"] == "live") == (begin <= tick < end), name
    assert status(fresh)["stage"] == "trial"
    assert workspace.json("launch", DAG, "--stop", "--execute")["outcome"] == "already"


def test_a_run_by_hand_is_noted_for_what_it_is(fresh: Road) -> None:
    for mode in ("trial", "live"):
        fresh.airflow.trigger(DAG, f"by-hand-{mode}", {"bailey_mode": mode})
    for mode in ("trial", "live"):
        run = f"by-hand-{mode}"
        assert fresh.airflow.ended(DAG, run) == "success"
        assert fresh.airflow.call("GET", f"/dags/{DAG}/dagRuns/{run}")["note"].startswith(f"{mode}:")
        outcome = fresh.airflow.outcome(DAG, run, "observed")
        assert outcome is not None and outcome["state"] == ("success" if mode == "live" else "observed")


def test_a_variable_that_is_no_launch_runs_nothing(fresh: Road) -> None:
    before = datetime.now(timezone.utc)
    fresh.airflow.change(f"/variables/{VARIABLE}", "value", {"key": VARIABLE, "value": '{"v": 1, "live": true}'})

    def failed() -> str | None:
        for run in fresh.airflow.runs(DAG):
            if run["run_type"] == "scheduled" and datetime.fromisoformat(run["logical_date"]) > before:
                states = fresh.airflow.states(DAG, run["dag_run_id"])
                if states["gate"] == "failed" and run["state"] in ENDED:
                    assert states["work"] in ("upstream_failed", "skipped")
                    return str(run["dag_run_id"])
        return None

    eventually("the gate has failed", failed)
    shown = status(fresh)
    assert shown["stage"] == "unknown"
    assert any("holds something that is no launch" in text for text in shown["unknown"])
    done = fresh.workspace.run("launch", DAG, "--execute", status=1)
    assert "delete it there" in done.stderr
    fresh.airflow.call("DELETE", f"/variables/{VARIABLE}")
    fresh.airflow.pause(DAG, True)


def test_a_pool_that_nobody_declared_is_not_made(road: Road, tmp_path: Any) -> None:
    settings = json.loads((road.workspace.folder / "bailey.yaml").read_text(encoding="utf-8"))
    del settings["version"]
    settings["sources"] = {}
    workspace = Workspace(tmp_path / "work", settings, road.workspace.environment)
    mapping: dict[str, Any] = {
        "pipeline": "poolless",
        "schedule": {"crontab": "0 0 1 1 *"},
        "tasks": {"work": {**probe("nothing"), "pool": "nowhere-declared"}},
    }
    workspace.add_mapping(mapping)
    workspace.run("import", status=(0, 1))
    workspace.run("generate")
    refused = workspace.json("deploy", "--execute", status=1)
    assert [finding["code"] for finding in refused["findings"]] == ["BLY078"]
    assert road.airflow.found("/pools/nowhere-declared") is None and road.airflow.found("/dags/poolless") is None

    # One that is there is compared with what is declared, and left as it is.
    road.airflow.call("POST", "/pools", {"name": "nowhere-declared", "slots": 2})
    mapping["pools"] = {"nowhere-declared": 5}
    workspace.add_mapping(mapping)
    workspace.run("generate")
    told = workspace.json("deploy")
    assert [(finding["code"], finding["severity"]) for finding in told["findings"]] == [("BLY067", "warning")]
    assert road.airflow.call("GET", "/pools/nowhere-declared")["slots"] == 2

    # One that holds nothing starts nothing, whoever declared it or not; nor does a task that is larger than Airflow's own.
    del mapping["pools"]
    road.airflow.call("POST", "/pools", {"name": "holds-nothing", "slots": 0})
    mapping["tasks"]["work"]["pool"] = "holds-nothing"
    own = road.airflow.call("GET", "/pools/default_pool")["slots"]
    mapping["tasks"]["huge"] = {**probe("nothing"), "pool_slots": own + 1}
    workspace.add_mapping(mapping)
    workspace.run("generate")
    refused = workspace.json("deploy", "--execute", status=1)
    assert sorted((finding["code"], "which has 0 there" in finding["text"]) for finding in refused["findings"]) == [
        ("BLY066", False),
        ("BLY066", True),
    ]
    assert road.airflow.found("/dags/poolless") is None
