"""Past ticks in a running Airflow: each once, none that was legacy's unless it is named."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from rest import eventually
from road import Road, probe

pytestmark = pytest.mark.versions()
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


def started(past: Road, run: str, day: str, **conf: Any) -> dict[str, Any]:
    """A run of a day that has ended, as a person starts it, and what its task recorded."""
    body = {"dag_run_id": run, "logical_date": day, "conf": conf}
    past.airflow.call("POST", f"/dags/{DAG}/dagRuns", body)
    assert past.airflow.ended(DAG, run) == "success"
    outcome = past.airflow.outcome(DAG, run, "work")
    assert outcome is not None
    return outcome


def run_of(past: Road, run: str) -> dict[str, Any] | None:
    found = past.airflow.found(f"/dags/{DAG}/dagRuns/{run}")
    assert found is None or isinstance(found, dict)
    return found


def test_a_trial_is_run_anew_by_whomever_it_was_started(past: Road) -> None:
    asked_for, by_form, by_hand = ticks(3, 10)
    # Bailey's own way, a person's who only names the day, and what Airflow's form sends: every parameter as it stands.
    assert started(past, "asked-for", asked_for, bailey_backfill=True)["state"] == "observed"
    assert started(past, "by-form", by_form, bailey_mode="trial")["state"] == "observed"
    assert started(past, "by-hand", by_hand)["state"] == "observed"
    asked = ("backfill", DAG, "--from", asked_for, "--to", by_hand)
    would = past.workspace.json(*asked)
    assert fates(would) == ["again", "replace", "replace"]
    assert "by-hand, which a person started, would be deleted" in past.workspace.run(*asked).stdout
    assert run_of(past, "by-hand") is not None

    done = past.workspace.json(*asked, "--execute")
    assert [tick["ended"] for tick in done["ticks"]] == ["success"] * 3
    runs = [tick["run"] for tick in done["ticks"]]
    assert runs[0] == "asked-for" and run_of(past, "by-form") is None and run_of(past, "by-hand") is None
    for run in runs:
        outcome = past.airflow.outcome(DAG, run, "work")
        assert outcome is not None and (outcome["mode"], outcome["state"]) == ("live", "success")
    made = run_of(past, runs[2])
    assert made is not None and "deleted the run by-hand" in made["note"] and "trial:" not in made["note"]
    assert fates(past.workspace.json(*asked)) == ["claimed"] * 3

    # The right to run these ticks is the backfill's: whoever starts one by hand again tries it, and clearing that does not change it.
    past.airflow.call("DELETE", f"/dags/{DAG}/dagRuns/{runs[2]}")
    assert started(past, "tried-again", by_hand)["state"] == "observed"
    before = past.airflow.tasks(DAG, "tried-again")["gate"]["start_date"]
    past.airflow.call("POST", f"/dags/{DAG}/dagRuns/tried-again/clear", {"dry_run": False})
    eventually(
        "the gate was asked anew",
        lambda: (past.airflow.tasks(DAG, "tried-again")["gate"]["start_date"] or before) != before,
    )
    assert past.airflow.ended(DAG, "tried-again") == "success"
    outcome = past.airflow.outcome(DAG, "tried-again", "work")
    assert outcome is not None and (outcome["mode"], outcome["state"]) == ("shadow", "observed")


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
