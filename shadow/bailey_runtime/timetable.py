"""The Airflow timetable with the exact meaning of a legacy schedule.

It runs in the DAG processor and the scheduler, of Airflow 2.11 and 3.x alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import pendulum
from airflow.exceptions import AirflowTimetableInvalid
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable

from .schedule import Schedule, ScheduleError, parse_schedule

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class BaileyTimetable(Timetable):
    """Runs a DAG at the ticks of a RedBeat schedule; the logical date is the tick.

    Without catchup it looks back one tick, as Airflow's own trigger timetables do: the
    DAG is parsed again and again, and a parse between a tick and the creation of its
    run must not lose the tick.
    """

    def __init__(
        self,
        schedule: str | Mapping[str, Any],
        timezone: str,
        anchor: str | datetime | None = None,
        every: bool = False,
    ) -> None:
        """The timetable of a schedule.

        `schedule` is RedBeat's JSON of it, as text or read; `timezone` the IANA zone
        of the Celery app; `anchor`, for intervals only, the instant of the run that
        the ticks follow, in ISO 8601 with its offset. With `every`, a DAG that has run
        before runs each tick since, late as it may be, also without catchup.
        Raises ScheduleError, which Airflow shows as an import error.
        """
        self._stored = _read(schedule)
        self._timezone = timezone
        self._anchor = _instant(anchor)
        self._every = every
        self._schedule: Schedule = parse_schedule(self._stored, timezone, self._anchor)
        self.description = self._schedule.words

    @property
    def summary(self) -> str:
        """`30 2 * * * Europe/Berlin`."""
        return f"{self._schedule.short_text} {self._timezone}"

    def serialize(self) -> dict[str, Any]:
        """The arguments of the constructor, as JSON."""
        anchor = None if self._anchor is None else self._anchor.isoformat()
        return {
            "schedule": self._stored,
            "timezone": self._timezone,
            "anchor": anchor,
            "every": self._every,
        }

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> BaileyTimetable:
        """The timetable that was serialised."""
        return cls(data["schedule"], data["timezone"], data["anchor"], data.get("every", False))

    def validate(self) -> None:
        """Raises AirflowTimetableInvalid for a schedule that has no tick at all."""
        if self._schedule.next_after(_EPOCH) is None:
            raise AirflowTimetableInvalid(f"{self.summary} never fires")

    def infer_manual_data_interval(self, *, run_after: pendulum.DateTime) -> DataInterval:
        """Of a manual run, its own instant."""
        return DataInterval.exact(run_after)

    def next_dagrun_info(
        self,
        *,
        last_automated_data_interval: DataInterval | None,
        restriction: TimeRestriction,
    ) -> DagRunInfo | None:
        """The next run: after the last one, and never before the start date.

        With catchup, every tick; without, none before the last that has passed. A DAG
        with neither a start date nor a run owes nothing: its first tick is the next.
        """
        schedule, now = self._schedule, _now()
        ticks = []
        if last_automated_data_interval is not None:
            ticks.append(schedule.next_after(_plain(last_automated_data_interval.end)))
        if restriction.earliest is not None:
            ticks.append(schedule.first_from(_plain(restriction.earliest)))
        if not ticks:
            ticks.append(schedule.next_after(now))
        if not restriction.catchup and not (self._every and last_automated_data_interval is not None):
            passed = schedule.last_until(now)
            if passed is not None:
                ticks.append(passed)
        known = [tick for tick in ticks if tick is not None]
        if len(known) < len(ticks):
            return None
        tick = max(known)
        if restriction.latest is not None and tick > restriction.latest:
            return None
        return DagRunInfo.exact(pendulum.instance(tick, tz="UTC"))


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _plain(at: datetime) -> datetime:
    """The same instant without pendulum, whose arithmetic is another."""
    utc = at.astimezone(timezone.utc)
    return datetime(*utc.timetuple()[:6], utc.microsecond, tzinfo=timezone.utc)


def _read(schedule: str | Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(schedule, str):
        return schedule
    try:
        stored: Mapping[str, Any] = json.loads(schedule)
    except ValueError as error:
        raise ScheduleError("unknown-schedule", f"the schedule {schedule!r} is no JSON: {error}") from error
    return stored


def _instant(anchor: str | datetime | None) -> datetime | None:
    if not isinstance(anchor, str):
        return None if anchor is None else _checked(anchor)
    try:
        # Python before 3.11 does not read a Z.
        return _checked(datetime.fromisoformat(anchor.replace("Z", "+00:00")))
    except ValueError as error:
        raise ScheduleError("bad-anchor", f"the anchor {anchor!r} is no instant in ISO 8601: {error}") from error


def _checked(anchor: datetime) -> datetime:
    if anchor.tzinfo is None:
        raise ScheduleError("bad-anchor", f"the anchor {anchor} has no offset from UTC")
    return _plain(anchor)
