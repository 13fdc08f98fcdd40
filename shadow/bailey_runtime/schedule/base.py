"""What all schedules have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import datetime, timezone

UTC = timezone.utc

ENDS = datetime(2101, 1, 1, tzinfo=UTC)
"""Ticks of crontabs and intervals are computed up to here."""


class ScheduleError(ValueError):
    """Why a schedule was refused: a stable code, and what was found, in words."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Schedule(ABC):
    """The ticks of one legacy schedule in one zone: instants in UTC, ascending."""

    @property
    @abstractmethod
    def short_text(self) -> str:
        """A short text for tables: `30 2 * * *`, `every 90 s`, `rrule daily`."""

    @property
    @abstractmethod
    def words(self) -> str:
        """The schedule in English, without a full stop."""

    @abstractmethod
    def next_after(self, instant: datetime) -> datetime | None:
        """The first tick strictly after an instant; None where there is none."""

    @abstractmethod
    def last_until(self, instant: datetime) -> datetime | None:
        """The last tick at or before an instant; None where there is none."""

    def first_from(self, instant: datetime) -> datetime | None:
        """The first tick at or after an instant; None where there is none."""
        last = self.last_until(instant)
        if last == instant:
            return last
        # From the tick before, because what a skipped hour does to a crontab depends
        # on whether the search began before or after it.
        return self.next_after(instant if last is None else last)

    def ticks(self, after: datetime) -> Iterator[datetime]:
        """The ticks strictly after an instant."""
        tick = self.next_after(after)
        while tick is not None:
            yield tick
            tick = self.next_after(tick)
