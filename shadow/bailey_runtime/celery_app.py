"""The Celery application that makes a message: the company's own, or one that is configured as its workers told."""

from __future__ import annotations

import sys
from typing import Any

from .celery_places import patient
from .celery_values import SECONDS, WireError


def opened(request: dict[str, Any]) -> Any:
    """The Celery application of a request: its own (`app`), or one that is configured as its workers say they are."""
    from celery import Celery

    if request.get("app"):
        return patient(_own(request["app"]))
    known = request.get("configuration") or {}
    app = Celery("bailey", set_as_current=False, fixups=[])
    # What workers accept is no reason to unpickle anything here.
    app.conf.update({name: value for name, value in (known.get("settings") or {}).items() if name != "accept_content"})
    app.bailey_known = known
    # Which transport it is decides what becomes of a countdown.
    app.conf.broker_url = request.get("broker")
    app.conf.broker_use_ssl = request.get("broker_tls")
    patient(app)
    app.conf.update(redis_socket_timeout=SECONDS, redis_socket_connect_timeout=SECONDS)
    queues = [_queue(queue) for queue in known.get("queues") or []]
    if queues:
        app.conf.task_queues = queues
    if request.get("results") and closed_kind(known.get("backend") or "redis") is None:
        # Said outright, because a variable of the environment would win over a setting.
        app.backend_cls = request["results"]
    else:
        app.backend_cls = "disabled"
        app.bailey_closed = closed_kind(known.get("backend") or "redis") or "no connection leads to its results"
    options = (known.get("tasks") or {}).get(request.get("task"))
    if options is not None:
        # Not shared: another application of this process may have a task of that name with other options.
        app.task(name=request["task"], shared=False, typing=False, **options)(_nothing)
    return app


def _nothing(*_: Any, **__: Any) -> None:
    raise RuntimeError("this stands for a task of the application and is only sent")


def _own(name: str) -> Any:
    """The application itself, loaded as beat loads it."""
    from celery import Celery
    from celery.app.utils import find_app

    try:
        app = find_app(name)
        if not isinstance(app, Celery):
            raise TypeError(f"it is {type(app).__name__} and no Celery application")
    except Exception as error:
        # Whatever its code raises as it is imported: most often it lacks a variable that beat has.
        words = f"the Celery app “{name}” cannot be loaded by {sys.executable}: {type(error).__name__}: {error}; see “celery: app” "
        raise WireError(
            "app", f"{words}(module:attribute) and the environment's “path” and “env”, which must be as beat's"
        ) from error
    app.set_default()
    app.loader.init_worker()
    app.finalize()
    return app


def _queue(stored: dict[str, Any]) -> Any:
    from kombu import Exchange, Queue, binding

    def exchange(found: Any) -> Any:
        found = found if isinstance(found, dict) else {"name": found or ""}
        names = ("name", "type", "arguments", "durable", "auto_delete", "delivery_mode", "no_declare")
        return Exchange(**{name: found[name] for name in names if found.get(name) is not None})

    names = ("durable", "exclusive", "auto_delete", "no_declare", "alias", "expires", "message_ttl", "max_length")
    names += ("max_length_bytes", "max_priority", "queue_arguments", "binding_arguments", "consumer_arguments")
    return Queue(
        stored["name"],
        exchange(stored.get("exchange")),
        stored.get("routing_key") or "",
        bindings=[
            binding(exchange(one.get("exchange")), one.get("routing_key") or "", one.get("arguments"))
            for one in stored.get("bindings") or []
        ],
        **{name: stored[name] for name in names if stored.get(name) is not None},
    )


def closed_kind(backend: str) -> str | None:
    """Why results of a backend, given by its URL or kind, cannot be read by anybody else; None if they can."""
    kind = backend.split("://")[0].split("+")[0].lower()
    if kind in ("", "disabled", "none"):
        return "the application has no result backend"
    if kind in ("rpc", "amqp"):
        return "the application's results (rpc://) come back to the process that sent the message and to no other"
    if kind in ("db", "database", "django-db", "cassandra", "mongodb"):
        return f"results in a database ({kind}) are pickled or its own, and Bailey unpickles nothing"
    return None


def missing(error: ImportError) -> str:
    """What an interpreter lacks, and what to do."""
    name = (error.name or str(error)).partition(".")[0]
    return (
        f"{sys.executable} has no “{name}”, which Celery messages need here ({error}): install it in that environment, or name one that has it "
        "(“environments” and the source's “celery: {environment: …}”)"
    )
