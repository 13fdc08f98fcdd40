"""Reads the results of a Celery application from its backend, without the application."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from .celery_answers import state
from .celery_app import opened
from .celery_values import FINAL, WireError

# The type of the error of a result that was there and is not any more.
GONE = "result-gone"
# How long results may give no answer when a task is called again to fetch one.
_PATIENCE = 30
_LOG = logging.getLogger("bailey.body")


def result_state(url: str, reads: str, id: str) -> Mapping[str, Any]:
    """What the worker has said of a message; see `celery_answers.state`."""
    return state(_reader(url, reads), id)


@lru_cache(maxsize=64)
def _reader(url: str, reads: str) -> Any:
    """An application that only reads results; many waits share one."""
    known = json.loads(reads)
    # Queues and tasks are of no use to a reader.
    settings = known.get("settings") or {}
    kept = {name: settings[name] for name in settings if name.startswith("result_")}
    return opened({"configuration": {"settings": kept, "backend": known.get("backend")}, "results": url})


def answered(
    read: Callable[[], Mapping[str, Any]], id: str, seen: str, patience: float = _PATIENCE
) -> Mapping[str, Any]:
    """The end of a message that a trigger has seen as `seen`; where it is not there any more, or cannot be fetched, an error in words."""
    ends = time.monotonic() + patience
    while True:
        try:
            state = read()
            break
        except WireError as error:
            return _without(error.code, str(error))
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            _LOG.warning("The results give no answer: %s", told)
            if time.monotonic() > ends:
                words = f"Celery task {id} ended as {seen}, and its result cannot be fetched: {told}. Clear this task once they answer"
                return _without("no-result", f"{words}: it finds the result, and sends nothing again")
        time.sleep(1)
    if state["status"] in (*FINAL, "UNREADABLE"):
        return state
    if state["status"] != "PENDING":
        words = f"Celery task {id} ended as {seen}, and a worker has it again ({state['status']}): the broker gave it out anew"
        advice = "make its visibility_timeout longer than the task lasts, or see who sends it; clear this task to wait for the end"
        return _without("again", f"{words}; {advice}")
    return _without(
        GONE,
        f"Celery task {id} ended as {seen}, and its result is gone: it expired (result_expires), was evicted, or somebody deleted it before "
        "Airflow had a slot to fetch it. The worker's log tells how it ended. Nothing was sent again, and a cleared task would send nothing "
        "either: let results live longer than tasks wait for a slot (result_expires), and mark this task as what the log tells",
    )


def _without(kind: str, words: str) -> Mapping[str, Any]:
    return {"status": "UNREADABLE", "error": {"type": kind, "message": words, "detail": ""}}
