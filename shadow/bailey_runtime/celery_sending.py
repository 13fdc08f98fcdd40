"""Sends a message as beat would, by Celery itself, and follows it by the workers' events."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

from .celery_answers import ResultsAway, readable, stated
from .celery_once import MARK_SECONDS, Once, mark_key, marked_as, marks_of
from .celery_places import untrusted
from .celery_values import SECONDS, WireError, arguments, values

# How long a broker may be away before the attempt fails, and how long one answer may take.
_PATIENCE = 30


def send(app: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Sends a request's message once, exactly as beat would, and says where it went.

    Raises WireError. `sent` is False where an earlier call had sent it.
    """
    from kombu.exceptions import InconsistencyError, OperationalError

    ends = time.monotonic() + _PATIENCE
    while True:
        connection = app.connection_for_write(request.get("broker") or None)
        try:
            connection.ensure_connection(max_retries=1, timeout=SECONDS)
            if request.get("wait") == "events":
                return _followed(app, connection, request)
            return sent_once(app, connection, request)
        except InconsistencyError as error:
            raise WireError(
                "unrouted",
                f"no queue is bound where the message would go, so it would vanish: {error}; bind one (task_queues), or mend the entry's "
                "exchange and routing_key",
            ) from error
        except (OperationalError, OSError, *connection.connection_errors, *connection.channel_errors) as error:
            told = f"{type(error).__name__}: {error}"
            if untrusted(error):
                words = f"the certificate of the broker {connection.as_uri()} is not trusted: {told}; name its authority (“ssl_ca_certs” among the "
                raise WireError(
                    "broker", f"{words}extras of its connection), and a host that it is made for"
                ) from error
            if _refuses(error):
                words = f"the broker {connection.as_uri()} refuses this: {told}; see the user, password and rights of its connection, and "
                raise WireError(
                    "broker", f"{words}whether its queues have other arguments than the application declares"
                ) from error
            if time.monotonic() > ends:
                words = f"the broker {connection.as_uri()} cannot be reached: {told}; see whether it runs, host and port of its connection, "
                raise WireError("broker", f"{words}and whether both sides mean TLS") from error
            time.sleep(1)
        except ResultsAway as error:
            if time.monotonic() > ends:
                raise WireError("results", str(error)) from error
            time.sleep(1)
        finally:
            connection.release()


def _refuses(error: BaseException | None) -> bool:
    """Whether a broker has said no, which it would say again."""
    while error is not None:
        # AMQP's codes: 403 access refused, 404 not found, 405 locked, 406 other arguments, 530 not allowed.
        if getattr(error, "reply_code", None) in (403, 404, 405, 406, 530):
            return True
        if type(error).__name__ in ("AuthenticationError", "NoPermissionError", "AuthenticationWrongNumberOfArgsError"):
            return True
        error = error.__cause__ or error.__context__
    return False


def sent_once(app: Any, connection: Any, request: dict[str, Any]) -> dict[str, Any]:
    if app.conf.task_always_eager:
        raise WireError(
            "eager",
            "the application runs its tasks in place (task_always_eager), so beat would send nothing; unset it, or give the task a body in Python",
        )
    options = values(request["options"])
    # A message's id is the run's own, and what is done about a broker that is away is said here.
    for name in ("task_id", "retry", "retry_policy"):
        options.pop(name, None)
    if tuple(request.get("beat") or _version()) >= (5, 7):
        options.setdefault("headers", {})["celery_beat_task"] = True
    args, kwargs = arguments(request)
    readable(app, request, options)
    _accepted(app, request, options)
    app.backend.on_task_call = no_call
    id, is_known = _chosen(app, connection, request)
    request = {**request, "id": id, "is_known": is_known}
    producer = app.amqp.Producer(connection, auto_declare=False)
    once = Once(producer.channel, request)
    task = app.tasks.get(request["task"])
    call = task.apply_async if task is not None else _by_name(app, request["task"])
    from kombu.exceptions import InconsistencyError, OperationalError

    try:
        call(args, kwargs, producer=producer, task_id=request["id"], retry=False, add_to_parent=False, **options)
    except (WireError, OSError, InconsistencyError, OperationalError, ImportError):
        raise
    except (*connection.connection_errors, *connection.channel_errors):
        raise
    except Exception as error:
        # Its own code and Celery's raise what they like.
        words = f"Celery makes no message of it: {type(error).__name__}: {error}; beat would make none either: mend the entry"
        raise WireError("message", words) from error
    return {"sent": once.sent, "id": request["id"], "to": once.to, "reads": _reads(app)}


def _accepted(app: Any, request: dict[str, Any], options: dict[str, Any]) -> None:
    """Raises WireError where the workers would throw the message away, for its form."""
    from kombu.serialization import prepare_accept_content, registry

    known = getattr(app, "bailey_known", None)
    accepted = app.conf.accept_content if known is None else (known.get("settings") or {}).get("accept_content")
    if accepted is None:
        return
    task = app.tasks.get(request["task"])
    serializer = options.get("serializer") or getattr(task, "serializer", None) or app.conf.task_serializer
    encoder = registry._encoders.get(serializer)
    if encoder and encoder.content_type not in prepare_accept_content(accepted):
        raise WireError(
            "refused",
            f"the workers throw away what is {encoder.content_type}, which is not in the application's accept_content, and so they do with "
            f"beat's message; let them accept it, or mend the serializer ({serializer})",
        )


def _chosen(app: Any, connection: Any, request: dict[str, Any]) -> tuple[str, bool]:
    """The id of this attempt: that of the attempt before, unless what it sent is known to have failed.

    And whether a worker is known to have it: then it was sent, even if the mark that says so was thrown away.
    """
    *earlier, last = request["ids"]
    waits = request.get("wait", "result") == "result"
    for id in earlier:
        status = stated(app, id)["status"] if waits else None
        if not (status in ("FAILURE", "REVOKED") if waits else marked_as(connection, request, id) == b"failed"):
            return str(id), status not in (None, "PENDING")
    return str(last), waits and stated(app, last)["status"] != "PENDING"


def _reads(app: Any) -> dict[str, Any]:
    """What another process must know to read this application's results, without secrets."""
    options = app.conf.result_backend_transport_options or {}
    prefix = {"global_keyprefix": options["global_keyprefix"]} if options.get("global_keyprefix") else {}
    settings = {"result_serializer": app.conf.result_serializer, "result_backend_transport_options": prefix}
    return {"settings": settings}


def _followed(app: Any, connection: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Sends the message and waits for the worker's own events of it: the listener is there before the message is."""
    ended: dict[str, dict[str, Any]] = {}

    def note(event: dict[str, Any]) -> None:
        ended[event["uuid"]] = event

    kinds = ("task-succeeded", "task-failed", "task-revoked")
    with app.connection_for_read(request.get("broker") or None) as opened_for:
        receiver = app.events.Receiver(opened_for, handlers=dict.fromkeys(kinds, note))
        with receiver.consumer_context(wakeup=False) as (listening, _, _):
            # On Redis the subscription is made by listening for the first time.
            with suppress(TimeoutError):
                listening.drain_events(timeout=1)
            reply = sent_once(app, connection, request)
            ends = time.monotonic() + float(request.get("seconds") or 3600)
            while reply["id"] not in ended and time.monotonic() < ends:
                try:
                    listening.drain_events(timeout=1)
                except TimeoutError:
                    continue
    event = ended.get(reply["id"])
    if event is None:
        words = "no worker told of its end in time: do the workers run with -E (task events)?"
        return {**reply, "state": {"status": "TIMEOUT", "error": {"type": "timeout", "message": words, "detail": ""}}}
    at = datetime.fromtimestamp(event["timestamp"], timezone.utc).isoformat()
    if event["type"] == "task-succeeded":
        shown = json.dumps({"bailey_type": "repr", "text": event.get("result")})
        return {**reply, "state": {"status": "SUCCESS", "result": shown, "ended": at}}
    marks, prefix = marks_of(connection, request)
    marks.set(prefix + mark_key(reply["id"]), "failed", ex=MARK_SECONDS)
    raised = str(event.get("exception") or event["type"])
    kind, _, words = raised.partition("(")
    error = {
        "type": kind,
        "message": words[:-1] if words.endswith(")") else words,
        "detail": event.get("traceback") or "",
    }
    return {**reply, "state": {"status": "FAILURE", "error": error, "ended": at}}


def no_call(*_: Any, **__: Any) -> None:
    """What the worker answers is waited for elsewhere."""


def _by_name(app: Any, task: str) -> Any:
    return lambda args, kwargs, **options: app.send_task(task, args, kwargs, **options)


def _version() -> tuple[int, int]:
    import celery

    return celery.VERSION.major, celery.VERSION.minor
