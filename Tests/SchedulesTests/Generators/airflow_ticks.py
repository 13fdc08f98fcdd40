"""Writes the ticks that Airflow's own timetable classes give, as JSON lines.

Run it in an Airflow installation: python airflow_ticks.py COUNT SEED > ../Fixtures/airflow-VERSION.jsonl
"""

from __future__ import annotations

import datetime
import json
import random
import sys

import airflow
import pendulum
from airflow.timetables import trigger
from airflow.timetables.base import DataInterval, TimeRestriction

ZONES = [
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Europe/London",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Pacific/Auckland",
    "Africa/Cairo",
    "America/Santiago",
    "Antarctica/Troll",
    "Europe/Dublin",
]


def field(rng: random.Random, low: int, high: int, star: float) -> str:
    kind = rng.random()
    if kind < star:
        return "*"
    if kind < star + (1 - star) * 0.35:
        return str(rng.randint(low, high))
    if kind < star + (1 - star) * 0.55:
        return f"*/{rng.choice([2, 3, 5, 10, 15, 20])}"
    if kind < star + (1 - star) * 0.75:
        first, last = sorted(rng.sample(range(low, high + 1), 2))
        return f"{first}-{last}"
    return ",".join(str(v) for v in sorted(rng.sample(range(low, high + 1), min(3, high - low))))


def expression(rng: random.Random) -> str:
    return " ".join(
        [
            field(rng, 0, 59, 0.1),
            field(rng, 0, 23, 0.4),
            field(rng, 1, 28, 0.7),
            field(rng, 1, 12, 0.85),
            field(rng, 0, 6, 0.6),
        ]
    )


def walk(timetable: object, start: datetime.datetime, count: int) -> list[int]:
    restriction = TimeRestriction(earliest=start, latest=None, catchup=True)
    ticks: list[int] = []
    last = None
    while len(ticks) < count:
        info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        if info is None:
            break
        at = info.logical_date if hasattr(info, "logical_date") and info.logical_date else info.run_after
        ticks.append(int(at.timestamp()))
        last = DataInterval.exact(at)
    return ticks


def main() -> None:
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    rng = random.Random(seed)
    multiple = getattr(trigger, "MultipleCronTriggerTimetable", None)
    print(json.dumps({"airflow": airflow.__version__, "count": count, "seed": seed}))
    for _ in range(count):
        zone = rng.choice(ZONES)
        # Half of the walks begin shortly before a change of the clock.
        year = rng.randint(2026, 2035)
        month = rng.choice([3, 4, 10, 11]) if rng.random() < 0.5 else rng.randint(1, 12)
        start = pendulum.datetime(year, month, rng.randint(1, 28), rng.randint(0, 23), rng.randint(0, 59), tz="UTC")
        kind = rng.random()
        row: dict[str, object] = {"tz": zone, "start": int(start.timestamp())}
        if kind < 0.75 or (kind < 0.9 and multiple is None):
            row["cron"] = expression(rng)
            timetable = trigger.CronTriggerTimetable(row["cron"], timezone=zone)
        elif kind < 0.9:
            row["crons"] = [expression(rng) for _ in range(rng.randint(2, 3))]
            timetable = multiple(*row["crons"], timezone=zone)
        else:
            row["delta"] = rng.choice([10, 45, 600, 3600, 5400, 86400, 604800])
            timetable = trigger.DeltaTriggerTimetable(datetime.timedelta(seconds=row["delta"]))
        row["ticks"] = walk(timetable, start, 80)
        print(json.dumps(row))


if __name__ == "__main__":
    main()
