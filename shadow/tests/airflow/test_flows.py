"""Values that tasks hand on, in a running Airflow: with a gate, live and in shadow, and without; the embedded engine gives the same."""

from __future__ import annotations

import json
import urllib.error
from collections.abc import Iterator
from typing import Any

import pytest
from road import Road, probe

pytestmark = pytest.mark.versions()
GATED, UNGATED = "flows-gated", "flows-ungated"
TICK = "2026-11-27T23:30:00Z"
HOSTILE = "it's {{ ds }} $HOME '); DROP TABLE x; --"
# What a run is given, and what each task would be called with then.
GIVEN = {"models": ["a", HOSTILE, 12345678901234567890], "level": "high"}
SAID = {
    "models": {"type": "array", "default": ["standard"]},
    "level": {"type": "string", "choices": ["low", "high"], "default": "low"},
}
RUNS = {"live": (GATED, "live"), "shadow": (GATED, "trial"), "ungated": (UNGATED, None)}


def of(path: str, task: str = "first") -> dict[str, str]:
    """The list that a task runs for."""
    return {"from": task, "path": path}


def tasks(gated: bool) -> dict[str, Any]:
    """A task with a result, those that take of it, and one that asks for what is not there.

    Without a gate nobody tells Airflow that no repetition mends that.
    """
    first = probe("echo", {"param": "models"}, {"tick": "date"}, [{"tick": "iso"}], {"literal": {"param": "models"}})
    first["python"]["kwargs"] = {
        "level": {"param": "level"},
        "before": {"previous_tick": "iso"},
        "within": {"window": "date"},
    }
    command = ["/bin/sh", "-c", "cat"]
    list_of = probe("echo", [{"x": HOSTILE}], [{"x": 2.5}], [{"y": 1}])
    list_of["python"]["kwargs"] = {"none": []}
    return {
        "first": first,
        "second": probe(
            "echo",
            {"from": "first", "path": "$.args[0]"},
            {"deep": [{"from": "first", "path": "$.kwargs.level"}]},
            after=["first"],
        ),
        "third": {
            "command": {"arguments": command, "input": {"all": {"from": "second"}}},
            "after": ["second"],
            "shadow": "pure",
        },
        "wrong": probe(
            "echo",
            {"from": "first", "path": "$.args[9].x"},
            after=["first"],
            retries=2 if gated else 0,
            retry_delay="1h",
        ),
        "both": probe(
            "nothing",
            after=["first", "second"],
            when=[
                {"task": "first", "path": "$.kwargs.level", "in": ["medium", "high"]},
                {"task": "second", "path": "$.args[0][0]", "in": ["a", "b"]},
            ],
        ),
        "one": probe(
            "nothing",
            after=["first", "second"],
            when=[
                {"task": "first", "path": "$.kwargs.level", "in": ["medium", "high"]},
                {"task": "second", "path": "$.args[0][0]", "in": ["c"]},
            ],
        ),
        "either": probe(
            "nothing",
            after=["first", "second"],
            when={
                "any": [
                    {"task": "first", "path": "$.kwargs.level", "equals": "low"},
                    {"task": "second", "path": "$.args[0][0]", "in": ["a"]},
                ]
            },
        ),
        "neither": probe(
            "nothing",
            after=["first"],
            when=[{"any": [{"task": "first", "path": "$.kwargs.level", "equals": one} for one in ("low", "none")]}],
        ),
        # Once for each item; what is after a failed one does not run, and nothing runs for an empty list.
        "each": probe("echo", {"item": "$"}, {"tick": "date"}, after=["first"], for_each=of("$.args[0]")),
        "deep": probe("echo", {"item": "$[0].x"}, after=["list"], for_each=of("$.args", "list")),
        "list": list_of,
        "empty": probe("echo", after=["list"], for_each=of("$.kwargs.none", "list")),
        "no_list": probe("echo", after=["list"], for_each=of("$.sha256", "list")),
        "when_not": probe(
            "echo",
            after=["list"],
            for_each=of("$.args", "list"),
            when={"task": "list", "path": "$.args", "exists": False},
        ),
        "after_each": probe("nothing", after=["each"]),
        "after_deep": probe("nothing", after=["deep"], trigger_rule="all_done"),
        "end": probe(
            "nothing", after=["wrong", "both", "one", "third", "either", "neither", "no_list"], trigger_rule="all_done"
        ),
    }


@pytest.fixture(scope="module")
def flows(road: Road) -> Iterator[Road]:
    """The pipeline with a gate and without in the Airflow, and a run of each kind under way."""
    for name in (GATED, UNGATED):
        schedule = {"crontab": "30 0 * * *", "timezone": "Europe/Berlin"}
        road.workspace.add_mapping(
            {"pipeline": name, "schedule": schedule, "params": SAID, "tasks": tasks(name == GATED)}
        )
    road.workspace.run("import", status=(0, 1))
    road.workspace.run("generate", GATED)
    road.workspace.run("generate", "--ungated", UNGATED)
    road.deploy(GATED, UNGATED)
    for run, (dag, mode) in RUNS.items():
        conf = {**GIVEN, **({"bailey_mode": mode} if mode else {})}
        body: dict[str, Any] = {"dag_run_id": run, "conf": conf}
        # One run of a DAG may have a logical date; the other says that it has no tick.
        body["logical_date"] = TICK if run != "shadow" else TICK.replace("23:30", "23:31")
        road.airflow.call("POST", f"/dags/{dag}/dagRuns", body)
    yield road
    for name in (GATED, UNGATED):
        road.remove(name)


@pytest.mark.parametrize("run", list(RUNS))
def test_values_arrive_as_they_are(flows: Road, run: str) -> None:
    dag, mode = RUNS[run]
    ended = flows.airflow.ended(dag, run)
    states = {name: state for name, state in flows.airflow.states(dag, run).items() if name not in ("each", "deep")}
    expected = {"both": "success", "end": "success", "first": "success", "one": "skipped"}
    expected |= {"second": "success", "third": "success", "either": "success", "neither": "skipped"}
    expected |= {"list": "success", "take_each": "success", "take_deep": "success", "take_empty": "success"}
    expected |= {"take_no_list": "failed", "no_list": "upstream_failed", "take_when_not": "skipped"}
    expected |= {"when_not": "skipped", "empty": "skipped", "after_each": "success", "after_deep": "success"}
    expected |= {"wrong": "failed", **({"gate": "success"} if mode else {})}
    assert (states, ended) == (expected, "success")
    tick = TICK if run != "shadow" else TICK.replace("23:30", "23:31")
    first = result(flows, dag, run, "first")
    assert first["args"] == [GIVEN["models"], "2026-11-28", [tick], {"param": "models"}]
    before = "2026-11-26T23:30:00Z" if run != "shadow" else TICK
    within = {"from": "2026-11-27" if run != "shadow" else "2026-11-28", "until": "2026-11-28"}
    assert first["kwargs"] == {"level": "high", "before": before, "within": within}
    second = result(flows, dag, run, "second")
    assert second["args"] == [GIVEN["models"], {"deep": ["high"]}]
    assert result(flows, dag, run, "third") == {"all": second}
    assert mapped(flows, dag, run, "each") == {
        number: ("success", [item, "2026-11-28"]) for number, item in enumerate(GIVEN["models"])
    }
    found = mapped(flows, dag, run, "deep")
    assert {number: state for number, (state, _) in found.items()} == {0: "success", 1: "success", 2: "failed"}
    assert [found[number][1] for number in (0, 1)] == [[HOSTILE], [2.5]]
    if mode:
        outcome = flows.airflow.outcome(dag, run, "wrong")
        assert outcome is not None and outcome["attempts"] == 1
        assert outcome["error"]["type"] == "input"
        assert "“first” has nothing at $.args[9].x: at $.args is a list of 4" in outcome["error"]["message"]


def mapped(road: Road, dag: str, run: str, task: str) -> dict[int, tuple[str, Any]]:
    """The state of each instance of a task, and what it was called with."""
    place = f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}"
    found = {}
    for instance in road.airflow.call("GET", f"{place}/listMapped")["task_instances"]:
        number = instance["map_index"]
        value = road.airflow.value_at(f"{place}/xcomEntries/return_value?deserialize=false&map_index={number}")
        value = json.loads(value) if isinstance(value, str) else value
        found[number] = (instance["state"], None if value is None else value["args"])
    return found


def result(road: Road, dag: str, run: str, task: str) -> Any:
    """What a task returned: of its outcome, or of Airflow where there is none."""
    outcome = road.airflow.outcome(dag, run, task)
    if outcome is not None:
        return outcome["result"]
    value = road.airflow.xcom(dag, run, task)
    return json.loads(value) if isinstance(value, str) else value


@pytest.mark.parametrize("dag", [GATED, UNGATED])
@pytest.mark.parametrize("conf", [{"level": "middle"}, {"models": "a"}])
def test_a_parameter_of_the_wrong_type_is_refused_when_the_run_is_started(
    flows: Road, conf: dict[str, Any], dag: str
) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        flows.airflow.trigger(dag, f"wrong-{'-'.join(conf)}", conf)
    assert refused.value.code == 400
    assert next(iter(conf.values())) in refused.value.read().decode()
