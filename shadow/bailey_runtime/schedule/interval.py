"""Celery's interval: so long after each run, not at fixed times."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from .base import ENDS, UTC, Schedule, ScheduleError
from .words import duration
from .zones import instant_of, offset_at, wall_time

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)
_SECOND = timedelta(seconds=1)
_WALL_ZERO = datetime(1970, 1, 1)
_THOUSAND_YEARS = 31_557_600_000
# Longer than any zone's clock ever jumped.
_LONGEST_JUMP = timedelta(hours=26)


class Interval(Schedule):
    """The ticks of an interval after its anchor, each run beginning at its tick."""

    def __init__(self, every: timedelta, relative: bool, zone: ZoneInfo, anchor: datetime) -> None:
        """An interval that last ran, or counts as having run, at the anchor.

        A relative one is due at the full day, hour, minute or second (whichever it
        spans) that lies before the due time of a plain one.
        """
        self.every = every
        self.relative = relative
        self._zone = zone
        self._anchor = anchor
        self._unit = next((unit for unit in (_DAY, _HOUR, _MINUTE) if every >= unit), _SECOND)

    @classmethod
    def parse(cls, stored: Mapping[str, Any], zone: ZoneInfo, anchor: datetime | None) -> Interval:
        """Reads RedBeat's form.

        Raises ScheduleError: `bad-interval`, or `missing-anchor`.
        """
        every = stored.get("every")
        if isinstance(every, bool) or not isinstance(every, (int, float)):
            raise _refusal(f"“every” is {every!r}; it must be a number")
        if not (math.isfinite(every) and 0 < every < _THOUSAND_YEARS):
            raise _refusal(f"“every” is {every!r}; it must be more than 0 s and at most 1000 years")
        if "relative" not in stored:
            raise _refusal("“relative” is missing, without which RedBeat fails")
        length = timedelta(seconds=every)
        if not length:
            raise _refusal(f"“every” is {every!r}, less than a microsecond")
        if anchor is None:
            raise ScheduleError(
                "missing-anchor",
                "an interval counts from a run: give the anchor, the instant of the last run that its ticks follow",
            )
        if anchor.tzinfo is None:
            raise ScheduleError("bad-anchor", f"the anchor {anchor} has no offset")
        return cls(length, bool(stored["relative"]), zone, anchor.astimezone(UTC))

    @property
    def short_text(self) -> str:
        """`every 90 s`."""
        return f"every {duration(self.every)}{' (relative)' if self.relative else ''}"

    @property
    def words(self) -> str:
        """`every 90 s, counted from 2026-11-23T06:54:14+00:00`."""
        text = f"every {duration(self.every)}"
        if self.relative:
            full = {_DAY: "midnight", _HOUR: "hour", _MINUTE: "minute"}
            unit = full.get(self._unit, "second")
            unit = unit if unit == "midnight" else f"full {unit}"
            text += f", rounded down to the {unit}, {self._zone.key}"
        return f"{text}, counted from {self._anchor.isoformat()}"

    def due(self, last: datetime) -> datetime:
        """When it is due after a run, as Celery 5.7 computes it.

        Not after the run for a relative interval of less than a second.
        """
        if not self.relative:
            return last + self.every
        return self._due_on_days(last) if self._unit == _DAY else self._due_within(last)

    def next_after(self, instant: datetime) -> datetime | None:
        """The first tick strictly after an instant."""
        if self.relative:
            following = self._around(instant)[1]
        else:
            count = max(0, (instant - self._anchor) // self.every) + 1
            following = _sum(self._anchor, self.every, count)
        return following if following is not None and following < ENDS else None

    def last_until(self, instant: datetime) -> datetime | None:
        """The last tick at or before an instant; None before the first."""
        if self.relative:
            return self._around(instant)[0]
        count = (instant - self._anchor) // self.every
        return self._anchor + count * self.every if count > 0 else None

    def _around(self, instant: datetime) -> tuple[datetime | None, datetime | None]:
        """The last tick at or before an instant, and the one after it."""
        tick: datetime | None = None
        while True:
            last = self._anchor if tick is None else tick
            due = self.due(last) if last < ENDS else None
            if due is None or due <= last:
                return tick, None
            if due > instant:
                return tick, due
            tick = self._skip(due, instant)

    def _skip(self, tick: datetime, until: datetime) -> datetime:
        """A later tick, a day on at most, where the clock is steady all round."""
        offset = offset_at(tick, self._zone)
        steady = (tick - _LONGEST_JUMP, tick + _DAY, tick + _DAY + _LONGEST_JUMP)
        if self._unit == _DAY or any(offset_at(at, self._zone) != offset for at in steady):
            return tick
        # A tick lies on a full unit, so each is as far from the next.
        step = self.every // self._unit * self._unit
        return tick + (min(until - tick, _DAY) // step) * step if step else tick

    def _due_on_days(self, last: datetime) -> datetime:
        """A day and more goes by the calendar: the first midnight after the run."""
        end = wall_time(last, self._zone) + self.every
        future = [at for at in self._boundaries(end) if at > last]
        return min(future, default=instant_of(end, self._zone))

    def _due_within(self, last: datetime) -> datetime:
        end = last + self.every
        end_wall = wall_time(end, self._zone)
        candidates = self._boundaries(end_wall)
        rounded = max((at for at in candidates if at <= end), default=min(candidates))
        if self._unit >= _MINUTE and rounded <= last:
            candidates += self._boundaries(end_wall + self._unit)
            candidates += self._boundaries(wall_time(last, self._zone) + self.every)
            future = [at for at in candidates if at > last]
            rounded = max((at for at in future if at <= end), default=min(future, default=end))
        return rounded

    def _boundaries(self, wall: datetime) -> list[datetime]:
        """A local time rounded down to the unit, in both readings."""
        rounded = wall - (wall - _WALL_ZERO) % self._unit
        return [instant_of(rounded, self._zone, second) for second in (False, True)]


def _sum(start: datetime, step: timedelta, count: int) -> datetime | None:
    try:
        return start + count * step
    except OverflowError:
        return None


def _refusal(what: str) -> ScheduleError:
    return ScheduleError("bad-interval", f"the interval's {what}")
