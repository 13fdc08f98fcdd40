"""The company's Celery application (`celery -A lab.first.app`): a static schedule, the default scheduler, no `result_extended`.

The broker is one database of a Redis, results are another. FIRST_NIGHT says how many minutes lie between two nights, FIRST_PHASE at which minute one
is; left out, a night is a day, and the schedule is the company's.
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.schedules import crontab

from lab.first import bodies
from lab.first.calendar import hourly

app = Celery("first", broker=os.environ["FIRST_BROKER_URL"], backend=os.environ["FIRST_RESULTS_URL"])
app.conf.update(timezone="UTC", broker_connection_retry_on_startup=True)


def at(hour: int | None, minute: int) -> crontab:
    """Daily, or each hour, at that time; in a laboratory once a night, or oftener."""
    night = os.environ.get("FIRST_NIGHT")
    if night is not None:
        every = hourly(int(night)) if hour is None and minute == 0 else int(night)
        phase = int(os.environ.get("FIRST_PHASE", "0")) % every
        return crontab(minute=f"{phase}-59/{every}" if phase else f"*/{every}")
    return crontab(minute=minute) if hour is None else crontab(hour=hour, minute=minute)


app.conf.beat_schedule = {
    "retrain-models-daily": {"task": "first.ml.retrain_models", "schedule": at(2, 0)},
    "update-feature-store": {"task": "first.ml.update_feature_store", "schedule": at(None, 0)},
    "cleanup-old-experiments": {"task": "first.ml.cleanup_experiments", "schedule": at(1, 0)},
    # Every 30 minutes.
    "check-model-drift": {"task": "first.ml.check_drift", "schedule": at(None, 30)},
    "retrain-underperforming": {"task": "first.ml.retrain_underperforming", "schedule": at(3, 0)},
}


@app.task(name="first.ml.retrain_models")
def retrain_models() -> dict[str, Any]:
    """Three models one after another, then what follows from them."""
    return bodies.retrain_models()


@app.task(name="first.ml.update_feature_store")
def update_feature_store() -> dict[str, Any]:
    """Copies new rows into the feature store."""
    return bodies.update_feature_store()


@app.task(name="first.ml.cleanup_experiments")
def cleanup_experiments() -> dict[str, Any]:
    """Removes what is old, an hour before the night: yesterday's."""
    return bodies.cleanup_experiments()


@app.task(name="first.ml.check_drift")
def check_drift() -> dict[str, Any]:
    """Looks how far the data has moved."""
    return bodies.check_drift()


@app.task(name="first.ml.retrain_underperforming")
def retrain_underperforming() -> dict[str, Any]:
    """Looks for weak models; there are none."""
    return bodies.retrain_underperforming()
