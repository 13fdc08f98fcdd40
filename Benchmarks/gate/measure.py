"""The gate benchmark: measure.py [RUNS]; BAILEY names the program.

Two DAGs with one empty task each are due at the same interval, one behind a gate. A run's cost is the time from when it was due to its
end, by Airflow's own record. The gate is asked in shadow first, then live, which looks at the claim twice.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from rest import ENDED, eventually
from road import Road, probe

from lab.airflow import AirflowStack
from lab.laboratory import Laboratory

EVERY = 20.0
LIMIT_SECONDS = 3.0
GATED, UNGATED = "gated", "ungated"
# The first runs after a start pay for cold workers.
COLD = 2


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def build(road: Road) -> None:
    """Both pipelines, deployed and unpaused."""
    for name, words in ((GATED, ()), (UNGATED, ("--ungated",))):
        clock = road.entry(f"{name}-entry", EVERY)
        road.pipeline(name, clock, {"work": {"entry": clock, **probe("nothing")}})
        road.workspace.run("import", status=(0, 1))
        road.workspace.run("generate", *words, name, status=(0, 1))
    for name in (GATED, UNGATED):
        road.deploy(name)


def costs(road: Road, name: str, after: datetime, count: int) -> list[float]:
    """Seconds of the first so many scheduled runs that were due after an instant, once they have ended."""

    def look() -> list[float] | None:
        runs = [
            run
            for run in road.airflow.runs(name)
            if run["run_type"] == "scheduled" and datetime.fromisoformat(run["run_after"]) > after
        ][:count]
        if len(runs) < count or any(run["state"] not in ENDED for run in runs):
            return None
        failed = [run["dag_run_id"] for run in runs if run["state"] != "success"]
        if failed:
            raise SystemExit(f"{name}: {failed} did not succeed")
        return [
            (datetime.fromisoformat(run["end_date"]) - datetime.fromisoformat(run["run_after"])).total_seconds()
            for run in runs
        ]

    return eventually(f"{count} runs of {name} have ended", look, limit=EVERY * (count + 6) + 120, pause=2)


def compare(road: Road, mode: str, count: int) -> None:
    """Prints one line."""
    after = datetime.fromtimestamp(road.redis.time()[0]).astimezone()
    medians = {}
    for name in (GATED, UNGATED):
        found = costs(road, name, after, count + COLD)[COLD:]
        medians[name] = statistics.median(found)
    more = medians[GATED] - medians[UNGATED]
    print(
        f"  {mode:8} gated {medians[GATED]:5.2f} s   ungated {medians[UNGATED]:5.2f} s   the gate adds {more:5.2f} s"
        f" (wanted: at most {LIMIT_SECONDS:g})   {more / LIMIT_SECONDS:.2f} of the limit",
        flush=True,
    )


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o711)
        laboratory, stack = Laboratory(place / "legacy", say), AirflowStack(place / "airflow", say)
        try:
            legacy = laboratory.up(speed=600.0, poll_interval=5.0, owner=os.getpid())
            record = stack.up("33", "local", owner=os.getpid())
            road = Road(place / "workspace", laboratory, legacy, stack, record)
            build(road)
            print(f"from due to done, medians of {count} empty runs, Airflow 3.3.2, LocalExecutor, every {EVERY:g} s")
            compare(road, "shadow", count)
            road.cut_over(GATED)
            compare(road, "live", count)
        finally:
            stack.down()
            laboratory.down()


if __name__ == "__main__":
    main()
