"""Sends one request as a task does, and dies where a test says: requests come as JSON on standard input."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from bailey_runtime import celery_once, celery_wire


def dying(place: str, at: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function before or after which the process is killed, if that is the place."""

    def call(*arguments: Any, **more: Any) -> Any:
        if at == f"before-{place}":
            os.kill(os.getpid(), 9)
        result = function(*arguments, **more)
        if at == f"after-{place}":
            os.kill(os.getpid(), 9)
        return result

    return call


def main() -> None:
    request = json.load(sys.stdin)
    at = request.pop("dies", "")
    once = celery_once.Once
    once.basic_publish = dying("publish", at, once.basic_publish)
    once._put_all = dying("script", at, once._put_all)
    once._confirmed = dying("broker", at, once._confirmed)
    print(json.dumps(celery_wire.answer(request)))


main()
