"""The Celery application of a test: what it is configured with comes from LEGACY_CELERY, a JSON object."""

from __future__ import annotations

import json
import math
import os
import time

import redis
from celery import Celery, Task, signals
from kombu import Exchange, Queue, binding

GIVEN = json.loads(os.environ["LEGACY_CELERY"])
LEDGER = redis.Redis.from_url(GIVEN["ledger"])

app = Celery("legacy")
app.conf.update(GIVEN["settings"])


def by_function(name, args, kwargs, options, task=None, **kw):
    """Routes by what is in the call, which no worker can tell."""
    return {"queue": "odd" if (kwargs or {}).get("n", 0) % 2 else "even", "priority": 6}


if GIVEN.get("by_function"):
    app.conf.task_routes = (by_function,)
if GIVEN.get("queues"):
    app.conf.task_queues = [
        Queue(
            name,
            Exchange(exchange, type=kind),
            routing_key=key,
            max_priority=10 if GIVEN.get("max_priority") else None,
            binding_arguments=GIVEN.get("bound", {}).get(name),
            bindings=[binding(Exchange(exchange, type=kind), one) for one in GIVEN.get("keys", {}).get(name, [])],
        )
        for name, exchange, kind, key in GIVEN["queues"]
    ]


@signals.task_received.connect
def note(request=None, **_):
    """What the worker received, property by property."""
    message = request.message
    body = message.body
    LEDGER.rpush(
        "received",
        json.dumps(
            {
                "headers": message.headers,
                "properties": {
                    name: value for name, value in message.properties.items() if name != "application_headers"
                },
                "content": [message.content_type, message.content_encoding],
                "to": {name: message.delivery_info.get(name) for name in ("exchange", "routing_key")},
                "body": (body if isinstance(body, str) else bytes(body).hex()),
            },
            default=str,
        ),
    )


@app.task(name="legacy.echo", **GIVEN.get("task", {}))
def echo(*args, **kwargs):
    """Counts its runs."""
    LEDGER.incr("runs")
    return {"args": len(args), "n": kwargs.get("n")}


@app.task(name="legacy.plain")
def plain(*args, **kwargs):
    """The same, with no options of its own."""
    LEDGER.incr("runs")
    return {"args": len(args), "n": kwargs.get("n")}


@app.task(name="legacy.odd")
def odd(what):
    """Returns what JSON has no good form for."""
    LEDGER.incr("runs")
    return {
        "nan": math.nan,
        "infinity": [math.inf, -math.inf],
        "surrogate": "half \ud800 of one",
        "nul": "a\0b",
        "bytes": b"\x00\xff",
        "large": "x" * 50_000_000,
        "deep": json.loads("[" * 200 + "]" * 200),
    }[what]


@app.task(name="legacy.fails")
def fails():
    """Raises."""
    LEDGER.incr("runs")
    raise ValueError("kaput")


@app.task(name="legacy.quiet", ignore_result=True)
def quiet():
    """Leaves no result."""
    LEDGER.incr("runs")


@app.task(name="legacy.dies")
def dies():
    """Takes the worker's process with it."""
    LEDGER.incr("runs")
    os._exit(9)


class OnceOnly(Task):
    """Sends by code of its own, as celery-singleton and celery-once do."""

    def apply_async(self, *args, **kwargs):
        LEDGER.incr("runs")
        return super().apply_async(*args, **kwargs)


@app.task(name="legacy.once", base=OnceOnly)
def once(*_):
    """Runs once."""
    LEDGER.incr("runs")


@app.task(name="legacy.slow")
def slow(seconds):
    """Takes a while."""
    LEDGER.incr("runs")
    time.sleep(seconds)
    return "slept"
