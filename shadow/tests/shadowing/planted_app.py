"""A Celery application whose one task does what a case says that legacy does."""

from __future__ import annotations

import os
from typing import Any

import planted_effects
from celery import Celery
from planted_cases import CASES, LARGE, noisy_result

app = Celery("planted", broker=os.environ["PLANTED_REDIS"], backend=os.environ["PLANTED_REDIS"])
app.conf.update(
    timezone="UTC",
    result_extended=True,
    task_track_started=True,
    broker_connection_retry_on_startup=True,
    beat_scheduler="redbeat.RedBeatScheduler",
    beat_max_loop_interval=1,
    redbeat_lock_timeout=10,
)


@app.task(name="planted.case")
def case(name: str) -> Any:
    return (LARGE if name in LARGE else CASES)[name].legacy()


@app.task(name="planted.count")
def count(number: int = 0) -> int:
    return number


@app.task(name="planted.parent")
def parent(name: str) -> None:
    """Sends a call of an entry's from within a task."""
    case.delay(name)


@app.task(name="planted.noise")
def noise(steady: int) -> dict[str, Any]:
    return noisy_result(steady)


for effect in (planted_effects.report, planted_effects.harm, planted_effects.bill):
    app.task(name=f"planted.{effect.__name__}")(effect)
