"""Cron expressions of other schedulers than Celery's, read into sets before: which times they hold, and how a clock that changes is read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from .base import ENDS, UTC, Schedule, ScheduleError
from .words import MONTHS, WEEKDAYS, numbers
from .zones import local_walk, offset_at, wall_time

_FULL = {
    "seconds": (0,),
    "minutes": tuple(range(60)),
    "hours": tuple(range(24)),
    "days": tuple(range(1, 32)),
    "months": tuple(range(1, 13)),
    "weekdays": tuple(range(7)),
}
_LIMITS = {**{name: (values[0], values[-1]) for name, values in _FULL.items()}, "seconds": (0, 59)}
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_CLOCKS = ("shown", "fixed", "robfig")
_SECOND = timedelta(seconds=1)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
# Vixie's cron takes a longer jump for a correction, and makes up for nothing.
_CORRECTION = timedelta(hours=3)
_ROBFIG_YEARS = 5


class Calendar(Schedule):
    """The ticks of a cron expression in a zone.

    `clock` is how a clock that changes is read: `shown`, whenever it shows the time; `fixed`, once, a skipped time right after the change and a
    repeated one the first time (Vixie's cron); `robfig`, as robfig/cron searches, by which Kubernetes starts CronJobs.
    """

    def __init__(self, stored: Mapping[str, Any], zone: ZoneInfo) -> None:
        """A calendar of sets; those left out are full, of seconds only 0.

        Raises ScheduleError: `bad-cron`, or `never-fires` for days that no year has.
        """
        self._zone = zone
        self._text = str(stored.get("expression", "?"))
        self._clock = stored.get("clock", "shown")
        if self._clock not in _CLOCKS:
            raise ScheduleError("bad-cron", f"the clock {self._clock!r} is none of {', '.join(_CLOCKS)}")
        sets = {name: _numbers(stored, name) for name in _FULL}
        self.seconds, self.minutes, self.hours = (sets[name] for name in ("seconds", "minutes", "hours"))
        self.days, self.months, self.weekdays = (frozenset(sets[name]) for name in ("days", "months", "weekdays"))
        self._last_day = bool(stored.get("last_day", False))
        self._either = bool(stored.get("either_day", False))
        if not (self.seconds and self.minutes and self.hours and self._has_days()):
            raise ScheduleError("never-fires", f"no year has the days of {self._text!r}")

    @property
    def short_text(self) -> str:
        """The expression as it was written."""
        return self._text

    @property
    def words(self) -> str:
        """`when the hour is 2 and the minute is 30, Europe/Berlin`."""
        named = (
            ("the minute is {}", self.minutes, 60, str),
            ("the hour is {}", self.hours, 24, str),
            ("the month is {}", sorted(self.months), 12, lambda month: MONTHS[month - 1]),
        )
        parts = [text.format(numbers(list(values), name)) for text, values, size, name in named if len(values) < size]
        days = [numbers(sorted(self.days), str)] if self.days and len(self.days) < 31 else []
        if self._last_day:
            days.append("the month's last")
        alternatives = [f"the day of the month is {' or '.join(days)}"] if days else []
        if len(self.weekdays) < 7:
            alternatives.append(f"the day is a {numbers(sorted(self.weekdays), lambda day: WEEKDAYS[day])}")
        if alternatives:
            parts.append((" or " if self._either else " and ").join(alternatives))
        zone = self._zone.key
        return f"when {' and '.join(parts)}, {zone}" if parts else f"every minute, {zone}"

    def next_after(self, instant: datetime) -> datetime | None:
        """The first tick strictly after an instant."""
        instant = instant.astimezone(UTC)
        tick = self._search(instant) if self._clock == "robfig" else self._walk(instant)
        return tick if tick is not None and tick < ENDS else None

    def last_until(self, instant: datetime) -> datetime | None:
        """The last tick at or before an instant, of those counted from long before."""
        return local_walk(self, instant, self._zone)

    def _has_days(self) -> bool:
        """Whether a year has any day on which it holds."""
        if not self.months or (not self.weekdays and not self._either):
            return False
        by_date = self._last_day or any(day <= _LONGEST[month - 1] for month in self.months for day in self.days)
        return by_date or (self._either and bool(self.weekdays))

    # As the clock shows.

    def _walk(self, instant: datetime) -> datetime | None:
        wall = wall_time(instant, self._zone).replace(microsecond=0)
        if self._clock == "fixed":
            wall = max(wall, self._shown_before(instant))
        while instant < ENDS:
            offset = offset_at(instant, self._zone)
            candidate = self._next_wall(wall)
            if candidate is None:
                return None
            tick = (candidate - offset).replace(tzinfo=UTC)
            change = self._change(instant, tick)
            if change is None:
                return tick
            shown = wall_time(change, self._zone)
            would = (change + offset).replace(tzinfo=None)
            jump = shown - would
            wall = shown - _SECOND
            instant = change
            if self._clock == "fixed" and abs(jump) < _CORRECTION:
                if jump < timedelta():
                    wall = would - _SECOND
                elif candidate < shown:
                    # What was skipped is run at once, together with what is due then anyway.
                    return change
        return None

    def _shown_before(self, instant: datetime) -> datetime:
        """The last second that the clock had shown before it was put back, if it is showing it again."""
        offset = offset_at(instant, self._zone)
        change = self._change(instant - _CORRECTION, instant)
        if change is None:
            return datetime.min
        before = offset_at(change - _SECOND, self._zone)
        back = before - offset
        return (change + before).replace(tzinfo=None) - _SECOND if timedelta() < back < _CORRECTION else datetime.min

    def _change(self, start: datetime, end: datetime) -> datetime | None:
        """The first instant after one, and not after another, at which the offset is another."""
        offset = offset_at(start, self._zone)
        step = timedelta(hours=6)
        while start < end:
            following = min(start + step, end)
            if offset_at(following, self._zone) != offset:
                while following - start > _SECOND:
                    middle = start + (following - start) / 2
                    if offset_at(middle, self._zone) == offset:
                        start = middle
                    else:
                        following = middle
                return following.replace(microsecond=0)
            start = following
        return None

    def _next_wall(self, wall: datetime) -> datetime | None:
        """The first local second after another at which all sets hold."""
        start = wall + _SECOND
        day, since = start.date(), (start.hour, start.minute, start.second)
        while day.year <= ENDS.year:
            if day.month not in self.months:
                day = date(day.year + day.month // 12, day.month % 12 + 1, 1)
                since = (0, 0, 0)
                continue
            if self._fits(day):
                found = self._first_time(since)
                if found is not None:
                    return datetime(day.year, day.month, day.day, *found)
            day += _DAY
            since = (0, 0, 0)
        return None

    def _first_time(self, since: tuple[int, int, int]) -> tuple[int, int, int] | None:
        for hour in self.hours:
            if hour < since[0]:
                continue
            for minute in self.minutes:
                for second in self.seconds:
                    if (hour, minute, second) >= since:
                        return hour, minute, second
        return None

    def _fits(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        by_day = day.day in self.days or (self._last_day and (day + _DAY).day == 1)
        by_weekday = day.isoweekday() % 7 in self.weekdays
        return by_day or by_weekday if self._either else by_day and by_weekday

    # As robfig/cron searches: along elapsed time, setting fields of the date as Go's time.Date does.

    def _search(self, instant: datetime) -> datetime | None:
        at = instant.replace(microsecond=0) + _SECOND
        limit = self._local(at).year + _ROBFIG_YEARS
        is_set = False
        while self._local(at).year <= limit and at < ENDS:
            found, at, is_set = self._look(at, is_set)
            if found:
                return at
        return None

    def _look(self, at: datetime, is_set: bool) -> tuple[bool, datetime, bool]:
        """One pass over the fields; not found where a field has wrapped round, and the search begins anew."""
        while (now := self._local(at)).month not in self.months:
            if not is_set:
                at, is_set = self._at(now.replace(day=1, hour=0, minute=0, second=0)), True
                now = self._local(at)
            at = self._at(_next_month(now))
            if self._local(at).month == 1:
                return False, at, is_set
        while not self._fits((now := self._local(at)).date()):
            if not is_set:
                at, is_set = self._at(now.replace(hour=0, minute=0, second=0)), True
                now = self._local(at)
            at = self._at(now + _DAY)
            # The day began at another hour than midnight.
            hour = self._local(at).hour
            if hour:
                at += _HOUR * (24 - hour if hour > 12 else -hour)
            if self._local(at).day == 1:
                return False, at, is_set
        while (now := self._local(at)).hour not in self.hours:
            if not is_set:
                at, is_set = self._at(now.replace(minute=0, second=0)), True
            at += _HOUR
            if self._local(at).hour == 0:
                return False, at, is_set
        while self._local(at).minute not in self.minutes:
            if not is_set:
                at, is_set = at.replace(second=0), True
            at += timedelta(minutes=1)
            if self._local(at).minute == 0:
                return False, at, is_set
        while self._local(at).second != 0:
            is_set = True
            at += _SECOND
            if self._local(at).second == 0:
                return False, at, is_set
        return True, at, is_set

    def _local(self, at: datetime) -> datetime:
        return wall_time(at, self._zone)

    def _at(self, wall: datetime) -> datetime:
        guess = wall.replace(tzinfo=UTC)
        # Where the guess is of another offset than what it leads to, that one's counts.
        return guess - offset_at(guess - offset_at(guess, self._zone), self._zone)


def _next_month(day: datetime) -> datetime:
    """The same day of the next month; one that it has not is one of the month after."""
    first = day.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return following + timedelta(days=day.day - 1)


def _numbers(stored: Mapping[str, Any], name: str) -> tuple[int, ...]:
    low, high = _LIMITS[name]
    values = stored.get(name, _FULL[name])
    if not isinstance(values, (list, tuple)) or not all(
        type(value) is int and low <= value <= high for value in values
    ):
        raise ScheduleError(
            "bad-cron", f"the calendar's {name} are {values!r}, which are no numbers from {low} to {high}"
        )
    return tuple(sorted(set(values)))
