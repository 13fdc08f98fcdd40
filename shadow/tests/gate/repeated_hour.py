"""What beat makes of a `last_run_at` that Bailey wrote in the second pass of a repeated hour: run by an interpreter with Celery and RedBeat.

Prints a line for each schedule that would be due at another moment than it is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from celery import Celery  # noqa: E402
from celery.schedules import crontab, schedule  # noqa: E402
from redbeat.schedulers import RedBeatSchedulerEntry  # noqa: E402
from redbeat.schedules import rrule  # noqa: E402

from bailey_runtime.redbeat_bytes import with_last_run  # noqa: E402

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
ZONES = ("Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Pacific/Chatham", "America/St_Johns", "Asia/Gaza")


class Clock(Celery):
    """An application whose clock is set by hand."""

    at = EPOCH

    def now(self) -> datetime:
        return self.at.astimezone(self.timezone)


def local(at: datetime, zone: ZoneInfo, **parts: int) -> datetime:
    """A wall time of the day of an instant, of the second pass where there are two, as an instant."""
    return at.astimezone(zone).replace(fold=1, second=0, microsecond=0, **parts).astimezone(timezone.utc)


def rounded(at: datetime, zone: ZoneInfo, minutes: int) -> datetime:
    """An instant rounded down to so many minutes of the offset that the zone has after the change."""
    offset = at.astimezone(zone).utcoffset() or timedelta()
    return EPOCH + ((at - EPOCH + offset) // timedelta(minutes=minutes)) * timedelta(minutes=minutes) - offset


# Each schedule, and when it is due after an instant of the second pass: by the meaning of the words, computed without Celery.
CASES: dict[str, tuple[Callable[[Any], Any], Callable[[datetime, ZoneInfo], datetime]]] = {
    "each day at nine": (
        lambda app: crontab(minute=0, hour=9, app=app),
        lambda at, zone: local(at, zone, hour=9, minute=0),
    ),
    "the first of a month": (
        lambda app: crontab(minute=0, hour=0, day_of_month=1, app=app),
        lambda at, zone: datetime(at.year, at.astimezone(zone).month + 1, 1, tzinfo=zone).astimezone(timezone.utc),
    ),
    "every twenty minutes": (lambda app: schedule(1200, app=app), lambda at, zone: at + timedelta(minutes=20)),
    "every day": (lambda app: schedule(86_400, app=app), lambda at, zone: at + timedelta(days=1)),
    "relative, two hours": (
        lambda app: schedule(timedelta(hours=2), relative=True, app=app),
        lambda at, zone: rounded(at + timedelta(hours=2), zone, 60),
    ),
    "relative, a day": (
        lambda app: schedule(timedelta(days=1), relative=True, app=app),
        lambda at, zone: rounded(at + timedelta(days=1), zone, 1440),
    ),
    "a rule, hourly": (
        lambda app: rrule("HOURLY", dtstart=datetime(2026, 1, 1, 0, 15, tzinfo=timezone.utc), app=app),
        lambda at, zone: (
            (EPOCH + ((at - EPOCH - timedelta(minutes=15)) // timedelta(hours=1) + 1) * timedelta(hours=1))
            + timedelta(minutes=15)
        ),
    ),
}


def second_pass(zone: ZoneInfo, year: int = 2026) -> Iterator[datetime]:
    """Three instants of the hour that is repeated in a year."""
    at = datetime(year, 1, 1, tzinfo=timezone.utc)
    found = 0
    while at.year == year and found < 3:
        if at.astimezone(zone).fold:
            found += 1
            yield at + timedelta(seconds=7)
        at += timedelta(minutes=10)


def main() -> int:
    wrong = tried = 0
    for name in ZONES:
        zone = ZoneInfo(name)
        app = Clock("repeated", broker="memory://")
        app.conf.timezone = name
        app.conf.redbeat_redis_url = "redis://localhost"
        app.set_default()
        for last in second_pass(zone):
            meta = with_last_run(None, (last - EPOCH) // timedelta(microseconds=1), name)
            for what, (made, due) in CASES.items():
                expected = due(last, zone)
                entry = RedBeatSchedulerEntry(name="e", task="t", schedule=made(app), app=app)
                entry.last_run_at = RedBeatSchedulerEntry.decode_meta(meta)["last_run_at"]
                tried += 1
                for moment, wanted in (
                    (expected - timedelta(seconds=1), False),
                    (expected + timedelta(seconds=1), True),
                ):
                    app.at = moment
                    if entry.is_due()[0] is not wanted:
                        wrong += 1
                        print(
                            f"{name}, last run {last.isoformat()}, {what}: due is {not wanted} at {moment.isoformat()}"
                        )
    print(f"{tried} tried, {wrong} wrong")
    return 1 if wrong or not tried else 0


if __name__ == "__main__":
    sys.exit(main())
