"""A pipeline moves over and back under a real beat, a real scheduler and real workers: each tick has one owner."""

from __future__ import annotations

import json
from datetime import datetime

from rest import ENDED, eventually
from road import Road, probe

DAG = "over-and-back"
ENTRY = "over-and-back-entry"
EVERY = 10.0
CROSSINGS = 2
TICKS = 2


def live_ticks(road: Road) -> dict[int, str]:
    """The ticks (µs) that the DAG has run live, from what its tasks recorded, and the run of each."""
    found: dict[int, str] = {}
    for run in road.airflow.runs(DAG):
        if run["state"] in ENDED and run["run_type"] == "scheduled":
            outcome = road.airflow.outcome(DAG, run["dag_run_id"], "work")
            if outcome is not None and outcome["mode"] == "live":
                tick = round(datetime.fromisoformat(run["logical_date"]).timestamp() * 1_000_000)
                assert tick not in found
                found[tick] = run["dag_run_id"]
    return found


def legacy_runs(road: Road) -> list[datetime]:
    """When legacy ran the entry, from the results of its workers."""
    runs = []
    for key in road.redis.scan_iter("celery-task-meta-*"):
        stored = json.loads(road.redis.get(key) or b"{}")
        if stored.get("name") == "company.ops.refresh_cache" and stored.get("args") == [ENTRY]:
            runs.append(datetime.fromisoformat(stored["date_done"] + ("" if "+" in stored["date_done"] else "+00:00")))
    return sorted(runs)


def test_each_tick_has_one_owner(road: Road) -> None:
    clock = road.entry(ENTRY, EVERY, task="company.ops.refresh_cache", args=[ENTRY])
    road.pipeline(DAG, clock, {"work": probe("nothing", entry=clock)})
    road.build(DAG)
    for _ in range(CROSSINGS):
        before = len(live_ticks(road))
        road.cut_over(DAG)
        moved = road.redis.time()[0]
        eventually("Airflow runs ticks", lambda: len(live_ticks(road)) >= before + TICKS)
        road.roll_back(DAG)
        back = road.redis.time()[0]
        between = [at for at in legacy_runs(road) if moved + 1 < at.timestamp() < back]
        assert between == [], "legacy ran while Airflow owned every tick"
        count = len(legacy_runs(road))
        eventually("legacy runs again", lambda: len(legacy_runs(road)) > count)
    # Every claim was run, once, and every live run had a claim.
    claims = road.redis.hgetall(f"bailey:claims:{{redbeat:{ENTRY}}}")
    claimed = {int(tick): json.loads(claim) for tick, claim in claims.items() if tick.isdigit()}
    claimed = {tick: claim for tick, claim in claimed.items() if claim["how"] == "live"}
    assert len(claimed) >= CROSSINGS * TICKS
    ran = eventually("what was claimed has run", lambda: set(claimed) <= set(live_ticks(road)) and live_ticks(road))
    assert {tick: f"{DAG}/{run}" for tick, run in ran.items()} == {
        tick: claim["run"] for tick, claim in claimed.items()
    }
    road.remove(DAG, ENTRY)
