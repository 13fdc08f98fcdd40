"""The company's Celery application, as its workers and its beat load it (`celery -A lab.company`).

Reads LAB_REDIS_URL; the tasks' bodies, in `lab.work`, also read LAB_EFFECTS and LAB_SPEED.
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery, Task
from celery.schedules import crontab

from lab import work

GREETING = 'Dear {{ user.name }},\n{% if late %}it\'s "late"{% endif %}\nС уважением, {{ team }} \\o/'

app = Celery("company", broker=os.environ["LAB_REDIS_URL"], backend=os.environ["LAB_REDIS_URL"])
app.conf.update(
    timezone="UTC",
    result_extended=True,
    result_expires=86400,
    task_track_started=True,
    broker_connection_retry_on_startup=True,
    beat_scheduler="redbeat.RedBeatScheduler",
    beat_max_loop_interval=2,
    redbeat_lock_timeout=10,
    beat_schedule={
        "retrain-models-daily": {"task": "company.ml.retrain_models", "schedule": crontab(minute=0, hour=2)},
        "update-feature-store": {"task": "company.ml.update_feature_store", "schedule": crontab(minute=0)},
        "cleanup-old-experiments": {
            "task": "company.ml.cleanup_old_experiments",
            "schedule": crontab(minute=0, hour=1),
            "kwargs": {"older_than_days": 30},
        },
        # Every 30 minutes.
        "check-model-drift": {"task": "company.ml.check_model_drift", "schedule": crontab(minute=30), "args": (0.2,)},
        "retrain-underperforming": {
            "task": "company.ml.retrain_underperforming",
            "schedule": crontab(minute=0, hour=3),
            "kwargs": {"below": 0.8},
        },
        "heartbeat-metrics": {"task": "company.ops.heartbeat_metrics", "schedule": 3.0},
        "refresh-cache": {
            "task": "company.ops.refresh_cache",
            "schedule": 5.0,
            "args": ("front-page",),
            "kwargs": {"template": GREETING, "owner": "Анна «Ops» O'Neil", "limits": [10, 20, 30]},
        },
        "score-sample": {"task": "company.ml.score_sample", "schedule": 4.0, "args": ([0.1, 0.2, 0.3, 0.4, 0.5],)},
    },
)


@app.task(bind=True, name="company.ml.retrain_models")
def retrain_models(self: Task, *args: Any) -> dict[str, Any]:
    """Trains every model."""
    with work.running(self.request.id):
        return work.retrain_models(*args)


@app.task(bind=True, name="company.ml.update_feature_store")
def update_feature_store(self: Task, *args: Any) -> dict[str, Any]:
    """Copies new rows into the feature store."""
    with work.running(self.request.id):
        return work.update_feature_store(*args)


@app.task(bind=True, name="company.ml.cleanup_old_experiments")
def cleanup_old_experiments(self: Task, older_than_days: int) -> dict[str, Any]:
    """Removes old experiments."""
    with work.running(self.request.id):
        return work.cleanup_old_experiments(older_than_days)


@app.task(name="company.ml.check_model_drift")
def check_model_drift(threshold: float) -> dict[str, Any]:
    """Looks for drift."""
    return work.check_model_drift(threshold)


@app.task(bind=True, name="company.ml.retrain_underperforming")
def retrain_underperforming(self: Task, below: float) -> dict[str, Any]:
    """Trains the weak models."""
    with work.running(self.request.id):
        return work.retrain_underperforming(below)


@app.task(name="company.ops.heartbeat_metrics")
def heartbeat_metrics() -> dict[str, Any]:
    """Counts things."""
    return work.heartbeat_metrics()


@app.task(name="company.ops.refresh_cache")
def refresh_cache(key: str, **page: Any) -> dict[str, Any]:
    """Renders a cached page."""
    return work.refresh_cache(key, **page)


@app.task(name="company.ml.score_sample")
def score_sample(sample: list[float]) -> dict[str, Any]:
    """Scores a sample."""
    return work.score_sample(sample)
