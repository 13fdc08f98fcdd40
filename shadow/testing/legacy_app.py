"""The Celery application under test: real beats with RedBeat, a real worker, and tasks whose only effect is a record.

The broker and the records lie in a Redis of their own, which no test restarts: what a task did stays done.
"""

from __future__ import annotations

import json
import os
import time
from datetime import datetime, timedelta
from typing import Any

import redis
from celery import Celery, Task
from celery.schedules import crontab, schedule
from redbeat import RedBeatScheduler, RedBeatSchedulerEntry
from redbeat.schedulers import get_redis

RUNS = "runs"
ATTEMPTS = "attempts"
CREATIONS = "creations"
SKEW = float(os.environ.get("LEGACY_SKEW", "0"))


class SkewedCelery(Celery):
    """An application whose clock is some seconds off."""

    def now(self) -> datetime:
        # A sum forgets which pass of a repeated hour it is in.
        return super().now() + timedelta(seconds=SKEW) if SKEW else super().now()


class RecordingScheduler(RedBeatScheduler):
    """RedBeat, with each message telling from which last run beat went on, and when by its own clock."""

    def apply_async(self, entry: Any, *args: Any, **kwargs: Any) -> Any:
        last = entry.last_run_at
        headers = {
            "went_on_from": last.timestamp() if last else None,
            "fired_at": time.time() + SKEW,
            "skew": SKEW,
        }
        entry.options = {**entry.options, "headers": headers}
        # Beat notes a fire before it sends the message; one that dies between has lost that run, with or without Bailey.
        _records().rpush(ATTEMPTS, json.dumps({"entry": entry.name, "fired_at": headers["fired_at"]}))
        return super().apply_async(entry, *args, **kwargs)


def save(entry: Any) -> Any:
    """RedBeat's, with a record of each clock that it sets: that of an entry which was not there, or not there any more."""
    made = not get_redis(app).hexists(entry.key, "meta")
    saved = _save(entry)
    if made:
        _records().rpush(CREATIONS, json.dumps({"entry": entry.name, "at": entry.last_run_at.timestamp()}))
    return saved


_save, RedBeatSchedulerEntry.save = RedBeatSchedulerEntry.save, save


def when(text: str) -> Any:
    """`cron` for each minute, `cron MINUTE HOUR` for each day, else seconds."""
    if text.startswith("cron"):
        return crontab(*text.split()[1:])
    return schedule(float(text), app=app)


app = SkewedCelery("legacy", broker=os.environ["LEGACY_BROKER"])
app.conf.update(
    timezone=os.environ.get("LEGACY_TIMEZONE", "UTC"),
    broker_connection_retry_on_startup=True,
    redbeat_redis_url=os.environ["LEGACY_REDIS"],
    redbeat_key_prefix=os.environ.get("LEGACY_PREFIX", "redbeat:"),
    beat_scheduler="legacy_app.RecordingScheduler",
    beat_max_loop_interval=float(os.environ.get("LEGACY_MAX_INTERVAL", "1")),
    worker_hijack_root_logger=False,
)
if sentinel := os.environ.get("LEGACY_SENTINEL"):
    app.conf.redbeat_redis_options = {
        "sentinels": [("127.0.0.1", int(sentinel))],
        "service_name": "legacy",
        "socket_timeout": 2,
    }
if os.environ.get("LEGACY_LOCK") == "none":
    app.conf.redbeat_lock_key = None
app.conf.beat_schedule = {
    name: {"task": "legacy.run", "schedule": when(every), "args": [name]}
    for name, every in json.loads(os.environ.get("LEGACY_STATIC", "{}")).items()
}


@app.task(bind=True, name="legacy.run")
def run(self: Task, name: str) -> None:
    """Records that it ran."""
    headers = self.request.headers or {}
    _records().rpush(RUNS, json.dumps({"entry": name, "side": "legacy", "ran_at": time.time(), **headers}))


_client: Any = None


def _records() -> Any:
    global _client
    if _client is None:
        _client = redis.Redis.from_url(os.environ["LEGACY_BROKER"])
    return _client
