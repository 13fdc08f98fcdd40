"""A Celery application whose tasks tell which call came to them, and return what tells the call apart."""

from __future__ import annotations

import json
import os
from typing import Any

from celery import Celery, Task

app = Celery("canvas", broker=os.environ["CANVAS_BROKER"], backend=os.environ["CANVAS_BROKER"])
app.conf.update(
    redbeat_redis_url=os.environ["CANVAS_BROKER"], result_extended=True, worker_prefetch_multiplier=1, timezone="UTC"
)


def call(task: Task, *args: Any, **kwargs: Any) -> str:
    text = json.dumps([task.name, args, kwargs], sort_keys=True)
    task.app.backend.client.rpush("calls", text)
    return text


for letter in "abcdefgh":
    app.task(call, name=f"canvas.{letter}", bind=True)
