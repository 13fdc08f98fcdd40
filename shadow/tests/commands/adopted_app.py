"""An application whose schedule stands in its code, for what `adopt` makes of it."""

from __future__ import annotations

import json
import os
import time

import redis
from celery import Celery
from celery.schedules import crontab

app = Celery("adopted", broker=os.environ["ADOPTED_BROKER"], backend=os.environ["ADOPTED_BROKER"])
app.conf.update(
    timezone=os.environ.get("ADOPTED_ZONE", "UTC"),
    # Without it recorded results name no task.
    result_extended=True,
    beat_max_loop_interval=1,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
)
app.conf.beat_schedule = {
    "every-2": {"task": "adopted.run", "schedule": 2.0, "args": ["every-2"]},
    "every-3": {"task": "adopted.run", "schedule": 3.0, "args": ["every-3"]},
    "every-4": {"task": "adopted.run", "schedule": 4.0, "args": ["every-4"]},
    "minutely": {"task": "adopted.run", "schedule": crontab(), "args": ["minutely"]},
    "even": {"task": "adopted.run", "schedule": crontab(minute="*/2"), "args": ["even"]},
    "odd": {"task": "adopted.run", "schedule": crontab(minute="1-59/2"), "args": ["odd"]},
}
if os.environ.get("ADOPTED_SET"):
    app.conf.beat_schedule["set"] = {"task": "adopted.run", "schedule": crontab(minute={5, 6}), "args": ["set"]}


@app.task(name="adopted.run")
def run(name: str) -> None:
    """Records that it ran."""
    client = redis.Redis.from_url(os.environ["ADOPTED_BROKER"])
    client.rpush("runs", json.dumps({"entry": name, "at": time.time()}))
