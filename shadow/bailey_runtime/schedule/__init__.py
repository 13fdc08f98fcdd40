"""When legacy schedules are due: RedBeat's crontab, interval and rrule, and what other crons mean, exactly.

Pure: no clock, no network, nothing of Airflow's. All instants are `datetime`s in UTC.
"""

from __future__ import annotations

from .base import ENDS, Schedule, ScheduleError
from .calendar import Calendar
from .crontab import Crontab, field_values
from .interval import Interval
from .parsing import parse_schedule
from .recurrence import Recurrence

__all__ = [
    "ENDS",
    "Calendar",
    "Crontab",
    "Interval",
    "Recurrence",
    "Schedule",
    "ScheduleError",
    "field_values",
    "parse_schedule",
]
