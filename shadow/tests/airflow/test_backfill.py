"""Past ticks in a running Airflow: each once, none that was legacy's unless it is named."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from road import Road, probe

DAG = "past"
LEGACYS = "past-legacys"


def ticks(count: int, newest: int) -> list[str]:
    """So many days' midnights, the latest so many days ago."""
    today = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [today - timedelta(days=newest + count - 1 - place) for place in range(count)]
    return [day.strftime("%Y-%m-%dT%H:%M:%SZ") for day in days]


def fates(report: dict[str, Any]) -> list[str]:
    return [tick["fate"] for tick in report["ticks"]]


@pytest.fixture(scope="module")
def past(road: Road) -> Road:
    """A pipeline that is due each midnight, and one that stands for an entry of legacy's."""
    tasks = {"work": {**probe("nothing"), "shadow": "observe"}}
    road.workspace.add_mapping({"pipeline": DAG, "schedule": {"crontab": "0 0 * * *"}, "tasks": tasks})
    clock = road.entry("past-entry")
    road.pipeline(LEGACYS, clock, {"work": {"entry": clock, **probe("nothing")}})
    road.build(DAG, LEGACYS)
    return road


def test_each_tick_runs_once(past: Road) -> None:
    days = ticks(3, 2)
    asked = ("backfill", DAG, "--from", days[0][:10], "--to", days[2][:10])
    assert fates(past.workspace.json(*asked)) == ["run"] * 3
    assert [run for run in past.airflow.runs(DAG) if run["run_type"] != "manual"] == []

    done = past.workspace.json(*asked, "--parallel", "2", "--execute")
    assert [(tick["tick"], tick["ended"]) for tick in done["ticks"]] == [(day, "success") for day in days]
    for tick in done["ticks"]:
        outcome = past.airflow.outcome(DAG, tick["run"], "work")
        assert outcome is not None and (outcome["mode"], outcome["state"]) == ("live", "success")

    again = past.workspace.json(*asked, "--execute")
    assert fates(again) == ["claimed"] * 3 and again["executed"] is False
    # It was no launch.
    assert past.workspace.json("status", DAG)["pipelines"][0]["owner"] is None


def test_a_trial_is_run_anew(past: Road) -> None:
    (day,) = ticks(1, 10)
    past.airflow.call(
        "POST",
        f"/dags/{DAG}/dagRuns",
        {"dag_run_id": "tried", "logical_date": day, "conf": {"bailey_backfill": True}},
    )
    assert past.airflow.ended(DAG, "tried") == "success"
    outcome = past.airflow.outcome(DAG, "tried", "work")
    assert outcome is not None and outcome["state"] == "observed"
    done = past.workspace.json("backfill", DAG, "--from", day, "--to", day, "--execute")
    assert [(tick["fate"], tick["run"], tick["ended"]) for tick in done["ticks"]] == [("again", "tried", "success")]
    outcome = past.airflow.outcome(DAG, "tried", "work")
    assert outcome is not None and (outcome["mode"], outcome["state"]) == ("live", "success")


def test_what_was_legacys_is_refused_unless_it_is_named(past: Road) -> None:
    now = datetime.now(timezone.utc).replace(second=0, microsecond=0)
    first, second = (now - timedelta(minutes=5 - place) for place in range(2))
    days = [at.strftime("%Y-%m-%dT%H:%M:%SZ") for at in (first, second)]
    asked = ("backfill", LEGACYS, "--from", days[0], "--to", days[1])
    refused = past.workspace.json(*asked, status=1)
    assert fates(refused) == ["refused"] * 2
    assert all("legacy" in tick["why"] for tick in refused["ticks"])


def test_what_has_no_past_says_so(past: Road) -> None:
    for words, text in [
        (("--from", "2026-13-01", "--to", "2026-01-02"), "neither an instant"),
        (("--from", "2026-01-03", "--to", "2026-01-02"), "--from is after --to"),
        (("--from", "2999-01-01", "--to", "2999-01-02"), "has not come yet"),
        (("--from", "2026-01-01", "--to", "2026-01-02", "--although-legacy", "2026-01-01T00:00:01Z"), "no tick"),
    ]:
        assert text in past.workspace.run("backfill", DAG, *words, status=2).stderr
