"""RedBeat's rrule: RFC 5545's rule from a start with a fixed offset, by dateutil."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from dateutil.rrule import rrule, weekday

from .base import UTC, Schedule, ScheduleError

_FREQUENCIES = (
    "yearly",
    "monthly",
    "weekly",
    "daily",
    "hourly",
    "minutely",
    "secondly",
)
_UNITS = ("year", "month", "week", "day", "hour", "minute", "second")
_YEARLY, _MONTHLY, _WEEKLY = 0, 1, 2
# Of daily to secondly, in their order.
_STEPS = (
    timedelta(days=1),
    timedelta(hours=1),
    timedelta(minutes=1),
    timedelta(seconds=1),
)
# Lowest and highest value of each part, and whether it may be 0.
_PARTS: dict[str, tuple[int, int, bool]] = {
    "bysetpos": (-366, 366, False),
    "bymonth": (1, 12, False),
    "bymonthday": (-31, 31, False),
    "byyearday": (-366, 366, False),
    "byeaster": (-366, 366, True),
    "byweekno": (-53, 53, False),
    "byhour": (0, 23, True),
    "byminute": (0, 59, True),
    "bysecond": (0, 59, True),
}
_OTHERS = [
    "__type__",
    "freq",
    "interval",
    "wkst",
    "count",
    "byweekday",
    "dtstart",
    "dtstart_tz",
    "until",
    "until_tz",
]


class Recurrence(Schedule):
    """The ticks of a rule, read in the fixed offset that its start was stored with."""

    def __init__(self, stored: Mapping[str, Any]) -> None:
        """Reads RedBeat's form.

        Raises ScheduleError with the code `bad-rrule`, naming the part.
        """
        for name in stored:
            if name not in _PARTS and name not in _OTHERS:
                raise ScheduleError(
                    "bad-rrule",
                    f"the rrule has a part {name!r} that dateutil does not know",
                )
        self.frequency = _frequency(stored.get("freq"))
        self.interval = _default(_whole(stored, "interval"), 1)
        if self.interval < 1:
            raise _refusal("interval", self.interval, "it must be 1 or more")
        start = _whole(stored, "dtstart")
        if start is None:
            raise ScheduleError(
                "bad-rrule",
                "the rrule has no “dtstart”: RedBeat takes the moment it was loaded",
            )
        self._offset = timezone(_offset(stored))
        self._start = self._wall(start)
        until = _whole(stored, "until")
        self._until = None if until is None else self._wall(until)
        self.count = _whole(stored, "count")
        self._week_start = next((day.weekday for day in _weekdays(stored, "wkst") or []), 0)
        self._parts: dict[str, Any] = {name: _part(stored, name) for name in _PARTS}
        self._parts["byweekday"] = _weekdays(stored, "byweekday")
        self._rule = self._dateutil_rule(self._start, self._parts)

    def _wall(self, epoch: int) -> datetime:
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=epoch)
        return at.astimezone(self._offset).replace(tzinfo=None)

    def _instant(self, wall: datetime) -> datetime:
        return wall.replace(tzinfo=self._offset).astimezone(UTC)

    def _dateutil_rule(self, start: datetime, parts: Mapping[str, Any]) -> rrule:
        try:
            return rrule(
                self.frequency,
                dtstart=start,
                interval=self.interval,
                wkst=self._week_start,
                count=self.count,
                **parts,
            )
        except ValueError as error:
            raise ScheduleError("bad-rrule", f"dateutil refuses it: {error}") from error

    @property
    def short_text(self) -> str:
        """`rrule daily`."""
        return f"rrule {_FREQUENCIES[self.frequency]}"

    @property
    def words(self) -> str:
        """`every 2 weeks, byhour 9, from 2026-01-01T09:00:00+00:00`."""
        unit = _UNITS[self.frequency]
        text = f"every {unit}" if self.interval == 1 else f"every {self.interval} {unit}s"
        for name, value in self._parts.items():
            if value:
                text += f", {name} {', '.join(map(str, value))}"
        text += f", from {self._start.replace(tzinfo=self._offset).isoformat()}"
        if self._until is not None:
            text += f" until {self._until.replace(tzinfo=self._offset).isoformat()}"
        return text if self.count is None else f"{text}, {self.count} times in all"

    def next_after(self, instant: datetime) -> datetime | None:
        """The first tick strictly after an instant; None when the rule has ended."""
        wall = instant.astimezone(self._offset).replace(tzinfo=None)
        rule, _ = self._rule_near(wall, 1)
        found = rule.after(wall)
        if found is None or (self._until is not None and found > self._until):
            return None
        return self._instant(found)

    def last_until(self, instant: datetime) -> datetime | None:
        """The last tick at or before an instant; None before the first."""
        wall = instant.astimezone(self._offset).replace(tzinfo=None)
        if self._until is not None:
            wall = min(wall, self._until)
        back = 1
        while True:
            rule, whole = self._rule_near(wall, back)
            found = rule.before(wall, inc=True)
            if found is not None:
                return self._instant(found)
            if whole:
                return None
            back *= 4

    def _rule_near(self, wall: datetime, back: int) -> tuple[rrule, bool]:
        """The rule begun some periods before a local time; whether it is the whole.

        dateutil counts from the start; a rule of seconds would take minutes to reach
        the present. Only a rule with a count must be counted.
        """
        periods = self._periods_until(wall) // self.interval - back
        if self.count is not None or periods < 1:
            return self._rule, True
        distance = periods * self.interval
        start, parts = self._start, self._parts
        if self.frequency == _YEARLY:
            start = start.replace(year=start.year + distance, month=1, day=1)
        elif self.frequency == _MONTHLY:
            month = start.month - 1 + distance
            start = start.replace(year=start.year + month // 12, month=month % 12 + 1, day=1)
        elif self.frequency == _WEEKLY:
            start = self._week_of(start) + timedelta(weeks=distance)
        else:
            start += distance * _STEPS[self.frequency - 3]
        return self._dateutil_rule(start, {**parts, **self._implied_days()}), False

    def _periods_until(self, wall: datetime) -> int:
        """Whole units from the start to a local time."""
        if wall < self._start:
            return 0
        if self.frequency == _YEARLY:
            return wall.year - self._start.year
        if self.frequency == _MONTHLY:
            return (wall.year - self._start.year) * 12 + wall.month - self._start.month
        if self.frequency == _WEEKLY:
            return (wall - self._week_of(self._start)) // timedelta(weeks=1)
        return (wall - self._start) // _STEPS[self.frequency - 3]

    def _week_of(self, wall: datetime) -> datetime:
        return wall - timedelta(days=(wall.weekday() - self._week_start) % 7)

    def _implied_days(self) -> dict[str, Any]:
        """The day parts that dateutil takes from the start when none is given."""
        given = self._parts
        if (
            given["byweekno"]
            or given["byyearday"]
            or given["bymonthday"]
            or given["byweekday"] is not None
            or given["byeaster"] is not None
        ):
            return {}
        if self.frequency == _YEARLY:
            month = given["bymonth"]
            return {
                "bymonth": self._start.month if month is None else month,
                "bymonthday": self._start.day,
            }
        if self.frequency == _MONTHLY:
            return {"bymonthday": self._start.day}
        return {"byweekday": self._start.weekday()} if self.frequency == _WEEKLY else {}


def _frequency(value: Any) -> int:
    number = _integer(value)
    if number is not None and 0 <= number < len(_FREQUENCIES):
        return number
    if isinstance(value, str) and value.lower() in _FREQUENCIES:
        return _FREQUENCIES.index(value.lower())
    raise _refusal("freq", value, "it must be 0 (yearly) to 6 (secondly)")


def _whole(stored: Mapping[str, Any], name: str) -> int | None:
    value = stored.get(name)
    if value is None:
        return None
    # Timestamps may be written with a fraction, which dateutil drops.
    if isinstance(value, float) and abs(value) < 1e15:
        return math.floor(value)
    number = _integer(value)
    if number is None:
        raise _refusal(name, value, "it must be an integer")
    return number


def _offset(stored: Mapping[str, Any]) -> timedelta:
    value = _default(stored.get("dtstart_tz"), 0)
    if not isinstance(value, (int, float)) or not abs(value) < 1440:
        raise _refusal("dtstart_tz", value, "it must be minutes east of UTC")
    return timedelta(seconds=round(value * 60))


def _part(stored: Mapping[str, Any], name: str) -> list[int] | None:
    low, high, zero = _PARTS[name]
    values = _listed(stored.get(name))
    if values is None:
        return None
    numbers: list[int] = []
    for value in values:
        number = _integer(value)
        if number is None or not low <= number <= high or not (number or zero):
            rule = f"it must be in {low}…{high}{'' if zero else ' and not 0'}"
            raise _refusal(name, value, rule)
        numbers.append(number)
    return numbers


def _weekdays(stored: Mapping[str, Any], name: str) -> list[weekday] | None:
    values = _listed(stored.get(name))
    if values is None:
        return None
    days: list[weekday] = []
    for value in values:
        day, nth = value, None
        if isinstance(value, Mapping):
            day, nth = value.get("wkday", value.get("weekday")), value.get("n")
        number = _integer(day)
        if number is None or not 0 <= number <= 6:
            raise _refusal(name, value, "a weekday is 0 (Monday) to 6")
        if nth == 0:
            raise _refusal(name, value, "the number of a weekday cannot be 0")
        days.append(weekday(number, nth))
    return days


def _listed(value: Any) -> list[Any] | None:
    if value is None:
        return None
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _integer(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value % 1:
        return None
    return int(value)


def _default(value: Any, otherwise: Any) -> Any:
    return otherwise if value is None else value


def _refusal(part: str, found: Any, rule: str) -> ScheduleError:
    return ScheduleError("bad-rrule", f"the rrule's “{part}” is {found!r}; {rule}")
