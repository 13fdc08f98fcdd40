"""What live workers tell of how their application is configured, and what of it must be known to send a task."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import Any

from .celery_places import patient
from .celery_values import SECONDS, WireError

# Celery says this of a setting whose name looks like a secret's.
HIDDEN = "********"
_UNKNOWN = re.compile(r"<.*>|re\.compile\(.*", re.S)


def unknown(configuration: dict[str, Any], task: str, options: dict[str, Any]) -> str | None:
    """What of a configuration must be known to send a task, and is not; None if all of it is."""
    settings = configuration.get("settings")
    if settings is None:
        return "its workers have not been asked how they are configured"
    for name in configuration.get("disagree") or []:
        return f"its workers are not configured alike: they disagree about {name}"
    for route in _routes(settings.get("task_routes")):
        if isinstance(route, str):
            return f"task_routes holds {route}, code of the application"
        for pattern, to in route:
            if _is_code(pattern) or _is_code(to):
                return f"task_routes holds {pattern}: {to}, code of the application"
            if _matches(pattern, task) and _hides(to):
                return f"workers do not tell where task_routes leads “{pattern}”"
    for name, value in settings.items():
        if value == HIDDEN or name == "broker_transport_options" and _hides(value):
            return f"workers do not tell {name}"
    if options.get("queue") in (configuration.get("silent") or []):
        return f"no live worker consumes the queue “{options['queue']}”, so its exchange is not known"
    return None


def _routes(routes: Any) -> list[Any]:
    """The routers, in order: each a list of (pattern, route), or a text for what is code."""
    if routes is None or routes == ():
        return []
    listed = routes if isinstance(routes, list) else [routes]
    found: list[Any] = []
    for router in listed:
        if isinstance(router, dict):
            found.append(list(router.items()))
        elif isinstance(router, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in router):
            found.append([(pattern, to) for pattern, to in router])
        else:
            found.append(str(router))
    return found


def _is_code(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_is_code(part) for part in value.values())
    return isinstance(value, str) and _UNKNOWN.fullmatch(value) is not None


def _hides(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_hides(part) for part in value.values())
    return value == HIDDEN


def _matches(pattern: str, task: str) -> bool:
    from fnmatch import translate

    return pattern == task or ("*" in pattern and re.match(translate(pattern), task) is not None)


# The settings that decide what a message is, where it goes, and what comes back.
SETTINGS = (
    "task_default_queue task_default_exchange task_default_exchange_type task_default_routing_key task_default_delivery_mode "
    "task_default_priority task_queue_max_priority task_default_queue_type task_create_missing_queues "
    "task_create_missing_queue_type task_create_missing_queue_exchange_type task_routes task_serializer task_compression "
    "task_protocol task_ignore_result task_send_sent_event task_repr_maxlevels task_time_limit task_soft_time_limit timezone "
    "enable_utc accept_content broker_transport_options result_serializer result_compression result_backend_transport_options"
).split()
# What a task's own options may say, and whether it is a number.
TASK_OPTIONS = {
    "queue": False, "exchange": False, "routing_key": False, "priority": True, "serializer": False, "compression": False,
    "delivery_mode": True, "expires": True, "time_limit": True, "soft_time_limit": True, "ignore_result": True,
}  # fmt: skip


def ask(
    broker: str, seconds: float = 2, options: dict[str, Any] | None = None, tls: dict[str, Any] | None = None
) -> dict[str, Any]:
    """How the live workers of a broker say that they are configured, without secrets; see `learnt`.

    `options` are the transport's, of which Sentinel needs `master_name`; `tls` is RabbitMQ's `broker_use_ssl`.
    """
    from celery import Celery
    from kombu.exceptions import ContentDisallowed

    # They would win over what is asked here.
    for name in ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL"):
        os.environ.pop(name, None)
    app = Celery("bailey", broker=broker, set_as_current=False, fixups=[])
    app.conf.broker_transport_options = options or {}
    app.conf.broker_use_ssl = tls
    patient(app)
    with app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, timeout=SECONDS)
    app.conf.accept_content = ["json", "yaml", "msgpack"]
    try:
        conf = app.control.inspect(timeout=seconds).conf(with_defaults=True) or {}
    except ContentDisallowed as error:
        raise WireError(
            "closed", f"the workers answer in a form that stays closed ({error}); say “via: app”"
        ) from error
    # Whoever answered once is waited for, and nobody else.
    workers = app.control.inspect(timeout=seconds * 5, limit=len(conf) or 1)
    return learnt(
        conf,
        workers.conf(with_defaults=False) or {},
        workers.active_queues() or {},
        workers.registered(*TASK_OPTIONS) or {},
        workers.report() or {},
    ) if conf else {}  # fmt: skip


def learnt(
    conf: dict[str, Any], own: dict[str, Any], queues: dict[str, Any], tasks: dict[str, Any], report: dict[str, Any]
) -> dict[str, Any]:
    """What workers answered as one configuration: `settings`, `queues` they consume, `tasks` with options of their own.

    `silent` are queues that the application declares and nobody consumes, `disagree` settings that differ between workers.
    """
    if not conf:
        return {}
    first, *others = [conf[name] for name in sorted(conf)]
    settings = {name: first[name] for name in SETTINGS if first.get(name) is not None}
    disagree = sorted(name for name in SETTINGS if any(other.get(name) != first.get(name) for other in others))
    declared = first.get("task_queues") or []
    # Some versions tell a declared queue whole, others only show it.
    consumed: dict[str, Any] = {
        queue["name"]: queue for queue in declared if isinstance(queue, dict) and queue.get("name")
    }
    for name in sorted(queues):
        consumed.update({queue["name"]: queue for queue in queues[name] or []})
    said = {key.lower() for answer in own.values() for key in answer}
    if settings.get("task_default_routing_key") == HIDDEN:
        default = consumed.get(settings.get("task_default_queue") or "celery")
        if not any(key.endswith("default_routing_key") for key in said):
            del settings["task_default_routing_key"]
        elif default:
            settings["task_default_routing_key"] = default["routing_key"]
    shown = [queue for queue in declared if isinstance(queue, str)]
    names = shown if isinstance(declared, dict) else [_queue_name(queue) for queue in shown]
    version = re.search(r"celery:(\d+)\.(\d+)", json.dumps(report))
    return {
        "celery": [int(version[1]), int(version[2])] if version else None,
        "workers": sorted(conf),
        "broker": first.get("broker_url"),
        "backend": first.get("result_backend") or "disabled",
        "settings": settings,
        "queues": [consumed[name] for name in sorted(consumed)],
        "tasks": {name: options for answer in tasks.values() for name, options in map(_task_options, answer or [])},
        "silent": sorted(name for name in names if name and name not in consumed),
        "disagree": disagree,
    } | ({"eager": True} if first.get("task_always_eager") else {})


def _queue_name(shown: str) -> str:
    found = re.search(r"Queue (.*?) -> ", shown)
    return found[1] if found else shown


def _task_options(shown: str) -> tuple[str, dict[str, Any]]:
    """`name [queue=a priority=3]`, as workers write it."""
    name, _, rest = shown.partition(" [")
    names = "|".join(TASK_OPTIONS)
    found = re.findall(rf"({names})=(.*?)(?= (?:{names})=|$)", rest[:-1] if rest.endswith("]") else rest)
    words = {"True": True, "False": False}
    return name, {
        key: words[text]
        if text in words
        else (float(text) if "." in text else int(text))
        if TASK_OPTIONS[key]
        else text
        for key, text in found
    }


def asking(app: Any, request: dict[str, Any], limit: int | None = None) -> Any:
    if request.get("broker"):
        from celery import Celery

        # Questions go out through the pool of their application, whatever connection they are given.
        known = app.conf
        app = Celery("bailey", broker=request["broker"], set_as_current=False, fixups=[])
        app.conf.broker_transport_options = known.broker_transport_options
        app.conf.broker_use_ssl = known.broker_use_ssl
    # Answers are read in any form that holds no code.
    app.conf.accept_content = ["json", "yaml", "msgpack"]
    return app.control.inspect(timeout=2, limit=limit)


def consumers_of(app: Any, request: dict[str, Any]) -> dict[str, list[str]] | None:
    """Which workers consume which queue; None if nobody answers."""
    try:
        answers = asking(app, request).active_queues()
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
