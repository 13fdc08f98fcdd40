"""What is sent to prove a pipeline's messages before its cutover: a copy into a queue that nobody consumes, to compare it with beat's,
and a task of Celery's own that goes the way of an entry and comes back.

Runs together with `celery_wire`, as one program: in the application's own interpreter, or in one that has Celery.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from .celery_wire import (
    DOES,
    FINAL,
    WireError,
    _marks,
    _Once,
    _readable,
    _sent,
    _silent,
    mark_key,
    plain,
    source,
    state,
    values,
)

# Seconds after which a broker may drop what a rehearsal that died has left.
LEFTOVER_SECONDS = 3600
# The longest that a copy may wait for somebody to run it by mistake.
COPY_SECONDS = 600
# What is each sending's own.
OWN_HEADERS = ("origin",)
OWN_PROPERTIES = ("reply_to", "delivery_tag", "delivery_info", "body_encoding", "application_headers")
MOMENTS = ("eta", "expires")
ACCUMULATE = "celery.accumulate"


# Where a message would go


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
    app.backend.on_task_call = _silent
    # Or it would run here and now.
    is_eager, app.conf.task_always_eager = app.conf.task_always_eager, False
    task = app.tasks.get(request["task"])
    arguments = (values(request["args"]), values(request["kwargs"]))
    more = {"producer": Kept(), "task_id": "bailey", "retry": False, "add_to_parent": False} | options
    try:
        with _quiet():
            if task is None:
                app.send_task(request["task"], *arguments, **more)
            else:
                # Not the application's own, which may do more.
                Task.apply_async(task, *arguments, **more)
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
        for worker, conf in (_asking(app, request, limit=1).conf(with_defaults=True) or {}).items():
            if conf.get("task_always_eager"):
                return (
                    f"{worker} says that the application runs its tasks in place (task_always_eager): a copy would run"
                )
    return None


# Two messages


def offline(app: Any, request: dict[str, Any]) -> dict[str, Any]:
    """What can be said of a message without sending it: where it goes, and where by the entry's own options."""
    import celery

    reply = {"celery": celery.__version__, "to": _place(way(app, request))}
    if request.get("stored"):
        theirs = _place(way(app, {**request, "options": request["stored"]}))
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
    reply["copy"] = _redirected(request.get("stored") or request["options"], request["beat_place"])
    redirected = {**request, "options": _redirected(request["options"], request["dag_place"])}
    turned = way(app, redirected)
    if (turned["exchange"], turned["routing_key"]) != (request["dag_place"], request["dag_place"]):
        return {**reply, "obstacle": f"a copy cannot be led aside: its message would go to {_place(turned)}"}
    with _connected(app, request) as connection:
        for name in (request["beat_place"], request["dag_place"]):
            _declare(connection, name)
        _sent(app, connection, {**redirected, "ids": [request["dag_place"]], "wait": "sent"})
    return reply


def _place(goes: dict[str, Any]) -> dict[str, Any]:
    return {name: goes[name] for name in ("exchange", "routing_key", "queues")}


def _redirected(options: str, name: str) -> str:
    """Options with which a message goes into a place of its own, whatever the routes say: what options say wins over them."""
    from decimal import Decimal

    found = json.loads(options, parse_float=Decimal)
    limit = found.get("expires")
    is_short = isinstance(limit, (int, Decimal)) and not isinstance(limit, bool) and 0 < limit <= COPY_SECONDS
    found |= {"exchange": name, "routing_key": name, "expires": limit if is_short else COPY_SECONDS}
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


def _connected(app: Any, request: dict[str, Any]) -> Any:
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
    with _connected(app, request) as connection:
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


def form(message: Any) -> dict[str, Any]:
    """A message as the broker has it."""
    body = message.body
    return {
        "headers": dict(message.headers or {}),
        "properties": dict(message.properties or {}),
        "content": [message.content_type, message.content_encoding],
        "body": body.encode("utf-8", "surrogatepass") if isinstance(body, str) else bytes(body),
    }


def compared(beats: dict[str, Any], dags: dict[str, Any], apart: float) -> dict[str, Any]:
    """What two messages have in common, and what not."""
    mine, theirs = _parts(beats), _parts(dags)
    same: list[str] = []
    differences: list[dict[str, str]] = []
    nothing = object()
    for name in sorted(mine.keys() | theirs.keys()):
        one, other = mine.get(name, nothing), theirs.get(name, nothing)
        if one is nothing or other is nothing:
            is_same = False
        elif name.rpartition(".")[2] in MOMENTS:
            is_same = _near(one, other, apart)
        elif name == "properties.expiration":
            is_same = abs(float(one) - float(other)) <= apart * 1000
        else:
            is_same = type(one) is type(other) and one == other
        if is_same:
            same.append(name)
        else:
            shown = [("absent" if part is nothing else _shown(name, part)) for part in (one, other)]
            differences.append({"property": name, "beat": shown[0], "dag": shown[1]})
    return {"same": same, "differences": differences, "bytes": len(beats["body"]), "sha256": _digest(beats["body"])}


def _parts(message: dict[str, Any]) -> dict[str, Any]:
    """A message as named values, without what is each sending's own."""
    properties = {name: value for name, value in message["properties"].items() if name not in OWN_PROPERTIES}
    headers = {name: value for name, value in message["headers"].items() if name not in OWN_HEADERS}
    own = properties.pop("correlation_id", None) or headers.get("id")
    found: dict[str, Any] = {f"properties.{name}": value for name, value in properties.items()}
    for name, value in headers.items():
        found[f"headers.{name}"] = "its own" if own is not None and value == own else value
    found["content_type"], found["content_encoding"] = message["content"]
    if "task" in headers:
        found["body"] = message["body"]
    else:
        # The first form of messages has everything in its body.
        found |= _first_form(message)
    return found


def _first_form(message: dict[str, Any]) -> dict[str, Any]:
    from kombu.compression import decompress
    from kombu.serialization import loads

    kind, encoding = message["content"]
    body = message["body"]
    if kind == "application/x-python-serialize":
        # Nothing is unpickled: of what is pickled only the size is known to be alike, its id and moments being inside.
        return {"body.bytes": len(body)}
    if message["headers"].get("compression"):
        body = decompress(body, message["headers"]["compression"])
    found = loads(body, kind, encoding, accept=[kind])
    return {f"body.{name}": value for name, value in found.items() if name != "id"}


def _near(one: Any, other: Any, apart: float) -> bool:
    if one is None or other is None:
        return one is None and other is None
    try:
        moments = [part if isinstance(part, datetime) else datetime.fromisoformat(str(part)) for part in (one, other)]
        return abs((moments[0] - moments[1]).total_seconds()) <= apart
    except (ValueError, TypeError):
        return bool(one == other)


def _shown(name: str, value: Any) -> str:
    # A body may hold secrets.
    if isinstance(value, bytes):
        return f"{len(value)} bytes, SHA-256 {_digest(value)}"
    return plain(value)[:200]


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def remove(app: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Takes places away again, with what lies in them and what tells that it was sent."""
    with _connected(app, request) as connection:
        for name in request["names"]:
            for what in ("queue_delete", "exchange_delete"):
                # Nothing is there to be removed, or the broker has done it: with the channel of an error goes only the channel.
                with suppress(Exception), connection.channel() as channel:
                    getattr(channel, what)(name)
        with suppress(WireError):
            marks, prefix = _marks(connection, request)
            for name in request["names"]:
                marks.delete(prefix + mark_key(name))
                # What kombu keeps of an exchange in Redis outlives it.
                for table in ("binding", "binding_permanent"):
                    marks.delete(f"_kombu.{table}.{name}")
    return {"removed": len(request["names"])}


# There and back


def round_trip(app: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Sends Celery's own task without effect the way of an entry, and waits for the answer as the entry's task will.

    `reached` and `came_back` tell how far it came, `milliseconds` how long that took, `words` why no further.
    """
    id, seconds = request["id"], float(request.get("seconds") or 20)
    wait = request.get("wait", "result")
    goes = way(app, request)
    reply: dict[str, Any] = {"to": _place(goes), "reached": False, "came_back": False}
    # Nothing is sent of which the answer would be lost.
    _readable(app, request, values(request["options"]))
    with _connected(app, request) as connection:
        began = time.monotonic()
        if wait == "events":
            event = _by_events(app, connection, request, goes, id, seconds)
            if event:
                reply |= {"reached": True, "came_back": True, "milliseconds": _since(began)}
                return {**reply, "words": "a worker told of its end by events"}
            return {**reply, "words": _why(app, connection, request, goes, wait, seconds)}
        _send(app, connection, request, goes, id)
        began = time.monotonic()
        if wait == "sent":
            return reply | _by_queue(app, connection, request, goes, began, seconds)
        told = None
        while time.monotonic() - began < seconds:
            told = state(app, id)
            if told["status"] in (*FINAL, "UNREADABLE"):
                break
            time.sleep(0.05)
        if told is None or told["status"] == "PENDING":
            return {**reply, "words": _why(app, connection, request, goes, wait, seconds)}
        reply |= {"reached": True, "milliseconds": _since(began)}
        _forget(app, id)
        if told["status"] != "SUCCESS":
            error = told.get("error") or {}
            words = f"a worker took it, and its result is {told['status']}: {error.get('type')} {error.get('message')}"
            return {**reply, "words": words}
        if request["nonce"] not in told["result"] and "bailey_pickled" not in told["result"]:
            return {**reply, "words": "a result came back that is not that of what was sent: who else writes there?"}
        return {**reply, "came_back": True, "words": "its result came back"}


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def _send(app: Any, connection: Any, request: dict[str, Any], goes: dict[str, Any], id: str) -> None:
    from kombu.exceptions import InconsistencyError

    producer = app.amqp.Producer(connection, auto_declare=False)
    _Once(producer.channel, {**request, "id": id, "unsure": "fail"})
    message = app.amqp.create_task_message(id, ACCUMULATE, (request["nonce"],), {}, expires=60, ignore_result=False)
    try:
        app.amqp.send_task_message(producer, ACCUMULATE, message, retry=False, **goes["options"])
    except InconsistencyError as error:
        raise WireError("unrouted", f"no queue is bound where the message goes, so it would vanish: {error}") from error
    finally:
        with suppress(Exception):
            marks, prefix = _marks(connection, request)
            marks.delete(prefix + mark_key(id))


def _by_events(
    app: Any, connection: Any, request: dict[str, Any], goes: dict[str, Any], id: str, seconds: float
) -> dict[str, Any] | None:
    ended: dict[str, dict[str, Any]] = {}

    def note(event: dict[str, Any]) -> None:
        ended[event["uuid"]] = event

    with app.connection_for_read(request.get("broker") or None) as listening_to:
        receiver = app.events.Receiver(listening_to, handlers={"task-succeeded": note})
        with receiver.consumer_context(wakeup=False) as (listening, _, _):
            with suppress(TimeoutError):
                listening.drain_events(timeout=1)
            _send(app, connection, request, goes, id)
            ends = time.monotonic() + seconds
            while id not in ended and time.monotonic() < ends:
                with suppress(TimeoutError):
                    listening.drain_events(timeout=1)
    return ended.get(id)


def _by_queue(
    app: Any, connection: Any, request: dict[str, Any], goes: dict[str, Any], began: float, seconds: float
) -> dict[str, Any]:
    """Without an answer: whether a worker consumes where it went, and whether the queue is empty after it."""
    consumers = _consumers(app, request)
    names = _names(goes)
    if consumers is not None and not any(consumers.get(name) for name in names):
        return {"words": _nobody(names, consumers)}
    while time.monotonic() - began < seconds:
        if all(_waiting(connection, name) == 0 for name in names):
            words = f"the queue {_listed(names)} is empty after it; no answer is waited for (wait: sent)"
            return {"reached": True, "came_back": True, "milliseconds": _since(began), "words": words}
        time.sleep(0.2)
    return {
        "words": f"the queue {_listed(names)} was never empty within {seconds:g} s: its workers are behind, or busy"
    }


def _waiting(connection: Any, queue: str) -> int:
    try:
        with connection.channel() as channel:
            return int(channel.queue_declare(queue, passive=True).message_count)
    except Exception:
        # A list that is gone is empty.
        return 0


def _names(goes: dict[str, Any]) -> list[str]:
    found = goes["queues"] or ([goes["routing_key"]] if not goes["exchange"] else [])
    return found or [goes["exchange"]]


def _listed(names: list[str]) -> str:
    return ", ".join(f"“{name}”" for name in names)


def _asking(app: Any, request: dict[str, Any], limit: int | None = None) -> Any:
    if request.get("broker"):
        from celery import Celery

        # Questions go out through the pool of their application, whatever connection they are given.
        options = app.conf.broker_transport_options
        app = Celery("bailey", broker=request["broker"], set_as_current=False, fixups=[])
        app.conf.broker_transport_options = options
    app.conf.accept_content = sorted({*app.conf.accept_content, "json"})
    return app.control.inspect(timeout=2, limit=limit)


def _consumers(app: Any, request: dict[str, Any]) -> dict[str, list[str]] | None:
    """Which workers consume which queue; None if nobody answers."""
    try:
        answers = _asking(app, request).active_queues()
    except Exception as error:
        print(f"workers could not be asked: {type(error).__name__}: {error}", file=sys.stderr)
        return None
    if answers is None:
        return None
    found: dict[str, list[str]] = {}
    for worker, queues in sorted(answers.items()):
        for queue in queues or []:
            found.setdefault(queue["name"], []).append(worker)
    return found


def _nobody(names: list[str], consumers: dict[str, list[str]]) -> str:
    others = "; ".join(f"{', '.join(workers)}: “{queue}”" for queue, workers in sorted(consumers.items()))
    return f"no live worker consumes the queue {_listed(names)} (they consume {others}); start one with -Q, or mend the route"


def _why(app: Any, connection: Any, request: dict[str, Any], goes: dict[str, Any], wait: str, seconds: float) -> str:
    """Why nothing came back."""
    names = _names(goes)
    consumers = _consumers(app, request)
    waiting = sum(_waiting(connection, name) for name in names)
    if consumers is None:
        # One that is busy answers no questions either; what lies in the queue tells more.
        return (
            f"no worker answers questions at {connection.as_uri()}, and {waiting} messages wait in {_listed(names)}: does one run, is it "
            "busy, and is this its broker and database?"
        )
    if goes["queues"] or not goes["exchange"]:
        if not any(consumers.get(name) for name in names):
            return _nobody(names, consumers)
    workers = sorted({worker for name in names for worker in consumers.get(name, [])})
    if waiting:
        return (
            f"{waiting} messages wait in {_listed(names)}, which {', '.join(workers)} consumes: the workers are behind; "
            "try again when they are idle (what was sent expires within a minute)"
        )
    if wait == "events":
        return f"{', '.join(workers)} took it and told of no end: do the workers run with -E (task events)?"
    elsewhere = _elsewhere(app, request, workers)
    if elsewhere:
        return elsewhere
    return (
        f"{', '.join(workers) or 'a worker'} took it, and no result came within {seconds:g} s to {_address(app.backend)}: "
        "do the workers store results there?"
    )


def _elsewhere(app: Any, request: dict[str, Any], workers: list[str]) -> str | None:
    """Where workers keep their results, if that is not where they are looked for."""
    with suppress(Exception):
        for worker, conf in sorted((_asking(app, request).conf(with_defaults=True) or {}).items()):
            theirs = conf.get("result_backend")
            if worker not in workers:
                continue
            if not theirs or str(theirs).startswith("disabled"):
                return f"{worker} has no result backend: say “wait: events” or “wait: sent” in the mapping"
            if conf.get("task_ignore_result"):
                return f"{worker} stores no results unless a task says so (task_ignore_result)"
            mine = _address(app.backend)
            if _bare(str(theirs)) != _bare(mine):
                return f"{worker} stores results in {_bare(str(theirs))}, and they were looked for in {_bare(mine)} (results_url)"
    return None


def _address(backend: Any) -> str:
    with suppress(Exception):
        return _bare(str(backend.as_uri(include_password=False)))
    return type(backend).__name__


def _bare(url: str) -> str:
    """A URL without credentials and trailing slashes, `localhost` as its address."""
    url = re.sub(r"//[^/@]*@", "//", url).split("?")[0].rstrip("/")
    found = re.fullmatch(r"(rediss?|sentinel)://([^/:]*)(:\d+)?(?:/(\d*))?", url)
    if not found:
        return url
    host = "127.0.0.1" if found[2] in ("", "localhost") else found[2]
    return f"{found[1]}://{host}{found[3] or ':6379'}/{found[4] or 0}"


def _forget(app: Any, id: str) -> None:
    with suppress(Exception):
        app.backend.delete(app.backend.get_key_for_task(id))


# Connections


def seen(app: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Which workers answer at the broker, and which queues they consume."""
    with _connected(app, request) as connection:
        found = _consumers(app, request)
        return {"broker": connection.as_uri(), "consumers": found or {}}


def program() -> str:
    """The text of both as one program."""
    with open(__file__, encoding="utf-8") as file:
        own = re.sub(r"^from (\.|__future__)[^(\n]*(\([^)]*\))?\n", "", file.read(), flags=re.M)
    first, last = source().split('if __name__ == "__main__":')
    return f'{first}{own}\n\nif __name__ == "__main__":{last}'


DOES |= {"offline": offline, "begin": begin, "compare": compare, "remove": remove}
DOES |= {"round-trip": round_trip, "seen": seen}
