"""Judges what ran while entries moved: each tick once, by one side."""

from __future__ import annotations

import json
from typing import Any

from dags import Airflow
from ledger import Run, Verdict, judge_interval, judge_minutes
from tally import Tally
from witness import Witness

from testing.world import World


def judge(world: World, tally: Tally, airflow: Airflow, witness: Witness, until: float) -> dict[str, Verdict]:
    """What each entry's runs say, by the records that the worker and the application left."""
    records = [json.loads(line) for line in world.records.lrange("runs", 0, -1)]
    (world.folder / "runs.jsonl").write_text("\n".join(json.dumps(record) for record in records))
    attempts = [json.loads(line) for line in world.records.lrange("attempts", 0, -1)]
    created: dict[str, list[float]] = {}
    for line in world.records.lrange("creations", 0, -1):
        creation = json.loads(line)
        created.setdefault(creation["entry"], []).append(creation["at"])
    verdicts: dict[str, Verdict] = {}
    for entry in world.entries:
        decided = airflow.decided(entry)
        dropped = airflow.wrongly_dropped(entry)
        for member in entry.everyone:
            mine = [record for record in records if record["entry"] == member.name]
            for record in mine:
                if record["side"] == "legacy" and witness.seen[entry.name].holds(record["fired_at"] - record["skew"]):
                    tally.problem(f"legacy fired {member.name} at {record['fired_at']:.3f} while Airflow owned it")
            runs = [run_of(record) for record in mine]
            sent = {round(run.at, 4) for run in runs}
            tried = [attempt["fired_at"] for attempt in attempts if attempt["entry"] == member.name]
            unsent = [at for at in tried if round(at, 4) not in sent]
            tally.add("runs that beat noted and never sent", len(unsent))
            if member.every == "cron":
                first = min(run.at for run in runs)
                clocks = created.get(member.name, [])
                verdicts[member.name] = judge_minutes(runs, decided, unsent, world.outages, clocks, first, until)
            else:
                verdicts[member.name] = judge_interval(
                    member.seconds,
                    entry.phase,
                    runs,
                    decided,
                    created.get(member.name, []),
                    unsent,
                    world.outages,
                    until,
                    absorbed=member is not entry,
                )
        verdicts[entry.name].lost += [f"the tick {tick:.3f} was asked for in time and coalesced" for tick in dropped]
    return verdicts


def run_of(record: dict[str, Any]) -> Run:
    """A record as the ledger takes it."""
    if record["side"] == "airflow":
        return Run("airflow", record["at"], record["ran_at"])
    return Run("legacy", record["fired_at"], record["ran_at"], record["went_on_from"])
