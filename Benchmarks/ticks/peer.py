"""How many ticks a second a peer makes on one thread: peer.py celery|croniter QUESTIONS; prints ticks, CPU seconds, crontabs refused."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

FIELDS = ["minute", "hour", "day_of_month", "month_of_year", "day_of_week"]


def celery_walk(schedule: dict, start: datetime, count: int) -> int:
    from celery.schedules import crontab

    made = crontab(**{field: schedule[field] for field in FIELDS})
    # The zone is passed with each call, so one application serves them all.
    for made_so_far in range(count):
        begin, delta, _ = made.remaining_delta(start, tz=start.tzinfo)
        following = (begin + delta).replace(fold=0)
        if following.year > 2037:
            return made_so_far
        start = following
    return count


def croniter_walk(schedule: dict, start: datetime, count: int) -> int:
    from croniter import croniter

    cron = croniter(" ".join(str(schedule[field]) for field in FIELDS), start, day_or=False, ret_type=datetime)
    for made_so_far in range(count):
        if cron.get_next().year > 2037:
            return made_so_far
    return count


def main() -> None:
    walk: Callable[[dict, datetime, int], int] = {"celery": celery_walk, "croniter": croniter_walk}[sys.argv[1]]
    with open(sys.argv[2]) as file:
        questions = [json.loads(line) for line in file]
    for question in questions:
        question["start"] = datetime.fromtimestamp(question["from"], ZoneInfo(question["tz"]))
    walk({field: "*" for field in FIELDS}, questions[0]["start"], 1)  # loads what is loaded once
    ticks = refused = 0
    began = time.process_time()
    for question in questions:
        try:
            ticks += walk(question["schedule"], question["start"], question["count"])
        except (ValueError, KeyError):
            refused += 1
    print(json.dumps({"ticks": ticks, "seconds": time.process_time() - began, "refused": refused}))


if __name__ == "__main__":
    main()
