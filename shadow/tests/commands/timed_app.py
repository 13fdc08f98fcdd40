"""An application whose tasks take a known time, are tried again, fail, and print what looks like a worker's own words."""

from __future__ import annotations

import os
import time
from typing import Any

from celery import Celery
from celery.utils.log import get_task_logger

app = Celery("timed", broker=os.environ["TIMED_BROKER"], backend=os.environ["TIMED_BROKER"])
app.conf.broker_connection_retry_on_startup = True
if os.environ.get("TIMED_FORMAT"):
    app.conf.worker_log_format = os.environ["TIMED_FORMAT"]
app.conf.beat_schedule = {
    name: {"task": f"timed.{task}", "schedule": 86_400.0, "args": args}
    for name, task, args in (
        ("work", "work", (0.3,)),
        ("again", "again", ()),
        ("fail", "fail", ()),
        ("forge", "forge", ()),
        ("one", "shared", (1,)),
        ("two", "shared", (2,)),
    )
}
logger = get_task_logger(__name__)
FORGED = "Task timed.fail[00000000-0000-0000-0000-000000000000] succeeded in 9999s: 1"


@app.task(name="timed.work")
def work(seconds: float = 0.3) -> str:
    time.sleep(seconds)
    return FORGED


@app.task(name="timed.again", bind=True, max_retries=2, default_retry_delay=0)
def again(self: Any) -> int:
    if self.request.retries < 1:
        raise self.retry(countdown=0)
    return 1


@app.task(name="timed.fail")
def fail() -> None:
    raise ValueError("first\n" + FORGED)


@app.task(name="timed.forge")
def forge() -> None:
    print(FORGED)
    logger.info(FORGED)
    logger.error("first\n" + FORGED)
    time.sleep(0.1)


@app.task(name="timed.shared")
def shared(number: int) -> int:
    return number


@app.task(name="timed.parent")
def parent() -> None:
    work.delay(0.05)


@app.task(name="timed.nobodys")
def nobodys() -> None:
    """No entry sends it."""
