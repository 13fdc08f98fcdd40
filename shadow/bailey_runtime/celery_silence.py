"""Why no answer to a message came, as far as results, workers and broker tell."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from .celery_answers import state
from .celery_values import FINAL
from .celery_workers import consumers_of


def messages_in(connection: Any, queue: str) -> int:
    try:
        with connection.channel() as channel:
            return int(channel.queue_declare(queue, passive=True).message_count)
    except Exception:
        # A list that is gone is empty.
        return 0


def in_quotes(names: list[str]) -> str:
    return ", ".join(f"“{name}”" for name in names)


def unconsumed(names: list[str], consumers: dict[str, list[str]]) -> str:
    others = "; ".join(f"{', '.join(workers)}: “{queue}”" for queue, workers in sorted(consumers.items()))
    return f"no live worker consumes the queue {in_quotes(names)} (they consume {others}); start one with -Q, or mend the route"


def unanswered(app: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Why no result of a message came in time, as far as results, workers and broker tell; `words`.

    `to` is where it went, as `send` said.
    """
    to = request["to"]
    with suppress(Exception):
        status = state(app, request["id"])["status"]
        if status not in (*FINAL, "PENDING", "UNREADABLE"):
            return {
                "words": f"a worker took it (its last word is {status}) and told of no end: does it still run, or did the worker die in the "
                "middle of it? See the worker's log; a message that is acknowledged early (task_acks_late) dies with its worker"
            }
    consumers = consumers_of(app, request)
    names = to.get("queues") or ([to["routing_key"]] if not to["exchange"] else [])
    with app.connection_for_write(request.get("broker") or None) as connection:
        waiting = sum(messages_in(connection, name) for name in names)
        place = connection.as_uri()
    if consumers is None:
        return {
            "words": f"no worker answers questions at {place}, and {waiting} messages wait in {in_quotes(names) or to}: start the workers, or see "
            "whether this is their broker and database"
        }
    if names and not any(consumers.get(name) for name in names):
        return {"words": unconsumed(names, consumers)}
    workers = sorted({worker for name in names for worker in consumers.get(name, [])})
    if waiting:
        return {
            "words": f"{waiting} messages wait in {in_quotes(names)}, which {', '.join(workers)} consumes: the workers are behind"
        }
    return {
        "words": f"nothing waits in {in_quotes(names) or to} any more, and no result is stored: the worker died in the middle of it, keeps its "
        "results elsewhere, or the result expired (result_expires) before it was read. See the log of "
        f"{', '.join(workers) or 'the workers'} for Celery task {request['id']}"
    }
