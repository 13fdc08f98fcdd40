"""Messages to existing Celery workers, in protocol 2 as a plain Redis client can send them, and what comes back. Pure."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from . import redbeat_bytes
from .json_text import member
from .outcome import BodyError

# Sends a message once: a second call for the same id, after whatever crash, finds the mark and sends nothing.
SEND_ONCE = """
if redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[1]) then
  redis.call('LPUSH', KEYS[2], ARGV[2])
  return 1
end
return 0
"""
MARK_SECONDS = 7 * 86400
FAILED = ("FAILURE", "REVOKED")

# Kombu serves these buckets of a priority, 0 first.
_BUCKETS = (0, 3, 6, 9)


def task_id(run_key: str, number: int) -> str:
    """The id of a run's message of that number, from 1: the same whenever it is computed."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{run_key}/{number}"))


def result_key(id: str) -> str:
    """Where Celery's Redis backend keeps a result."""
    return f"celery-task-meta-{id}"


def mark_key(id: str) -> str:
    """What tells that a message was sent."""
    return f"bailey:sent:{id}"


def queue_key(options: Mapping[str, Any]) -> str:
    """The list that a message with these options goes to."""
    queue = options.get("queue") or options.get("routing_key") or "celery"
    bucket = max(step for step in _BUCKETS if step <= _priority(options))
    return f"{queue}\x06\x16{bucket}" if bucket else str(queue)


def message(id: str, task: str, args: str, kwargs: str, options: Mapping[str, Any], now: datetime) -> str:
    """The message. `args` and `kwargs` are JSON text and go in as they are; `options` are legacy's."""
    body = f'[{args},{kwargs},{{"callbacks":null,"errbacks":null,"chain":null,"chord":null}}]'
    queue = options.get("queue") or options.get("routing_key") or "celery"
    countdown = options.get("countdown")
    eta = None if countdown is None else (now + timedelta(seconds=countdown)).isoformat()
    return json.dumps(
        {
            "body": base64.b64encode(body.encode("utf-8", "surrogatepass")).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {
                **(options.get("headers") or {}),
                "lang": "py",
                "task": task,
                "id": id,
                "root_id": id,
                "parent_id": None,
                "group": None,
                "shadow": options.get("shadow"),
                "eta": eta,
                "expires": _expires(options.get("expires"), now),
                "retries": 0,
                "timelimit": [options.get("time_limit"), options.get("soft_time_limit")],
                "argsrepr": args[:1000],
                "kwargsrepr": kwargs[:1000],
                "origin": "airflow",
                "ignore_result": False,
            },
            "properties": {
                "correlation_id": id,
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "priority": _priority(options),
                "body_encoding": "base64",
                "delivery_tag": id,
            },
        }
    )


def status(stored: bytes | None) -> str:
    """`SUCCESS`, `FAILURE`, `REVOKED`, whatever else a worker says, or `PENDING` while it has said nothing."""
    return "PENDING" if not stored else str(json.loads(stored).get("status"))


def result(stored: bytes) -> str:
    """What a task that succeeded returned, as JSON text."""
    return member(stored.decode("utf-8"), "result") or "null"


def ended(stored: bytes) -> datetime | None:
    """When the worker says the task ended."""
    done = json.loads(stored).get("date_done")
    try:
        at = datetime.fromisoformat(str(done).replace("Z", "+00:00"))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=timezone.utc)


def error(stored: bytes) -> BodyError:
    """What a task that failed raised."""
    read = json.loads(stored)
    raised = read.get("result") or {}
    if not isinstance(raised, dict):
        raised = {"exc_message": [raised]}
    words = raised.get("exc_message") or []
    words = words if isinstance(words, list) else [words]
    text = " ".join(word if isinstance(word, str) else json.dumps(word) for word in words)
    return BodyError(str(raised.get("exc_type") or "unknown"), text, read.get("traceback") or "")


def _priority(options: Mapping[str, Any]) -> int:
    return min(max(int(options.get("priority") or 0), 0), 9)


def _expires(stored: Any, now: datetime) -> str | None:
    if isinstance(stored, (int, float)):
        return (now + timedelta(seconds=stored)).isoformat()
    if isinstance(stored, dict):
        at = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=redbeat_bytes.instant(stored))
        return at.isoformat()
    return None if stored is None else str(stored)
