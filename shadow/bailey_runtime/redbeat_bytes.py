"""What Bailey reads and writes inside RedBeat's `definition` and `meta`: spliced, never serialised anew.

One byte more than RedBeat wrote may stop beat, so everything but the spliced value stays as it was.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from .json_text import member, replaced

# 2100-01-01T00:00:00Z: where a parked clock stands, in µs, and as beat's score in seconds.
PARKED_AT = 4_102_444_800_000_000
PARKED_SCORE = "4102444800"

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def closed(definition: bytes) -> bytes:
    """The same definition with `enabled` false."""
    return _bytes(replaced(_text(definition), "enabled", "false"))


def opened(definition: bytes, planned: bytes) -> bytes:
    """A definition that the application wrote while Airflow owned its entry, as legacy is to have it back.

    The application may have loaded the entry with Bailey's own `enabled` false and saved it with the rest. So one that was enabled
    before (`planned`) is enabled again.
    """
    if _enabled(planned) and not _enabled(definition):
        return _bytes(replaced(_text(definition), "enabled", "true"))
    return definition


def _enabled(definition: bytes) -> bool:
    # As beat reads it: what is absent is enabled, and any text is true.
    stored = member(_text(definition), "enabled")
    return stored is None or bool(json.loads(stored))


def last_run(meta: bytes | None) -> int | None:
    """When legacy last ran, in µs since the epoch; None if it never has.

    The zone is RedBeat's: an IANA name, an offset in seconds, or nothing, which is UTC; of a repeated hour the first pass is meant.
    Raises ValueError for what beat could not read either.
    """
    if not meta:
        return None
    stored = member(_text(meta), "last_run_at")
    value: Any = None if stored is None else json.loads(stored)
    if value is None:
        return None
    return instant(value)


def instant(value: Any) -> int:
    """A `{"__type__": "datetime", …}` of RedBeat's, in µs since the epoch. Raises ValueError for anything else."""
    if not isinstance(value, dict) or "year" not in value:
        raise ValueError(f"{value!r} is no instant of RedBeat's")
    parts = {name: part for name, part in value.items() if name not in ("__type__", "timezone")}
    try:
        local = datetime(**parts, tzinfo=_zone(value.get("timezone", "UTC")))
        return (local.astimezone(timezone.utc) - _EPOCH) // timedelta(microseconds=1)
    except (KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"{value!r} is no instant of RedBeat's: {error}") from error


def zone_of(meta: bytes | None) -> str | None:
    """The IANA zone that beat wrote `last_run_at` in; None if there is none."""
    if not meta:
        return None
    stored = member(_text(meta), "last_run_at")
    value = None if stored is None else json.loads(stored)
    name = value.get("timezone") if isinstance(value, dict) else None
    return name if isinstance(name, str) else None


def has_fired(meta: bytes | None) -> bool:
    """Whether a fire of beat's wrote this meta, rather than the creation of its entry."""
    count = member(_text(meta), "total_run_count") if meta else None
    return count is not None and count.isdigit() and int(count) > 0


def parked(meta: bytes | None, until: int = PARKED_AT) -> bytes:
    """The same meta with `last_run_at` in the far future, in UTC."""
    return with_last_run(meta, until, "UTC")


def with_last_run(meta: bytes | None, at: int, zone: str) -> bytes:
    """The same meta with that instant (µs) as `last_run_at`: local wall time and the zone's key, as beat writes it.

    RedBeat stores no fold: what lies in the second pass of a repeated hour is written with its offset in seconds, or it would be
    read back as one of the first, an hour too early. In UTC Celery before 5.7 would read a crontab by UTC's clock.
    """
    local = _EPOCH + timedelta(microseconds=at)
    try:
        local = local.astimezone(_zone(zone))
    except OverflowError:
        # On the first and last day of the calendar a clock elsewhere shows a year that Python has not.
        zone = "UTC"
    offset = local.utcoffset() if local.fold else None
    stored = json.dumps(
        {
            "__type__": "datetime",
            "year": local.year,
            "month": local.month,
            "day": local.day,
            "hour": local.hour,
            "minute": local.minute,
            "second": local.second,
            "microsecond": local.microsecond,
            "timezone": zone if offset is None else offset.total_seconds(),
        }
    )
    if not meta:
        return _bytes(f'{{"last_run_at": {stored}}}')
    return _bytes(replaced(_text(meta), "last_run_at", stored))


def _zone(stored: Any) -> tzinfo:
    if isinstance(stored, bool):
        raise ValueError(f"{stored} is no time zone")
    if isinstance(stored, (int, float)):
        return timezone(timedelta(seconds=stored))
    if stored == "UTC":
        return timezone.utc
    try:
        return ZoneInfo(stored)
    except (KeyError, ValueError, TypeError, OSError) as error:
        raise ValueError(f"{stored!r} is no time zone: {error}") from error


# Bytes that are no UTF-8 survive; beat does not read them, but to say so is not this module's work.
def _text(stored: bytes) -> str:
    return stored.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
