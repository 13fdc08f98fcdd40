"""There and back: a task of Celery's own goes the way of an entry, and its answer comes back or it is said why not."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from typing import Any

from .celery_answers import ResultsAway, readable, result_keys, stated
from .celery_copies import connected, place_of_way, way
from .celery_once import Once, mark_key, marks_of
from .celery_silence import in_quotes, messages_in, unconsumed
from .celery_values import FINAL, WireError, values
from .celery_workers import asking, consumers_of

ACCUMULATE = "celery.accumulate"


def round_trip(app: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Sends Celery's own task without effect the way of an entry, and waits for the answer as the entry's task will.

    `reached` and `came_back` tell how far it came, `milliseconds` how long that took, `words` why no further.
    """
    id, seconds = request["id"], float(request.get("seconds") or 20)
    wait = request.get("wait", "result")
    goes = way(app, request)
    reply: dict[str, Any] = {"to": place_of_way(goes), "reached": False, "came_back": False}
    # Nothing is sent of which the answer would be lost.
    readable(app, request, values(request["options"]))
    with connected(app, request) as connection:
        began = time.monotonic()
        if wait == "events":
            event = _by_events(app, connection, request, goes, id, seconds)
            if event:
                reply |= {"reached": True, "came_back": True, "milliseconds": _since(began)}
                return {**reply, "words": "a worker told of its end by events"}
            return {**reply, "words": _why(app, connection, request, goes, wait, seconds)}
        _send_along(app, connection, request, goes, id)
        began = time.monotonic()
        if wait == "sent":
            return reply | _by_queue(app, connection, request, goes, began, seconds)
        told, away = None, ""
        while time.monotonic() - began < seconds:
            try:
                told, away = stated(app, id), ""
            except ResultsAway as error:
                away = str(error)
            if told is not None and told["status"] in (*FINAL, "UNREADABLE"):
                break
            time.sleep(0.05)
        if away:
            return {**reply, "words": away}
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


def _send_along(app: Any, connection: Any, request: dict[str, Any], goes: dict[str, Any], id: str) -> None:
    from kombu.exceptions import InconsistencyError

    producer = app.amqp.Producer(connection, auto_declare=False)
    Once(producer.channel, {**request, "id": id, "unsure": "fail"})
    message = app.amqp.create_task_message(id, ACCUMULATE, (request["nonce"],), {}, expires=60, ignore_result=False)
    try:
        app.amqp.send_task_message(producer, ACCUMULATE, message, retry=False, **goes["options"])
    except InconsistencyError as error:
        raise WireError("unrouted", f"no queue is bound where the message goes, so it would vanish: {error}") from error
    finally:
        with suppress(Exception):
            marks, prefix = marks_of(connection, request)
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
            _send_along(app, connection, request, goes, id)
            ends = time.monotonic() + seconds
            while id not in ended and time.monotonic() < ends:
                with suppress(TimeoutError):
                    listening.drain_events(timeout=1)
    return ended.get(id)


def _by_queue(
    app: Any, connection: Any, request: dict[str, Any], goes: dict[str, Any], began: float, seconds: float
) -> dict[str, Any]:
    """Without an answer: whether a worker consumes where it went, and whether the queue is empty after it."""
    consumers = consumers_of(app, request)
    names = _names(goes)
    if consumers is not None and not any(consumers.get(name) for name in names):
        return {"words": unconsumed(names, consumers)}
    while time.monotonic() - began < seconds:
        if all(messages_in(connection, name) == 0 for name in names):
            words = f"the queue {in_quotes(names)} is empty after it; no answer is waited for (wait: sent)"
            return {"reached": True, "came_back": True, "milliseconds": _since(began), "words": words}
        time.sleep(0.2)
    return {
        "words": f"the queue {in_quotes(names)} was never empty within {seconds:g} s: its workers are behind, or busy"
    }


def _names(goes: dict[str, Any]) -> list[str]:
    found = goes["queues"] or ([goes["routing_key"]] if not goes["exchange"] else [])
    return found or [goes["exchange"]]


def _why(app: Any, connection: Any, request: dict[str, Any], goes: dict[str, Any], wait: str, seconds: float) -> str:
    """Why nothing came back."""
    names = _names(goes)
    consumers = consumers_of(app, request)
    waiting = sum(messages_in(connection, name) for name in names)
    if consumers is None:
        # One that is busy answers no questions either; what lies in the queue tells more.
        return (
            f"no worker answers questions at {connection.as_uri()}, and {waiting} messages wait in {in_quotes(names)}: does one run, is it "
            "busy, and is this its broker and database?"
        )
    if goes["queues"] or not goes["exchange"]:
        if not any(consumers.get(name) for name in names):
            return unconsumed(names, consumers)
    workers = sorted({worker for name in names for worker in consumers.get(name, [])})
    if waiting:
        return (
            f"{waiting} messages wait in {in_quotes(names)}, which {', '.join(workers)} consumes: the workers are behind; "
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
        for worker, conf in sorted((asking(app, request).conf(with_defaults=True) or {}).items()):
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
        for key in result_keys(app, id):
            app.backend.delete(key)


def seen(app: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Which workers answer at the broker, and which queues they consume."""
    with connected(app, request) as connection:
        found = consumers_of(app, request)
        return {"broker": connection.as_uri(), "consumers": found or {}}
