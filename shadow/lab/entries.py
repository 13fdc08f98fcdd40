"""Entries that the company's application itself adds to RedBeat (`python -m lab.entries`) beside its static ones."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from celery.schedules import crontab, schedule
from redbeat import RedBeatSchedulerEntry
from redbeat.schedules import rrule

from lab.company import app

# These fire too rarely for a short run of the laboratory to show them.
RARE = (
    "retrain-models-daily",
    "update-feature-store",
    "cleanup-old-experiments",
    "check-model-drift",
    "retrain-underperforming",
)
MONDAY, FRIDAY = 0, 4


def _entry(name: str, task: str, when: Any, **rest: Any) -> RedBeatSchedulerEntry:
    return RedBeatSchedulerEntry(name=name, task=task, schedule=when, app=app, **rest)


def dynamic_entries() -> list[RedBeatSchedulerEntry]:
    """Disabled, by recurrence rule, with a name of any characters, and by interval: one each."""
    return [
        _entry(
            "yearly-archive",
            "company.ml.cleanup_old_experiments",
            crontab(minute=15, hour=4),
            kwargs={"older_than_days": 365},
            enabled=False,
        ),
        _entry(
            "drift-on-mondays-and-fridays",
            "company.ml.check_model_drift",
            rrule(
                freq="WEEKLY",
                dtstart=datetime(2024, 1, 1, 6, 45, tzinfo=timezone.utc),
                byweekday=[MONDAY, FRIDAY],
                app=app,
            ),
            args=[0.1],
        ),
        _entry(
            'отчёт "за неделю" для O\'Neil & co.',
            "company.ops.refresh_cache",
            crontab(minute="5,35", hour="8-18/2", day_of_week="mon-fri"),
            args=["weekly"],
            kwargs={"template": "{{ total }} ₽", "owner": "Ирина"},
        ),
        _entry("sync-clicks", "company.ml.update_feature_store", schedule(90.0, app=app), args=[["clicks"]]),
    ]


def overdue_entries() -> list[RedBeatSchedulerEntry]:
    """The rare static entries as a beat leaves them that stopped two days ago: at its start beat runs each once, late.

    The static definitions are written again by beat; it keeps the time of the last run (RedBeat 2.3.3 and later).
    """
    stopped = datetime.now(timezone.utc) - timedelta(days=2)
    static = app.conf.beat_schedule
    return [
        _entry(
            name,
            static[name]["task"],
            static[name]["schedule"],
            args=static[name].get("args"),
            kwargs=static[name].get("kwargs"),
            last_run_at=stopped,
        )
        for name in RARE
    ]


if __name__ == "__main__":
    for entry in dynamic_entries() + overdue_entries():
        entry.save()
