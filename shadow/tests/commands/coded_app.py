"""An application with a schedule of every form that Celery takes, for what `import --from-app` reads of it."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from celery import Celery
from celery.schedules import crontab, schedule, solar

print("an application may print to standard output")

app = Celery("coded", broker=os.environ["CODED_BROKER"], backend=os.environ["CODED_BROKER"])
app.conf.timezone = os.environ.get("CODED_ZONE", "Europe/Moscow")
app.conf.task_routes = {"coded.report": {"queue": "reports"}, "coded.sync": {"queue": "sync", "priority": 3}}


class Odd(schedule):
    """A schedule of the application's own."""


app.conf.beat_schedule = {
    "nightly": {
        "task": "coded.sync",
        "schedule": crontab(hour=2, minute=[0, 30], day_of_week={1, 3}, day_of_month="1-7", month_of_year="*/3"),
        "options": {"queue": "heavy", "expires": 60},
    },
    "hourly": {"task": "coded.sync", "schedule": timedelta(hours=1), "relative": True},
    "exact": {"task": "coded.report", "schedule": timedelta(days=2, microseconds=5), "kwargs": {"to": "a"}},
    "object": {"task": "coded.report", "schedule": schedule(3600.0), "args": (1, "x")},
    "half": {"task": "coded.report", "schedule": float(os.environ.get("CODED_HALF", "90.5"))},
    "sun": {"task": "coded.report", "schedule": solar("sunset", 55.7, 37.6)},
    "odd": {"task": "coded.report", "schedule": Odd(5)},
    "nothing": {"task": "coded.report"},
    "number": 3,
    "what": {"task": "coded.report", "schedule": 600, "args": (object(),)},
}
if os.environ.get("CODED_MORE"):
    app.conf.beat_schedule["only here"] = {"task": "coded.report", "schedule": 600}


@app.on_after_configure.connect
def early(sender: Any, **_: Any) -> None:
    """Adds an entry as soon as the configuration is looked at."""
    sender.add_periodic_task(600.0, sync.s(4), name="early")


@app.on_after_finalize.connect
def late(sender: Any, **_: Any) -> None:
    """Adds entries once all tasks are there."""
    sender.add_periodic_task(crontab(minute=0), sync.s(5), name="late", expires=10)
    sender.add_periodic_task(crontab(minute=1), report.s(link=[]), name="canvas", link=sync.s())


@app.task(name="coded.sync", autoretry_for=(OSError, KeyError), retry_backoff=2, max_retries=7, time_limit=300)
def sync(number: int = 1) -> int:
    return number


@app.task(name="coded.report")
def report(*words: Any, **more: Any) -> None:
    return None
