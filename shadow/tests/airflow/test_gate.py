"""The gate in a running Airflow: what each of its answers makes of the run, as people see it in the grid."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from rest import ENDED, eventually
from road import Road, probe

from bailey_runtime.switch import Group, Switch

pytestmark = pytest.mark.versions()
DAG = "gated"
ENTRY = "gated-entry"
EVERY = 15.0
# A tick that is due before the test can claim it is of no use to it.
AHEAD = 4.0


@pytest.fixture(scope="module")
def gated(road: Road) -> Iterator[Road]:
    """A pipeline with every kind of trigger rule behind its gate, unpaused and in shadow."""
    clock = road.entry(ENTRY, EVERY)
    tasks = {
        "work": {"entry": clock, **probe("nothing")},
        "observed": {**probe("nothing"), "shadow": "observe", "after": ["work"]},
        "whatever": probe("nothing", after=["work"], trigger_rule="all_done"),
        "unless_failed": probe("nothing", after=["work"], trigger_rule="none_failed"),
    }
    road.pipeline(DAG, clock, tasks)
    road.build(DAG)
    yield road
    road.remove(DAG, ENTRY)


def scheduled(road: Road) -> list[dict[str, Any]]:
    """The scheduled runs that the gate decided or is to decide."""
    return [
        run
        for run in road.airflow.runs(DAG)
        if run["run_type"] == "scheduled" and "gate" in road.airflow.tasks(DAG, run["dag_run_id"])
    ]


def next_run(road: Road, after: datetime | None = None) -> str:
    """The first scheduled run later than an instant, once it has ended."""

    def look() -> str | None:
        for run in scheduled(road):
            late = after is None or datetime.fromisoformat(run["logical_date"]) > after
            if late and run["state"] in ENDED:
                return run["dag_run_id"]
        return None

    return eventually("a scheduled run has ended", look)


def latest_tick(road: Road) -> datetime:
    """The latest tick for which there is a run."""
    return max(datetime.fromisoformat(run["logical_date"]) for run in scheduled(road))


def live_run(road: Road, after: datetime) -> str | None:
    """The first live run later than an instant: an interval's tick between legacy's last and the window is still a shadow."""
    for run in scheduled(road):
        if datetime.fromisoformat(run["logical_date"]) > after and run["state"] in ENDED:
            outcome = road.airflow.outcome(DAG, run["dag_run_id"], "work")
            if outcome is not None and outcome["mode"] == "live":
                return run["dag_run_id"]
    return None


def test_shadow_runs_what_is_pure_and_observes_the_rest(gated: Road) -> None:
    run = next_run(gated)
    assert gated.airflow.states(DAG, run) == dict.fromkeys(
        ("gate", "work", "observed", "whatever", "unless_failed"), "success"
    )
    outcomes = {task: gated.airflow.outcome(DAG, run, task) for task in ("work", "observed")}
    assert {task: (found["mode"], found["state"]) for task, found in outcomes.items() if found} == {
        "work": ("shadow", "success"),
        "observed": ("shadow", "observed"),
    }


def test_redis_away_waits_and_then_goes_on(gated: Road) -> None:
    server = gated.legacy.member("redis")
    server.send(signal.SIGSTOP)
    try:

        def waiting() -> str | None:
            for run in scheduled(gated):
                # Its run may have been made before.
                if run["state"] not in ENDED:
                    states = gated.airflow.states(DAG, run["dag_run_id"])
                    if states["gate"] == "up_for_reschedule":
                        assert {state for task, state in states.items() if task != "gate"} == {None}
                        return run["dag_run_id"]
            return None

        run = eventually("the gate has put itself down", waiting)
    finally:
        server.send(signal.SIGCONT)
        gated.laboratory.revive_beat()
    assert gated.airflow.ended(DAG, run) == "success"
    assert gated.airflow.states(DAG, run)["work"] == "success"


def test_live_and_a_tick_that_another_run_has(gated: Road) -> None:
    before = latest_tick(gated)
    gated.cut_over(DAG)
    run = eventually("a run is live", lambda: live_run(gated, before))
    outcome = gated.airflow.outcome(DAG, run, "work")
    assert outcome is not None and (outcome["mode"], outcome["state"]) == ("live", "success")
    observed = gated.airflow.outcome(DAG, run, "observed")
    assert observed is not None and observed["state"] == "success"

    switch = Switch(gated.redis, Group((ENTRY,)))

    claimed: set[datetime] = set()

    def claim_the_next() -> None:
        tick = gated.airflow.next_tick(DAG)
        if not AHEAD < tick.timestamp() - time.time() < EVERY:
            return
        # Airflow leaves out ticks that pass while its scheduler is busy: of those there is no run, so another is claimed.
        if claimed and time.time() - max(claimed).timestamp() < 2 * EVERY:
            return
        at = str(round(tick.timestamp() * 1_000_000))
        named = switch.status()[0].text("installation")
        assert named, "the gate that claimed first named its installation"
        word, *_ = switch.call("claim", at, "another/run", "every", "", at, named, "")
        assert word == "live"
        claimed.add(tick)

    def run_of_a_claimed_tick() -> str | None:
        claim_the_next()
        for run in scheduled(gated):
            if datetime.fromisoformat(run["logical_date"]) in claimed and run["state"] in ENDED:
                return run["dag_run_id"]
        return None

    skipped = eventually("the run of a claimed tick has ended", run_of_a_claimed_tick)
    assert gated.airflow.states(DAG, skipped) == dict.fromkeys(
        ("gate", "work", "observed", "whatever", "unless_failed"), "skipped"
    )
    assert gated.airflow.outcome(DAG, skipped, "whatever") is None

    gated.roll_back(DAG)
    back = next_run(gated, after=latest_tick(gated))
    outcome = gated.airflow.outcome(DAG, back, "work")
    assert outcome is not None and outcome["mode"] == "shadow"


def test_a_gate_that_gives_up_runs_nothing(gated: Road) -> None:
    """A switch that this version does not know is no answer, and no answer never means go."""
    gated.redis.hset(f"bailey:switch:{{redbeat:{ENTRY}}}", "v", "99")
    try:
        run = next_run(gated, after=latest_tick(gated))
        states = gated.airflow.states(DAG, run)
        assert states["gate"] == "failed"
        assert not {"success", "failed"} & {state for task, state in states.items() if task != "gate"}
    finally:
        gated.redis.delete(f"bailey:switch:{{redbeat:{ENTRY}}}")
