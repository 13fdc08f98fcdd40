"""Celery's crontab: five sets, all of which a local time must satisfy."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from .base import ENDS, Schedule, ScheduleError
from .words import MONTHS, WEEKDAYS, numbers
from .zones import instant_of, local_walk, wall_time

LIMITS: dict[str, tuple[int, int]] = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day_of_week": (0, 6),
    "day_of_month": (1, 31),
    "month_of_year": (1, 12),
}
_CRON_ORDER = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_NAMES = {
    **{name[:3].lower(): index for index, name in enumerate(WEEKDAYS)},
    **{name[:3].lower(): index + 1 for index, name in enumerate(MONTHS)},
}
_RANGE = re.compile(r"(\w+)-(\w+)(?:(/)(\w*))?")
_WORD = re.compile(r"\w*")


def field_values(field: str, spec: Any) -> frozenset[int]:
    """The values of one field as RedBeat stores it: an integer, a text, or a list.

    Reads what Celery 5.7 reads, its quirks included: what follows a match is ignored
    (`1-5-7` is `1-5`), ranges wrap round, a step goes over the wrapped list, names of
    months and weekdays count in every field.
    Raises ScheduleError with the code `bad-crontab`.
    """
    if isinstance(spec, str):
        values: list[int] = []
        for part in spec.split(","):
            values += _part_values(field, part, spec)
        return frozenset(values)
    if isinstance(spec, int):
        return frozenset([_member(field, spec)])
    if isinstance(spec, (list, tuple)):
        return frozenset(_member(field, element) for element in spec)
    raise _refusal(field, spec, "which is no text, integer or list")


def _part_values(field: str, part: str, spec: str) -> list[int]:
    low, high = LIMITS[field]
    if not part:
        raise _refusal(field, spec, "which has an empty part")
    match = _RANGE.match(part)
    if match:
        first, last = (_number(field, text, spec) for text in match.group(1, 2))
        if last < first:
            values = [*range(first, high + 1), *range(low, last + 1)]
        else:
            values = list(range(first, last + 1))
        return _every_nth(field, values, match[4], spec) if match[3] else values
    if part.startswith("*/"):
        step = _WORD.match(part, 2)
        return _every_nth(field, list(range(low, high + 1)), step[0] if step else "", spec)
    if part in ("*", "*\n"):
        return list(range(low, high + 1))
    return [_number(field, part, spec)]


def _every_nth(field: str, values: list[int], step: str, spec: str) -> list[int]:
    try:
        return values[:: int(step)]
    except ValueError:
        raise _refusal(field, spec, f"which has the step {step!r}") from None


def _number(field: str, text: str, spec: str) -> int:
    if text.startswith("-"):
        raise _refusal(field, spec, "which has a negative number")
    try:
        value = int(text)
    except ValueError:
        key = text[:3].lower()
        if key not in _NAMES:
            raise _refusal(field, spec, f"where {text!r} is neither a number nor a name") from None
        value = _NAMES[key]
    return _member(field, value)


def _member(field: str, value: Any) -> int:
    if not isinstance(value, (int, float)) or value % 1:
        raise _refusal(field, value, "which is no integer")
    low, high = LIMITS[field]
    if not low <= value <= high:
        raise _refusal(field, value, f"which is not in {low}–{high}")
    return int(value)


def _refusal(field: str, found: Any, why: str) -> ScheduleError:
    return ScheduleError("bad-crontab", f"the crontab's {field} is {found!r}, {why}")


class Crontab(Schedule):
    """The ticks of a Celery crontab in a zone, as Celery 5.3 to 5.7 compute them.

    A tick is the smallest wall-clock minute after the one before; a repeated time
    counts once, the first time; a skipped one is read with the offset before the gap.
    """

    def __init__(self, fields: Mapping[str, Any], zone: ZoneInfo) -> None:
        """A crontab of fields as RedBeat stores them; fields left out are `*`.

        Raises ScheduleError: `bad-crontab`, or `never-fires` for a date that no year
        has, which Celery 5.7 refuses too.
        """
        for name in fields:
            if name not in LIMITS:
                raise ScheduleError(
                    "bad-crontab",
                    f"the crontab has a field {name!r} that Celery does not know",
                )
        self._source = {name: fields.get(name, "*") for name in _CRON_ORDER}
        self._zone = zone
        sets = {name: field_values(name, self._source[name]) for name in LIMITS}
        for name in ("minute", "hour", "day_of_week"):
            if not sets[name]:
                raise ScheduleError("bad-crontab", f"the crontab's {name} is empty")
        self.minutes = sorted(sets["minute"])
        self.hours = sorted(sets["hour"])
        self.weekdays = sets["day_of_week"]
        self.days = sets["day_of_month"]
        self.months = sets["month_of_year"]
        if not any(d <= _LONGEST[m - 1] for m in self.months for d in self.days):
            raise ScheduleError(
                "never-fires",
                f"no year has a day {sorted(self.days)} in month {sorted(self.months)}: the crontab never fires",
            )

    @property
    def short_text(self) -> str:
        """The fields in cron's order: `30 2 * * *`."""
        return " ".join(str(self._source[name]).replace(" ", "") for name in _CRON_ORDER)

    @property
    def words(self) -> str:
        """`when the hour is 2, the minute is 30 and the day is 1–7, Europe/Berlin`."""
        named = (
            ("the minute is {}", self.minutes, 60, str),
            ("the hour is {}", self.hours, 24, str),
            ("the day of the month is {}", self.days, 31, str),
            ("the day is a {}", self.weekdays, 7, lambda day: WEEKDAYS[day]),
            ("the month is {}", self.months, 12, lambda month: MONTHS[month - 1]),
        )
        parts = [text.format(numbers(sorted(values), name)) for text, values, size, name in named if len(values) < size]
        zone = self._zone.key
        return f"when {' and '.join(parts)}, {zone}" if parts else f"every minute, {zone}"

    def next_after(self, instant: datetime) -> datetime | None:
        """The first tick strictly after an instant, by Celery's rule from there."""
        wall = wall_time(instant, self._zone)
        while True:
            candidate = self._next_wall(wall)
            if candidate is None:
                return None
            tick = instant_of(candidate, self._zone)
            if tick > instant:
                return tick if tick < ENDS else None
            # The search began in the second pass of a repeated hour.
            wall = max(candidate, wall_time(tick, self._zone))

    def last_until(self, instant: datetime) -> datetime | None:
        """The last tick at or before an instant, of those counted from long before."""
        return local_walk(self, instant, self._zone)

    def _next_wall(self, wall: datetime) -> datetime | None:
        """The first local minute after another at which all five sets hold."""
        start = wall.replace(second=0, microsecond=0) + timedelta(minutes=1)
        day, hour, minute = start.date(), start.hour, start.minute
        while day.year <= ENDS.year:
            if day.month not in self.months:
                day = date(day.year + day.month // 12, day.month % 12 + 1, 1)
                hour = minute = 0
                continue
            if day.day in self.days and day.isoweekday() % 7 in self.weekdays:
                found = self._first_time(hour, minute)
                if found is not None:
                    return datetime(day.year, day.month, day.day, *found)
            day += timedelta(days=1)
            hour = minute = 0
        return None

    def _first_time(self, hour: int, minute: int) -> tuple[int, int] | None:
        index = bisect_left(self.hours, hour)
        if index < len(self.hours) and self.hours[index] == hour:
            at = bisect_left(self.minutes, minute)
            if at < len(self.minutes):
                return hour, self.minutes[at]
            index += 1
        return (self.hours[index], self.minutes[0]) if index < len(self.hours) else None
