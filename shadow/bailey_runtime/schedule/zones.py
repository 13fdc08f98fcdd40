"""Wall clocks: between instants in UTC and the naive local times of a zone."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from .base import UTC, Schedule, ScheduleError

_EARLIEST_YEAR = 1900
# Longer than any zone's clock ever jumped.
_LONGEST_JUMP = timedelta(hours=26)


def load_zone(name: str) -> ZoneInfo:
    """The IANA zone of a name.

    Raises ScheduleError with the code `unknown-zone`.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError) as error:
        raise ScheduleError(
            "unknown-zone",
            f"the time zone {name!r} is not among this machine's zones; "
            "use an IANA name such as Europe/Berlin, or install tzdata",
        ) from error


def wall_time(instant: datetime, zone: tzinfo) -> datetime:
    """What a wall clock in the zone shows at an instant (naive)."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def instant_of(wall: datetime, zone: tzinfo, second: bool = False) -> datetime:
    """The instant of a local time.

    Of a repeated time, the first or the second; a skipped one is read with the offset
    before the gap.
    """
    offset = _offset(wall, zone, 0)
    if second:
        offset = min(offset, _offset(wall, zone, 1))
    return (wall - offset).replace(tzinfo=UTC)


def offset_at(instant: datetime, zone: tzinfo) -> timedelta:
    """The offset from UTC at an instant."""
    return instant.astimezone(zone).utcoffset() or timedelta()


def local_walk(schedule: Schedule, instant: datetime, zone: tzinfo) -> datetime | None:
    """The last tick at or before an instant of a schedule that is read from a wall clock, of those counted from long before."""
    reach = timedelta(minutes=10)
    while True:
        start = instant - reach
        # A walk that begins right after a skipped hour may find other ticks than
        # one that came through it.
        while offset_at(start, zone) != offset_at(start - _LONGEST_JUMP, zone):
            start -= _LONGEST_JUMP
        last = None
        for tick in schedule.ticks(start):
            if tick > instant:
                break
            last = tick
        if last is not None or start.year < _EARLIEST_YEAR:
            return last
        reach *= 2


def _offset(wall: datetime, zone: tzinfo, fold: int) -> timedelta:
    return wall.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta()
