"""Wall clocks: between instants in UTC and the naive local times of a zone."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from .base import UTC, ScheduleError


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


def _offset(wall: datetime, zone: tzinfo, fold: int) -> timedelta:
    return wall.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta()
