"""Reads the results of a Celery application from its backend, without the application."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from .celery_answers import state
from .celery_app import opened


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
