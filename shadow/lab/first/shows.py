"""What each step of `make demo-company` is to show (`python -m lab.first.shows STEP …`): it ends with status 1 and words where it does not.

Facts are checked, not speed; what takes time is waited for, with a limit.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

from lab.first.administrator import Administrator
from lab.first.calendar import hourly

LIMIT = 600.0
TRAININGS = ("classifier", "regressor", "embeddings")


class NotShown(Exception):
    """What was to be seen, and what was."""


def document(file: str) -> dict[str, Any]:
    """A JSON document that a command of Bailey's has printed."""
    found: dict[str, Any] = json.loads(Path(file).read_text(encoding="utf-8"))
    return found


def asked(program: str, *words: str) -> dict[str, Any]:
    """What a command of Bailey's says with --json."""
    done = subprocess.run([program, *words, "--json"], capture_output=True, text=True, check=False)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def until(what: str, look: Callable[[], bool]) -> None:
    """Waits until something is so."""
    deadline = time.monotonic() + LIMIT
    while not look():
        if time.monotonic() > deadline:
            raise NotShown(f"not within {LIMIT:g} s: {what}")
        time.sleep(3)
    say(what)


def say(text: str) -> None:
    """One thing that was shown."""
    print(f"  shown: {text}", flush=True)


def expect(holds: bool, what: str) -> None:
    """Says what is so, or that it is not."""
    if not holds:
        raise NotShown(f"that is not what the demo is to show: {what}")
    say(what)


def pipeline(found: dict[str, Any], name: str) -> dict[str, Any]:
    """A pipeline of a document."""
    return next(one for one in found["pipelines"] if one["id"] == name)


# The steps


def discovered(file: str) -> None:
    """The systems, and the two lines of the crontab."""
    found = document(file)
    kinds = [one["kind"] for one in found["systems"]]
    expect("celery" in kinds and "queue" in kinds, "a schedule in code and a job queue were found")
    expect(
        any(one["kind"] == "pg_cron" and one["blocked"] for one in found["systems"]),
        "pg_cron's line was found, and that its extension is not there",
    )
    expect("workflow" in kinds, "the orchestrator's tables were found")
    codes = [one["code"] for one in found["findings"]]
    expect({"BLY094", "BLY095"} <= set(codes), "two crontab lines would take the schedule or the messages away")


def moment(night: str) -> None:
    """Waits for a moment at which no tick is near, as a person does who restarts beat: some seconds after one, and long before the next."""
    hour = hourly(int(night)) * 60
    while not 5 <= time.time() % hour <= hour - 20:
        time.sleep(0.5)


def next_night(night: str, more: str) -> None:
    """How many seconds to watch so that a whole night is seen: until so many after the tick of the next one."""
    phase, length = int(os.environ["COMPANY_PHASE"]) * 60, int(night) * 60
    ahead = length - (time.time() - phase) % length
    # The watching must have begun.
    print(round(ahead + float(more) + (length if ahead < 8 else 0)))


def planned(file: str) -> None:
    """The company's own figures, as the plan reckons them."""
    found = document(file)
    night, data_set = (pipeline(found, name) for name in ("ml-training", "bsl-dataset"))
    lengths = {task["id"]: task["seconds"] / 60 for task in pipeline(found, "ml-training")["tasks"] if task["seconds"]}
    one, side = sum(lengths[name] for name in TRAININGS), max(lengths[name] for name in TRAININGS)
    expect((one, side) == (45, 20), f"the trainings: {one:g} minutes one after another, {side:g} side by side")
    expect(round(night["projected_seconds"] / 60) == 60, "the night: 60 minutes (77 today)")
    expect(round(data_set["projected_seconds"] / 60) == 205, "the data set: 205 minutes (290 by hand today)")
    errors = [one["code"] for one in found["findings"] if one["severity"] == "error"]
    expect(not errors, f"findings of error severity: {errors or 'none'}")


def ticks() -> None:
    """Which ticks a trial is of, and which of the past are run: none of those that an unpause keeps from running, nor a trial's own.

    A run that a person started by hand stays by hand.
    """
    now = datetime.now(timezone.utc)
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    sync = day + timedelta(hours=now.hour // 6 * 6 - 12)
    # Sunday is the last day of Python's week.
    data_set = day - timedelta(days=(day.weekday() + 1) % 7 + 7)
    past = (sync - timedelta(hours=12), sync - timedelta(hours=6), data_set - timedelta(days=7))
    print(" ".join(f"{tick:%Y-%m-%dT%H:%M:%SZ}" for tick in (sync, data_set, *past)))


def compared(file: str) -> None:
    """Both pipelines were compared, and nothing differs."""
    found = document(file)
    for name in ("feature-store", "ml-training"):
        one = pipeline(found, name)
        expect(one["mismatch"] == 0, f"{name}: nothing differs")
        expect(one["match"] >= 1, f"{name}: {one['match']} runs of legacy and of Airflow match")


def returned(name: str, program: str) -> None:
    """The bounded window is over."""
    until(f"{name}: its one tick was Airflow's, and it is legacy's again", lambda: owner(program, name) == "legacy")


def claimed(name: str, program: str) -> None:
    """A tick of it was Airflow's."""

    def look() -> bool:
        seen = asked(program, "status", name)["pipelines"][0]["ticks"]
        return any(tick["runner"] == "airflow" for tick in seen)

    until(f"{name}: Airflow has run a tick of it", look)


def legacy(name: str, program: str) -> None:
    """Legacy runs it again."""

    def look() -> bool:
        seen = asked(program, "status", name)["pipelines"][0]["ticks"]
        return bool(seen) and seen[0]["runner"] == "legacy"

    until(f"{name}: legacy runs it again", look)


def owner(program: str, name: str) -> str | None:
    """Who owns the next tick."""
    found = asked(program, "status", name)["pipelines"][0]["owner"]
    return None if found is None else str(found)


def lived(name: str, program: str) -> None:
    """A whole run was live."""

    def look() -> bool:
        measured = pipeline(asked(program, "report", name, "--savings"), name)["measured"]
        return bool(measured) and measured["runs"] >= 1

    until(f"{name}: a live run with all of its tasks has ended", look)


def synced() -> None:
    """Each store has what was loaded."""
    with psycopg.connect(os.environ["COMPANY_DATABASE_URL"]) as connection:
        row = connection.execute("SELECT count(*) FROM mart.documents").fetchone()
    rows = row[0] if row else 0
    counts = {}
    for name in ("neo4j", "qdrant", "elasticsearch"):
        with urllib.request.urlopen(os.environ[f"COMPANY_{name.upper()}_URL"] + "/count", timeout=10) as answer:
            counts[name] = json.load(answer)["rows"]
    expect(
        rows > 0 and set(counts.values()) == {rows}, f"{rows} documents are in PostgreSQL, and in each store: {counts}"
    )


def saved(file: str, by_hand: str, worker_log: str, speed: str) -> None:
    """Recorded, projected, measured: beside each other, in seconds of the laboratory and in the company's minutes."""
    found, minutes = document(file), float(speed) / 60
    night, data_set = pipeline(found, "ml-training"), pipeline(found, "bsl-dataset")
    expect(night["recorded"]["by"] == "watching", "how long legacy's entries take was seen while shadowing")
    hand = float(document(by_hand)["seconds"])
    before = re.findall(r"trainings: ([0-9.]+) s", Path(worker_log).read_text(encoding="utf-8"))
    span, alone = side_by_side("ml-training", TRAININGS)
    trainings = (median([float(one) for one in before]), 20 / minutes, span)
    rows = {
        "night": (77, 60, night["recorded"]["seconds"], night["projected"]["seconds"], night["measured"]),
        "data set": (290, 205, hand, data_set["projected"]["seconds"], data_set["measured"]),
    }
    print(f"\n  {'':10} {'its own figures':>16} {'recorded':>20} {'projected':>20} {'measured':>20}")

    def line(name: str, own: str, *seconds: float) -> None:
        cells = [f"{one:6.1f} s ({one * minutes:3.0f} min)" for one in seconds]
        print(f"  {name:10} {own:>16} " + " ".join(f"{cell:>20}" for cell in cells))

    line("trainings", "45 → 20", *trainings)
    for name, (today, wanted, recorded, projected, measured) in rows.items():
        line(name, f"{today} → {wanted}", recorded, projected, measured["bodies_seconds"])
    print(
        "  Measured is what the bodies took along the longest path, in their own time: what a task waits for counts with its body, as in the projection."
        "\n  Legacy's night was run in this laboratory, the data set step by step, as by hand."
    )
    for name, (today, wanted, recorded, projected, measured) in rows.items():
        expect(abs(projected * minutes - wanted) < 1, f"{name}: {wanted} minutes projected")
        expect(
            recorded * minutes > today * 0.98,
            f"{name}: {recorded * minutes:.0f} minutes before, which are said to be {today}",
        )
        took = measured["bodies_seconds"]
        # Bodies that did not run would show.
        expect(took >= projected * 0.95, f"{name}: {took:.1f} s of bodies, {projected:.1f} s projected")
        say(f"{name}: the bodies took {within(took, projected)}")
        said = pipeline(found, {"night": "ml-training", "data set": "bsl-dataset"}[name])["projected"]
        if said["run_seconds"]:
            say(
                f"{name}: the whole run took {within(measured['seconds'], said['run_seconds'])}: the bodies' {projected:.1f} s, and for each of the "
                f"{said['path_tasks']} tasks on the path {said['overhead_per_task_seconds']:.1f} s of Airflow's own, as {said['overhead_runs']} shadow runs before had shown"
            )
    expect(span < alone, f"the trainings ran side by side: {span:.1f} s for bodies of {alone:.1f} s in all")


def within(took: float, projected: float) -> str:
    """What was measured, how far off what was foretold."""
    off = took / projected - 1
    return f"{took:.1f} s, {off:+.1%} off the projected {projected:.1f} s, {'within' if abs(off) <= 0.1 else 'NOT within'} 10 %"


def side_by_side(name: str, tasks: tuple[str, ...]) -> tuple[float, float]:
    """Seconds from the first beginning to the last end of the tasks' bodies, and of all of them, in the newest live run that has them."""
    airflow = Administrator(os.environ)
    runs = airflow.call("GET", f"/dags/{name}/dagRuns?order_by=-start_date&limit=50")["dag_runs"]
    for run in (one for one in runs if one["state"] == "success"):
        base = f"/dags/{name}/dagRuns/{run['dag_run_id']}/taskInstances"
        ids = [one["task_id"] for one in airflow.call("GET", base)["task_instances"]]
        spans = []
        for task in (one for one in ids if one.rpartition(".")[2] in tasks):
            entries = airflow.call("GET", f"{base}/{task}/xcomEntries")["xcom_entries"]
            if any(entry["key"] == "bailey_outcome" for entry in entries):
                value = airflow.call("GET", f"{base}/{task}/xcomEntries/bailey_outcome?deserialize=false")["value"]
                outcome = json.loads(value)
                outcome = json.loads(outcome) if isinstance(outcome, str) else outcome
                if (outcome["mode"], outcome["state"]) == ("live", "success"):
                    spans.append(
                        [datetime.fromisoformat(outcome[key].replace("Z", "+00:00")) for key in ("start", "end")]
                    )
        if len(spans) == len(tasks):
            span = max(end for _, end in spans) - min(start for start, _ in spans)
            return span.total_seconds(), sum((end - start).total_seconds() for start, end in spans)
    raise NotShown(f"no live run of {name} has all of {', '.join(tasks)}")


def hours_by_hand(file: str, settings: str) -> None:
    """Writes what the data set took by hand into the settings, where no system has recorded it."""
    place = Path(settings)
    seconds = document(file)["seconds"]
    place.write_text(
        place.read_text(encoding="utf-8").replace("bsl-dataset: 290m", f"bsl-dataset: {seconds}s"), encoding="utf-8"
    )
    say(f"the data set took {seconds} s by hand; bailey.yaml says so (savings.before)")


STEPS: dict[str, Callable[..., None]] = {
    step.__name__: step
    for step in (
        *(discovered, moment, planned, next_night, ticks, compared, returned, claimed, legacy, lived, synced),
        *(hours_by_hand, saved),
    )
}


def main() -> int:
    """Looks at one step."""
    name, *words = sys.argv[1:]
    try:
        STEPS[name](*words)
    except NotShown as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
