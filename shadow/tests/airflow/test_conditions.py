"""Tasks with conditions in a running Airflow: those whose condition does not hold are skipped, later ones as trigger rules say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from road import Road, probe

pytestmark = pytest.mark.versions()
YEARLY = {"crontab": "0 4 1 1 *"}
RESULT = {"rows": 3, "where": ["north", None], "ok": True}
# Two opposite conditions make a branch; what is after both runs when neither failed.
CONDITIONS: dict[str, tuple[dict[str, Any], bool]] = {
    "many": ({"path": "$.kwargs.rows", "above": 2}, True),
    "few": ({"path": "$.kwargs.rows", "below": 3}, False),
    "nowhere": ({"path": "$.kwargs.where[1]", "exists": False}, True),
    "one": ({"path": "$.kwargs.ok", "equals": 1}, False),
}


def tasks() -> dict[str, Any]:
    """A task with a result, one for each condition, and some that are after those."""
    count = probe("echo")
    count["python"]["kwargs"] = RESULT
    branches = {
        name: probe("nothing", after=["count"], group="branches", when={"task": "count", **condition})
        for name, (condition, _) in CONDITIONS.items()
    }
    return {
        "count": count,
        **branches,
        "after_the_skipped": probe("nothing", after=["few"]),
        "after_one_of_them": probe("nothing", after=["many", "few"], trigger_rule="none_failed_min_one_success"),
        "last": probe("nothing", after=["after_the_skipped"], trigger_rule="all_done"),
    }


def expected() -> dict[str, str]:
    """The states of the grid."""
    branches = {name: "success" if holds else "skipped" for name, (_, holds) in CONDITIONS.items()}
    after = {"after_the_skipped": "skipped", "after_one_of_them": "success", "last": "success"}
    return {"count": "success", **branches, **after}


@pytest.fixture(scope="module")
def both(road: Road, request: pytest.FixtureRequest) -> Iterator[Road]:
    """The pipeline with a gate and without in the Airflow, and a run of each under way."""
    gated, ungated = "conditions-gated", "conditions-ungated"
    for name in (gated, ungated):
        road.workspace.add_mapping({"pipeline": name, "schedule": YEARLY, "tasks": tasks()})
    road.workspace.run("import", status=(0, 1))
    road.workspace.run("generate", gated)
    road.workspace.run("generate", "--ungated", ungated)
    road.deploy(gated, ungated)
    for mode in ("live", "shadow") if request.config.getoption("--full") else ("live",):
        # Where there is no legacy side a shadow is a trial.
        road.airflow.trigger(gated, mode, {"bailey_mode": "trial" if mode == "shadow" else mode})
    road.airflow.trigger(ungated, "by-hand")
    yield road
    for name in (gated, ungated):
        road.remove(name)


@pytest.mark.parametrize(
    ("dag", "mode"),
    [
        ("conditions-gated", "live"),
        pytest.param("conditions-gated", "shadow", marks=pytest.mark.full),
        ("conditions-ungated", None),
    ],
    ids=["live", "in shadow", "ungated"],
)
def test_the_grid_shows_which_held(both: Road, dag: str, mode: str | None) -> None:
    run = mode or "by-hand"
    assert both.airflow.ended(dag, run) == "success"
    assert both.airflow.states(dag, run) == {**expected(), **({"gate": "success"} if mode else {})}
    if mode:
        outcome = both.airflow.outcome(dag, run, "many")
        assert outcome is not None and (outcome["mode"], outcome["state"]) == (mode, "success")
        assert both.airflow.outcome(dag, run, "few") is None, "what was skipped has no outcome"


def test_a_run_with_skipped_tasks_is_measured_for_what_it_is(both: Road) -> None:
    assert both.airflow.ended("conditions-gated", "live") == "success"
    (row,) = both.workspace.json("report", "conditions-gated", "--savings")["pipelines"]
    measured = row["measured"]
    skipped = [task for task, state in expected().items() if state == "skipped"]
    assert (measured["runs"], measured["runs_with_skips"]) == (1, 1)
    assert measured["skipped"] == dict.fromkeys(skipped, 1)
    assert 0 < measured["sequential_seconds"] and 0 < measured["longest_path_seconds"] <= measured["seconds"]
    assert row["deviation"] is None
    said = both.workspace.run("report", "conditions-gated", "--savings").stdout
    assert "1 run, tasks skipped" in said and "few in 1" in said
