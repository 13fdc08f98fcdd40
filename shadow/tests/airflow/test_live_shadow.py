"""Pipelines in shadow beside the live legacy system: every tick is compared, with the right run of either side, and what differs is found."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from road import Road

PAIRS = 8
TICKS_COMPARED = 30
WATCHED = timedelta(seconds=330)
MINUTE = timedelta(minutes=1)
# What the mappings say differently from the entries, and by what kind of difference it is found.
PLANTED = {"shadowed-5": "result", "shadowed-6": "state", "shadowed-7": "result"}


def instant(text: str) -> datetime:
    """An instant of Bailey's or Airflow's."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def build(road: Road) -> list[str]:
    """Pipelines whose entries are due each minute; three of them with a planted difference."""
    names = [f"shadowed-{number}" for number in range(PAIRS)]
    for name in names:
        page = {"template": "{{ x }}\n", "owner": name, "limits": [1, 2]}
        clock = road.entry(f"{name}-entry", task="company.ops.refresh_cache", args=[name], kwargs=page)
        call: dict[str, Any] = {"callable": "lab.work:refresh_cache", "environment": "company"}
        if name == "shadowed-5":
            call["kwargs"] = {**page, "owner": "somebody else"}
        if name == "shadowed-6":
            call["kwargs"] = {**page, "limits": ["not a number"]}
        if name == "shadowed-7":
            call["args"] = ["another key"]
        road.pipeline(name, clock, {"work": {"entry": clock, "python": call, "shadow": "pure"}})
    road.build(*names)
    return names


def legacy_run(road: Road, run: str) -> tuple[str, datetime]:
    """What a run of legacy's was called with first, and when it ended, from its result in Redis."""
    stored = json.loads(road.redis.get(f"celery-task-meta-{run}") or b"{}")
    ended = datetime.fromisoformat(stored["date_done"])
    return stored["args"][0], ended if ended.tzinfo else ended.replace(tzinfo=timezone.utc)


@pytest.mark.full
@pytest.mark.versions()
def test_every_tick_is_compared_with_its_own_runs(road: Road) -> None:
    names = build(road)
    began = datetime.now(timezone.utc)
    words = ("shadow", "--engine", "airflow", "--for", f"{WATCHED.seconds}s", *names)
    road.workspace.run(*words, status=(0, 1), limit=900)
    report = road.workspace.json("report", status=(0, 1))
    found = {pipeline["id"]: pipeline for pipeline in report["pipelines"]}
    first = began.replace(second=0, microsecond=0) + MINUTE
    # The last minute's run may have been under way when the watch ended.
    last = (began + WATCHED).replace(second=0, microsecond=0) - MINUTE
    due = {first + MINUTE * number for number in range((last - first) // MINUTE + 1)}
    compared = 0
    for name in names:
        ticks = set()
        for comparison in found[name]["comparisons"]:
            tick = instant(comparison["tick"])
            assert tick not in ticks, f"{name}: {tick} is compared twice"
            ticks.add(tick)
            assert comparison["verdict"] in ("match", "mismatch"), comparison["reason"]
            run = comparison["shadow"]["run"].split("/", 1)[1]
            assert instant(road.airflow.call("GET", f"/dags/{name}/dagRuns/{run}")["logical_date"]) == tick
            called, ended = legacy_run(road, comparison["legacy"]["run"].split("/")[-1])
            assert called == name and tick <= ended < tick + MINUTE
            kinds = {difference["kind"] for difference in comparison["differences"]}
            assert (PLANTED.get(name) in kinds) if name in PLANTED else not kinds, f"{name}: {comparison}"
            compared += 1
        assert due <= ticks, f"{name} missed {due - ticks}"
    print(f"{compared} ticks compared, 0 missed, 0 mispaired; planted differences found in {len(PLANTED)} of {PAIRS}")
    assert compared >= TICKS_COMPARED
    for name in names:
        road.remove(name, f"{name}-entry")
