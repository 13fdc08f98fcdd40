"""From RedBeat's JSON to a schedule."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .base import Schedule, ScheduleError
from .calendar import Calendar
from .crontab import Crontab
from .interval import Interval
from .recurrence import Recurrence
from .zones import load_zone


def parse_schedule(stored: Mapping[str, Any], timezone: str, anchor: datetime | None = None) -> Schedule:
    """The schedule of a RedBeat definition, in the IANA zone of the Celery app; or a calendar of sets, in its own zone.

    An interval needs an anchor: the instant of the run that its ticks follow.
    Raises ScheduleError.
    """
    zone = load_zone(timezone)
    if not isinstance(stored, Mapping):
        raise ScheduleError("unknown-schedule", f"a schedule is an object, not {stored!r}")
    kind = stored.get("__type__")
    if kind == "interval":
        return Interval.parse(stored, zone, anchor)
    if anchor is not None:
        raise ScheduleError("bad-anchor", f"only an interval has an anchor, a {kind} has none")
    if kind == "crontab":
        fields = {name: spec for name, spec in stored.items() if name != "__type__"}
        return Crontab(fields, zone)
    if kind == "rrule":
        return Recurrence(stored)
    if kind == "calendar":
        return Calendar(stored, zone)
    raise ScheduleError(
        "unknown-schedule",
        f"the schedule's type is {kind!r}; known are crontab, interval, rrule and calendar",
    )
