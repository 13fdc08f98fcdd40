"""A copy of a message into a queue that nobody consumes, sent to be compared with beat's."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from types import SimpleNamespace
from typing import Any

from .celery_messages import compared, form
from .celery_once import mark_key, marks_of
from .celery_sending import no_call, sent_once
from .celery_values import WireError, arguments, values
from .celery_workers import asking

# Seconds after which a broker may drop what a rehearsal that died has left.
LEFTOVER_SECONDS = 3600
# The longest that a copy may wait for somebody to run it by mistake.
COPY_SECONDS = 600


def way(app: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Where the message of a request would go, found by making it and keeping it: nothing is sent, nobody is asked.

    `exchange` and `routing_key`, `queues` that would be declared for it, and `options`, with which another message goes the same way.
    """
    from celery import Task

    options = values(request["options"])
    for name in ("task_id", "retry", "retry_policy"):
        options.pop(name, None)
    found: dict[str, Any] = {}
    real = app.amqp.send_task_message

    class Kept:
        """Stands where a producer does."""

        connection = SimpleNamespace(_reraise_as_library_errors=nullcontext)

        def publish(self, _body: Any, exchange: Any = "", routing_key: str = "", declare: Any = (), **_: Any) -> None:
            # The second is the event that tells of the message (task_send_sent_event).
            if "exchange" not in found:
                name = getattr(exchange, "name", exchange) or ""
                found.update(exchange=name, routing_key=routing_key, queues=[queue.name for queue in declare or []])

    def note(producer: Any, name: str, message: Any, **more: Any) -> Any:
        wanted = (
            "exchange",
            "exchange_type",
            "routing_key",
            "queue",
            "priority",
            "delivery_mode",
            "compression",
            "serializer",
        )
        found["options"] = {option: more[option] for option in wanted if more.get(option) is not None}
        return real(producer, name, message, **more)

    app.amqp.send_task_message = note
    app.backend.on_task_call = no_call
    # Or it would run here and now.
    is_eager, app.conf.task_always_eager = app.conf.task_always_eager, False
    task = app.tasks.get(request["task"])
    call = arguments(request)
    more = {"producer": Kept(), "task_id": "bailey", "retry": False, "add_to_parent": False} | options
    try:
        with _quiet():
            if task is None:
                app.send_task(request["task"], *call, **more)
            else:
                # Not the application's own, which may do more.
                Task.apply_async(task, *call, **more)
    except WireError:
        raise
    except Exception as error:
        raise WireError("message", f"Celery makes no message of it: {type(error).__name__}: {error}") from error
    finally:
        app.amqp.send_task_message = real
        app.conf.task_always_eager = is_eager
    if "exchange" not in found:
        raise WireError("elsewhere", "the application has made no message of it by way of Celery")
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Nobody is told of a message that is not sent."""
    from celery import signals

    kept = [(signal, signal.receivers[:]) for signal in (signals.before_task_publish, signals.after_task_publish)]
    for signal, _ in kept:
        signal.receivers[:] = []
    try:
        yield
    finally:
        for signal, receivers in kept:
            signal.receivers[:] = receivers


def obstacle(app: Any, task: str) -> str | None:
    """Why a copy must not be fired by beat though its message goes to another queue; None if it may."""
    from celery import Celery, Task

    if app.conf.task_always_eager or (getattr(app, "bailey_known", None) or {}).get("eager"):
        return "the application runs its tasks in place (task_always_eager): a copy would run"
    own = app.tasks.get(task)
    for name in ("apply_async", "_get_exec_options"):
        if own is not None and getattr(type(own), name, None) is not getattr(Task, name, None):
            return f"the application sends “{task}” by code of its own ({type(own).__qualname__}.{name}), which may do more than send"
    if "send_task" in vars(app) or type(app).send_task is not Celery.send_task:
        return "the application has a send_task of its own, which may do more than send"
    return None


def _eager(app: Any, request: dict[str, Any]) -> str | None:
    """The same of an application of which only its workers can be asked; the first that answers tells."""
    if request.get("app"):
        return None
    with suppress(Exception):
        for worker, conf in (asking(app, request, limit=1).conf(with_defaults=True) or {}).items():
            if conf.get("task_always_eager"):
                return (
                    f"{worker} says that the application runs its tasks in place (task_always_eager): a copy would run"
                )
    return None


def offline(app: Any, request: dict[str, Any]) -> dict[str, Any]:
    """What can be said of a message without sending it: where it goes, and where by the entry's own options."""
    import celery

    reply = {"celery": celery.__version__, "to": place_of_way(way(app, request))}
    if request.get("stored"):
        theirs = place_of_way(way(app, {**request, "options": request["stored"]}))
        if theirs != reply["to"]:
            reply["stored_to"] = theirs
    return reply


def begin(app: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Makes room for both copies and sends the DAG's.

    `beat_place` and `dag_place` name the two, each an exchange and a queue of its own; `stored` are the options as the entry has them,
    and `copy` in the reply are those of the entry that beat is to fire.
    """
    reply = offline(app, request)
    reason = obstacle(app, request["task"]) or _eager(app, request)
    if reason:
        return {**reply, "obstacle": reason}
    beats = request["beat_place"]
    reply["copy"] = _redirected(request.get("stored") or request["options"], beats, beats)
    redirected = {**request, "options": _redirected(request["options"], request["dag_place"], beats)}
    turned = way(app, redirected)
    if (turned["exchange"], turned["routing_key"]) != (request["dag_place"], request["dag_place"]):
        return {**reply, "obstacle": f"a copy cannot be led aside: its message would go to {place_of_way(turned)}"}
    with connected(app, request) as connection:
        for name in (beats, request["dag_place"]):
            _declare(connection, name)
        sent_once(app, connection, {**redirected, "ids": [request["dag_place"]], "wait": "sent"})
    return reply


def place_of_way(goes: dict[str, Any]) -> dict[str, Any]:
    return {name: goes[name] for name in ("exchange", "routing_key", "queues")}


def _redirected(options: str, name: str, entry: str) -> str:
    """Options with which a message goes into a place of its own, whatever the routes say: what options say wins over them.

    `entry` is what the copy is called that beat fires: a message that names its entry names this one.
    """
    from decimal import Decimal

    found = json.loads(options, parse_float=Decimal)
    limit = found.get("expires")
    is_short = isinstance(limit, (int, Decimal)) and not isinstance(limit, bool) and 0 < limit <= COPY_SECONDS
    found |= {"exchange": name, "routing_key": name, "expires": limit if is_short else COPY_SECONDS}
    if (found.get("headers") or {}).get("periodic_task_name"):
        found["headers"] = {**found["headers"], "periodic_task_name": entry}
    return json.dumps(found, default=float)


def _declare(connection: Any, name: str) -> None:
    from kombu import Exchange, Queue

    with connection.channel() as channel:
        if hasattr(channel, "_q_for_pri"):
            Queue(name, Exchange(name, durable=False), routing_key=name)(channel).declare()
        else:
            exchange = Exchange(name, durable=True, auto_delete=True)
            arguments = {"x-expires": LEFTOVER_SECONDS * 1000}
            Queue(name, exchange, routing_key=name, durable=True, queue_arguments=arguments)(channel).declare()


def connected(app: Any, request: dict[str, Any]) -> Any:
    connection = app.connection_for_write(request.get("broker") or None)
    try:
        connection.ensure_connection(max_retries=2, timeout=10)
    except Exception as error:
        place = connection.as_uri()
        connection.release()
        words = f"the broker {place} cannot be reached: {type(error).__name__}: {error}"
        raise WireError("broker", words) from error
    return connection


def compare(app: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Takes both messages and compares them, property by property and body byte by byte.

    `same` are the names of what is equal, `differences` what is not, each with both sides. Ids, the sender's name and the place
    are each one's own; moments may be as far apart as the sendings were.
    """
    with connected(app, request) as connection:
        beats = _take(connection, request["beat_place"], float(request.get("seconds") or 10))
        dags = _take(connection, request["dag_place"], 2)
    if beats is None or dags is None:
        return {"missing": "beat" if beats is None else "dag"}
    apart = max(0.0, time.time() - float(request.get("since") or 0)) + 5
    return compared(beats, dags, apart)


def _take(connection: Any, name: str, seconds: float) -> dict[str, Any] | None:
    ends = time.monotonic() + seconds
    with connection.channel() as channel:
        while True:
            message = channel.basic_get(name, no_ack=True)
            if message is not None:
                return form(message)
            if time.monotonic() > ends:
                return None
            time.sleep(0.2)


def remove(app: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Takes places away again, with what lies in them and what tells that it was sent."""
    with connected(app, request) as connection:
        for name in request["names"]:
            for what in ("queue_delete", "exchange_delete"):
                # Nothing is there to be removed, or the broker has done it: with the channel of an error goes only the channel.
                with suppress(Exception), connection.channel() as channel:
                    getattr(channel, what)(name)
        with suppress(WireError):
            marks, prefix = marks_of(connection, request)
            for name in request["names"]:
                marks.delete(prefix + mark_key(name))
                # What kombu keeps of an exchange in Redis outlives it.
                for table in ("binding", "binding_permanent"):
                    marks.delete(f"_kombu.{table}.{name}")
    return {"removed": len(request["names"])}
