"""Random crontabs and when Celery itself says they are due: celery_ticks.py SEED COUNT, one JSON object a line.

Keys: tz, the five fields, start (epoch seconds), fires (epoch seconds, each computed by Celery from the one before).
"""

import json
import random
import sys
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from celery import Celery
from celery.schedules import crontab

ZONES = [
    "UTC", "Europe/Berlin", "Europe/Moscow", "America/New_York", "America/Havana", "America/Sao_Paulo", "Asia/Kolkata",
    "Asia/Beirut", "Africa/Cairo", "Africa/Casablanca", "Australia/Lord_Howe", "Antarctica/Troll", "Pacific/Chatham",
    "Pacific/Apia", "America/St_Johns", "Asia/Tehran", "Europe/Dublin", "Asia/Tokyo",
]  # fmt: skip
RANGES = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day_of_week": (0, 6),
    "day_of_month": (1, 31),
    "month_of_year": (1, 12),
}
DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


def spec(rng: random.Random, field: str, star: float):
    low, high = RANGES[field]
    if rng.random() < star:
        return "*"

    def one() -> str:
        way = rng.randrange(5)
        first, second = rng.randint(low, high), rng.randint(low, high)
        if way == 0:
            return f"*/{rng.randint(1, high)}"
        if way == 1:
            return f"{first}-{second}"
        if way == 2:
            return f"{first}-{second}/{rng.randint(1, 9)}"
        if field == "day_of_week" and way == 3:
            return rng.choice(DAYS)
        return str(first)

    if rng.random() < 0.2:
        return rng.randint(low, high)
    return ",".join(one() for _ in range(rng.choice([1, 1, 1, 2, 3])))


def fires(schedule: crontab, zone: ZoneInfo, start: int, count: int) -> list[int]:
    found = []
    last = start
    while len(found) < count:
        begin, delta, _ = schedule.remaining_delta(datetime.fromtimestamp(last, zone))
        due = int((begin + delta).replace(fold=0).timestamp())
        # Bailey computes until the end of 2100.
        if due <= last or due >= 4_102_444_800:
            break
        found.append(due)
        last = due
    return found


def main() -> None:
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    rng = random.Random(seed)
    apps = {}
    done = 0
    while done < count:
        name = rng.choice(ZONES)
        if name not in apps:
            app = Celery(set_as_current=False)
            app.conf.timezone = name
            app.conf.enable_utc = True
            apps[name] = app
        fields = {
            "minute": spec(rng, "minute", 0.1),
            "hour": spec(rng, "hour", 0.3),
            "day_of_week": spec(rng, "day_of_week", 0.6),
            "day_of_month": spec(rng, "day_of_month", 0.6),
            "month_of_year": spec(rng, "month_of_year", 0.7),
        }
        # Half of them begin within three days of a change of the clock.
        start = rng.randint(1_735_689_600, 2_051_222_400)
        zone = ZoneInfo(name)
        if rng.random() < 0.5:
            year = datetime.fromtimestamp(start, timezone.utc).year
            noons = [int(datetime(year, 1, 1, tzinfo=timezone.utc).timestamp()) + 86_400 * day for day in range(365)]
            offsets = [datetime.fromtimestamp(noon, zone).utcoffset() for noon in noons]
            changes = [noon for noon, a, b in zip(noons, offsets, offsets[1:]) if a != b]
            if changes:
                start = rng.choice(changes) + rng.randint(-259_200, 86_400)
        try:
            schedule = crontab(**fields, app=apps[name])
            line = {"tz": name, **fields, "start": start, "fires": fires(schedule, zone, start, 40)}
        except (ValueError, RuntimeError):
            continue
        print(json.dumps(line))
        done += 1


main()
