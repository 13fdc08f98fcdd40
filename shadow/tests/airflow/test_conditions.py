"""Tasks with conditions in a running Airflow: those whose condition does not hold are skipped, later ones as trigger rules say."""

from __future__ import annotations

from typing import Any

from road import Road, probe

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


def test_the_grid_shows_which_held(road: Road) -> None:
    gated, ungated = "conditions-gated", "conditions-ungated"
    for name in (gated, ungated):
        road.workspace.add_mapping({"pipeline": name, "schedule": YEARLY, "tasks": tasks()})
    road.workspace.run("import", status=(0, 1))
    road.workspace.run("generate", gated)
    road.workspace.run("generate", "--ungated", ungated)
    road.deploy(gated, ungated)
    runs = [(gated, "shadow", {}), (gated, "live", {"bailey_mode": "live"}), (ungated, "by-hand", {})]
    for dag, run, conf in runs:
        road.airflow.trigger(dag, run, conf)
    for dag, run, _ in runs:
        assert road.airflow.ended(dag, run) == "success"
        states = road.airflow.states(dag, run)
        assert states == {**expected(), **({"gate": "success"} if dag == gated else {})}, f"{dag}/{run}"
    for mode in ("shadow", "live"):
        outcome = road.airflow.outcome(gated, mode, "many")
        assert outcome is not None and (outcome["mode"], outcome["state"]) == (mode, "success")
        assert road.airflow.outcome(gated, mode, "few") is None, "what was skipped has no outcome"
    for name in (gated, ungated):
        road.remove(name)
