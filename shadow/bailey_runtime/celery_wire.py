"""What beat would have sent, built and sent by Celery itself; and what the worker answered, read from Celery's result backend.

Needs the standard library and Celery only: the application's own interpreter runs this text as a program (`via: app`), and DAG files
without a gate carry it along. As a program it reads one request, a JSON object, on standard input and prints one reply.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickletools
import re
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote, urlencode

FINAL = ("SUCCESS", "FAILURE", "REVOKED")
MARK_SECONDS = 7 * 86400
# The largest value that Airflow is given to keep, in characters.
MOST_RETURNED = 768 * 1024
# Celery says this of a setting whose name looks like a secret's.
HIDDEN = "********"
_UNKNOWN = re.compile(r"<.*>|re\.compile\(.*", re.S)
_COMPRESSED = b"\x00celery-compressed\x00"
# How long a broker may be away before the attempt fails, and how long one answer may take.
_PATIENCE = 30
_SECONDS = 10

# Marks a message as sent and puts it into its lists, or does neither: after whatever crash, a second call finds the mark.
SEND_ONCE = """
if not redis.call('SET', KEYS[1], ARGV[2], 'NX', 'EX', ARGV[1]) then return 0 end
for place = 2, #KEYS do
  if ARGV[place * 2 - 1] == 'list' then redis.call('LPUSH', KEYS[place], ARGV[place * 2])
  else redis.call('PUBLISH', KEYS[place], ARGV[place * 2]) end
end
return 1
"""


class WireError(Exception):
    """What keeps a message from being sent or a result from being read, with what to do about it."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


# Values


def values(text: str) -> Any:
    """The value of a JSON text of a RedBeat definition, as a beat has it when it sends."""
    return json.loads(text, object_hook=_object)


def _object(found: dict[str, Any]) -> Any:
    if "__type__" not in found:
        return found
    kind = found.pop("__type__")
    if kind == "datetime":
        zone = found.pop("timezone", "UTC")
        return datetime(tzinfo=_zone(zone), **found)
    if kind == "crontab":
        from celery.schedules import crontab

        return crontab(**found)
    if kind == "interval":
        from celery.schedules import schedule

        return schedule(run_every=found["every"], relative=found["relative"])
    if kind in ("rrule", "weekday"):
        raise WireError("value", f"an argument is a {kind}, which only RedBeat can read; give the task other arguments")
    # Anything else stays what it is, with the word at its end, as RedBeat leaves it.
    found["__type__"] = kind
    return found


def _zone(zone: Any) -> Any:
    try:
        return timezone(timedelta(minutes=zone / 60))
    except TypeError:
        from zoneinfo import ZoneInfo

        return ZoneInfo(zone)


# The application


def url_of(place: Any) -> str:
    """An Airflow connection, given by its fields, as the URL that Celery and kombu take.

    Redis (`redis`, `rediss`), RabbitMQ (`amqp`, `amqps`), Redis Sentinel (`sentinel`). Another kind of broker or backend is a
    connection of any type whose extra `scheme` is the URL's. `hosts` among the extras are further nodes, `host:port` each.
    """
    if isinstance(place, str):
        return place
    extra = place.get("extra") or {}
    kind = extra.get("scheme") or place["conn_type"]
    query: dict[str, str] = {}
    if kind in ("redis", "rediss", "sentinel"):
        secure = kind == "rediss" or (kind == "redis" and bool(extra.get("ssl")))
        scheme = "rediss" if secure else kind
        path = str(place.get("schema") or extra.get("db") or 0)
        if secure:
            query["ssl_cert_reqs"] = "required"
            query.update({key: str(value) for key, value in extra.items() if key.startswith("ssl_")})
        port = place.get("port") or (26379 if kind == "sentinel" else 6379)
    else:
        scheme = {"rabbitmq": "amqp"}.get(kind, kind)
        path = quote(place.get("schema") or "/", safe="")
        port = place.get("port") or {"amqp": 5672, "amqps": 5671}.get(scheme)
    user = quote(place.get("login") or "", safe="")
    word = ":" + quote(place["password"], safe="") if place.get("password") else ""
    credentials = f"{user}{word}@" if user or word else ""
    host = place.get("host") or "localhost"
    nodes = [(f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")]
    nodes += [str(node) for node in extra.get("hosts") or []]
    tail = f"/{path}" + (f"?{urlencode(query)}" if query else "")
    return ";".join(f"{scheme}://{credentials}{node}{tail}" for node in nodes)


def opened(request: dict[str, Any]) -> Any:
    """The Celery application of a request: its own (`app`), or one that is configured as its workers say they are."""
    from celery import Celery

    if request.get("app"):
        return _own(request["app"])
    known = request.get("configuration") or {}
    app = Celery("bailey", set_as_current=False, fixups=[])
    app.conf.update(known.get("settings") or {})
    app.bailey_known = known
    app.conf.update(redis_socket_timeout=_SECONDS, redis_socket_connect_timeout=_SECONDS)
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
    from celery.app.utils import find_app

    try:
        app = find_app(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise WireError("app", f"the Celery app “{name}” cannot be loaded: {type(error).__name__}: {error}") from error
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


# Sending


def send(app: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Sends a request's message once, exactly as beat would, and says where it went.

    Raises WireError. `sent` is False where an earlier call had sent it.
    """
    from kombu.exceptions import InconsistencyError, OperationalError

    ends = time.monotonic() + _PATIENCE
    while True:
        connection = app.connection_for_write(request.get("broker") or None)
        try:
            connection.ensure_connection(max_retries=1, timeout=_SECONDS)
            if request.get("wait") == "events":
                return _followed(app, connection, request)
            return _sent(app, connection, request)
        except InconsistencyError as error:
            raise WireError(
                "unrouted", f"no queue is bound where the message would go, so it would vanish: {error}"
            ) from error
        except (OperationalError, OSError, *connection.connection_errors) as error:
            if time.monotonic() > ends:
                place = connection.as_uri()
                raise WireError(
                    "broker", f"the broker {place} cannot be reached: {type(error).__name__}: {error}"
                ) from error
            time.sleep(1)
        finally:
            connection.release()


def _sent(app: Any, connection: Any, request: dict[str, Any]) -> dict[str, Any]:
    if app.conf.task_always_eager:
        raise WireError(
            "eager", "the application runs its tasks in place (task_always_eager), so beat would send nothing"
        )
    options = values(request["options"])
    # A message's id is the run's own, and what is done about a broker that is away is said here.
    for name in ("task_id", "retry", "retry_policy"):
        options.pop(name, None)
    if tuple(request.get("beat") or _version()) >= (5, 7):
        options.setdefault("headers", {})["celery_beat_task"] = True
    args, kwargs = values(request["args"]), values(request["kwargs"])
    _readable(app, request, options)
    app.backend.on_task_call = _silent
    request = {**request, "id": _chosen(app, connection, request)}
    producer = app.amqp.Producer(connection, auto_declare=False)
    once = _Once(producer.channel, request)
    task = app.tasks.get(request["task"])
    call = task.apply_async if task is not None else _by_name(app, request["task"])
    from kombu.exceptions import InconsistencyError, KombuError, OperationalError

    try:
        call(args, kwargs, producer=producer, task_id=request["id"], retry=False, add_to_parent=False, **options)
    except (InconsistencyError, OperationalError):
        raise
    except (KombuError, TypeError, ValueError, KeyError) as error:
        raise WireError("message", f"Celery makes no message of it: {type(error).__name__}: {error}") from error
    return {"sent": once.sent, "id": request["id"], "to": once.to, "reads": _reads(app)}


def _chosen(app: Any, connection: Any, request: dict[str, Any]) -> str:
    """The id of this attempt: that of the attempt before, unless what it sent is known to have failed."""
    *earlier, last = request["ids"]
    for id in earlier:
        if request.get("wait", "result") == "result":
            has_failed = state(app, id)["status"] in ("FAILURE", "REVOKED")
        else:
            has_failed = _marked_as(connection, request, id) == b"failed"
        if not has_failed:
            return str(id)
    return str(last)


def _reads(app: Any) -> dict[str, Any]:
    """What another process must know to read this application's results, without secrets."""
    options = app.conf.result_backend_transport_options or {}
    prefix = {"global_keyprefix": options["global_keyprefix"]} if options.get("global_keyprefix") else {}
    settings = {"result_serializer": app.conf.result_serializer, "result_backend_transport_options": prefix}
    return {"settings": settings}


def _marks(connection: Any, request: dict[str, Any]) -> tuple[Any, str]:
    """The Redis that keeps count of what was sent, and the prefix of its keys: the broker itself where it is one."""
    channel = connection.default_channel
    if hasattr(channel, "_q_for_pri"):
        return channel.client, ""
    import redis

    if not request.get("marks"):
        raise WireError("marks", "nothing keeps count of what was sent: the connection of the source leads to no Redis")
    return redis.Redis.from_url(request["marks"], socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS), ""


def _marked_as(connection: Any, request: dict[str, Any], id: str) -> bytes | None:
    marks, prefix = _marks(connection, request)
    found = marks.get(prefix + mark_key(id))
    return found.encode() if isinstance(found, str) else found


def mark_key(id: str) -> str:
    """What tells that a message was sent."""
    return f"bailey:sent:{id}"


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
            reply = _sent(app, connection, request)
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
    marks, prefix = _marks(connection, request)
    marks.set(prefix + mark_key(reply["id"]), "failed", ex=MARK_SECONDS)
    raised = str(event.get("exception") or event["type"])
    kind, _, words = raised.partition("(")
    error = {
        "type": kind,
        "message": words[:-1] if words.endswith(")") else words,
        "detail": event.get("traceback") or "",
    }
    return {**reply, "state": {"status": "FAILURE", "error": error, "ended": at}}


def _silent(*_: Any, **__: Any) -> None:
    """What the worker answers is waited for elsewhere."""


def _by_name(app: Any, task: str) -> Any:
    return lambda args, kwargs, **options: app.send_task(task, args, kwargs, **options)


def _version() -> tuple[int, int]:
    import celery

    return celery.VERSION.major, celery.VERSION.minor


def _readable(app: Any, request: dict[str, Any], options: dict[str, Any]) -> None:
    """Raises WireError where a result is to be waited for that nobody will write, or that nobody here can read."""
    if request.get("wait", "result") != "result":
        return
    task = app.tasks.get(request["task"])
    ignored = options.get("ignore_result", getattr(task, "ignore_result", None))
    if ignored is None:
        ignored = app.conf.task_ignore_result
    if ignored:
        raise WireError(
            "no-result", "the task ignores its result, so none will come; say “wait: events” or “wait: sent”"
        )
    reason = closed_backend(app)
    if reason:
        raise WireError("no-result", f"{reason}; say “wait: events” or “wait: sent”")


def closed_backend(app: Any) -> str | None:
    """Why the results of an application cannot be read by anybody else; None if they can."""
    from celery.backends.base import BaseKeyValueStoreBackend, DisabledBackend

    known = getattr(app, "bailey_closed", None)
    if known:
        return str(known)
    options = app.conf.result_backend_transport_options or {}
    if HIDDEN in options.values():
        return "its workers do not tell the prefix of their results' keys (result_backend_transport_options)"
    if isinstance(app.backend, DisabledBackend):
        return closed_kind("disabled")
    if isinstance(app.backend, BaseKeyValueStoreBackend):
        return None
    return closed_kind({"RPCBackend": "rpc"}.get(type(app.backend).__name__, "db"))


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


class _Once:
    """Stands between a channel and its broker: the message leaves at most once for an id.

    On Redis the mark and the message are one script. On others a mark is set before and changed after, in a Redis beside it; what
    crashed in between is unsure.
    """

    def __init__(self, channel: Any, request: dict[str, Any]) -> None:
        self.channel = channel
        self.request = request
        self.sent = False
        self.to: dict[str, Any] = {}
        self.mark = mark_key(request["id"])
        self.publish = channel.basic_publish
        channel.basic_publish = self.basic_publish
        self.is_redis = hasattr(channel, "_q_for_pri")
        if self.is_redis:
            self.puts: list[tuple[str, str, str]] = []
            channel._put = self.put
            channel._put_fanout = self.put_fanout

    def put(self, queue: str, message: Any, **_: Any) -> None:
        from kombu.utils.json import dumps

        key = self.channel._q_for_pri(queue, self.channel._get_message_priority(message, reverse=False))
        self.puts.append(("list", key, dumps(message)))

    def put_fanout(self, exchange: str, message: Any, routing_key: str, **_: Any) -> None:
        from kombu.utils.json import dumps

        many = getattr(self.channel, "_get_publish_topics", None)
        topics = many(exchange, routing_key) if many else [self.channel._get_publish_topic(exchange, routing_key)]
        self.puts += [("topic", topic, dumps(message)) for topic in topics]

    def basic_publish(self, message: Any, exchange: str = "", routing_key: str = "", **more: Any) -> Any:
        if self.to:
            # The event that tells of the message (task_send_sent_event), which goes out beside it.
            return self.publish(message, exchange, routing_key, **more) if self.sent else None
        self.to = {"exchange": exchange, "routing_key": routing_key}
        if self.is_redis:
            result = self.publish(message, exchange, routing_key, **more)
            del self.channel._put, self.channel._put_fanout
            if not self.puts:
                raise WireError("unrouted", f"no queue is bound to {self.to}; the message would vanish")
            self._put_all()
            self.to["queues"] = [key for _, key, _ in self.puts]
            return result
        return self._marked(message, exchange, routing_key, more)

    def _put_all(self) -> None:
        # Kombu's client prefixes the keys of its own commands, not those of a script.
        prefix = getattr(self.channel, "global_keyprefix", "") or ""
        keys = [prefix + self.mark] + [prefix + key for _, key, _ in self.puts]
        words: list[Any] = [MARK_SECONDS, json.dumps(self.to)]
        for kind, _, payload in self.puts:
            words += [kind, payload]
        with self.channel.conn_or_acquire() as client:
            self.sent = bool(client.eval(SEND_ONCE, len(keys), *keys, *words))

    def _marked(self, message: Any, exchange: str, routing_key: str, more: dict[str, Any]) -> Any:
        marks, _ = _marks(self.channel.connection.client, self.request)
        if not marks.set(self.mark, "sending", nx=True, ex=MARK_SECONDS):
            if marks.get(self.mark) != b"sending":
                return None
            if self.request.get("unsure") != "resend":
                raise self._unsure()
        result = self._confirmed(marks, message, exchange, routing_key, more)
        self.sent = True
        marks.set(self.mark, "sent", ex=MARK_SECONDS)
        return result

    def _confirmed(self, marks: Any, message: Any, exchange: str, routing_key: str, more: dict[str, Any]) -> Any:
        """Publishes, and waits until the broker has said that it has the message and that a queue took it."""
        publish = getattr(self.channel, "basic_publish_confirm", None)
        if publish is None:
            return self.publish(message, exchange, routing_key, **more)
        try:
            more.update(mandatory=True, timeout=_SECONDS)
            return publish(message, exchange=exchange, routing_key=routing_key, **more)
        except Exception as error:
            if getattr(error, "reply_code", None) in (312, 403, 404, 406):
                # The broker itself says that no queue has it.
                marks.delete(self.mark)
                raise WireError("unrouted", f"the broker refuses the message for {self.to}: {error}") from error
            if self.request.get("unsure") == "resend":
                raise
            raise self._unsure() from error

    def _unsure(self) -> WireError:
        return WireError(
            "unsure",
            f"an attempt ended while it was sending {self.request['id']}: nobody knows whether the broker has the message. If no "
            f"worker ran it, delete the key {self.mark} in the source's Redis and clear the task; “unsure: resend” in the mapping "
            "sends it again by itself",
        )


# What comes back


def state(app: Any, id: str) -> dict[str, Any]:
    """What the worker has said of a message: `status`, and once it has ended `result` (JSON text) or `error`, and `ended`.

    A record that cannot be read is `status` UNREADABLE with the reason as its error.
    """
    reason = closed_backend(app)
    if reason:
        raise WireError("no-result", reason)
    backend = app.backend
    stored = backend.get(backend.get_key_for_task(id))
    if not stored:
        return {"status": "PENDING"}
    stored = stored.encode("utf-8", "surrogatepass") if isinstance(stored, str) else bytes(stored)
    try:
        return record(stored, backend.serializer)
    except Exception as error:
        # One record's form is no reason to end anything else.
        words = f"the result of {id} cannot be read ({len(stored)} bytes, {type(error).__name__}: {error})"
        return {"status": "UNREADABLE", "error": {"type": "unreadable", "message": words, "detail": ""}}


def record(stored: bytes, serializer: str = "json") -> dict[str, Any]:
    """A stored result, whatever it was written with. Nothing is unpickled: of a pickled one its opcodes tell the state."""
    from kombu.compression import decompress
    from kombu.serialization import loads, registry

    if stored.startswith(_COMPRESSED):
        kind, _, body = stored[len(_COMPRESSED) :].partition(b"\x00")
        stored = decompress(body, kind.decode())
    if serializer == "pickle" or stored[:1] == b"\x80":
        return _closed(stored)
    if stored.lstrip()[:1] == b"{":
        text = stored.decode("utf-8", "surrogatepass")
        try:
            return _read(json.loads(text), _member(text, "result"))
        except RecursionError:
            return _deep(text)
        except ValueError:
            # YAML may begin like JSON.
            pass
    kind, encoding, _ = registry._encoders[serializer]
    value = loads(stored, content_type=kind, content_encoding=encoding, accept=[kind])
    return _read(value, None if value.get("result") is None else plain(value["result"]))


def _read(found: dict[str, Any], result: str | None) -> dict[str, Any]:
    answer: dict[str, Any] = {"status": str(found.get("status"))}
    if answer["status"] not in FINAL:
        return answer
    ended = found.get("date_done")
    answer["ended"] = ended.isoformat() if isinstance(ended, datetime) else ended
    if answer["status"] == "SUCCESS":
        answer["result"] = result or "null"
        return answer
    raised = found.get("result")
    raised = raised if isinstance(raised, dict) else {"exc_message": [raised]}
    words = raised.get("exc_message") or []
    words = words if isinstance(words, (list, tuple)) else [words]
    message = " ".join(word if isinstance(word, str) else plain(word) for word in words)
    answer["error"] = {
        "type": str(raised.get("exc_type") or "unknown"),
        "message": message,
        "detail": str(found.get("traceback") or ""),
    }
    return answer


def _deep(text: str) -> dict[str, Any]:
    """A record that nests deeper than Python reads: Celery writes its state first, and its traceback after the result."""
    found = re.match(r'\{"status": "(\w+)", "result": ', text)
    if not found:
        raise ValueError("it nests too deep")
    result = text[found.end() : text.rindex(', "traceback": ')]
    return {"status": found[1], "result": result, "error": {"type": "unknown", "message": result[:1000], "detail": ""}}


def _closed(stored: bytes) -> dict[str, Any]:
    texts = [(word, at) for code, word, at in pickletools.genops(stored) if "UNICODE" in code.name]
    names = [word for word, _ in texts]
    status = names[names.index("status") + 1]
    start = texts[names.index("result")][1]
    later = [at for word, at in texts if word == "traceback" and at > start]
    value = stored[start : later[-1] if later else len(stored)]
    answer: dict[str, Any] = {"status": status}
    digest = {"bailey_pickled": hashlib.sha256(value).hexdigest(), "bytes": len(value)}
    if status == "SUCCESS":
        answer["result"] = json.dumps(digest)
    elif status in FINAL:
        words = f"the error is pickled and stays closed (SHA-256 {digest['bailey_pickled']})"
        answer["error"] = {"type": "pickled", "message": words, "detail": ""}
    return answer


def plain(value: Any) -> str:
    """A value as JSON text, exactly; what JSON has no form for is named by its type."""
    return json.dumps(_plain(value), ensure_ascii=False, default=_odd)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value):
            return {key: _plain(part) for key, part in value.items()}
        return {"bailey_type": "dict", "items": [[_plain(key), _plain(part)] for key, part in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value


def _odd(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"bailey_type": "bytes", "hex": bytes(value).hex()}
    if isinstance(value, (set, frozenset)):
        return {"bailey_type": type(value).__name__, "items": sorted((_plain(part) for part in value), key=repr)}
    return {"bailey_type": type(value).__name__, "text": str(value)}


def _member(text: str, wanted: str) -> str | None:
    """The text of a member of the object that a JSON text is, as it stands there."""
    decoder = json.JSONDecoder(strict=False, parse_float=str, parse_int=str, parse_constant=str)
    space = re.compile(r"[ \t\n\r,:{]*")
    found, at = None, 0
    while True:
        at = space.match(text, at).end()  # type: ignore[union-attr]
        if text[at] == "}":
            return found
        name, at = decoder.raw_decode(text, at)
        start = re.compile(r"[ \t\n\r]*:[ \t\n\r]*").match(text, at).end()  # type: ignore[union-attr]
        _, at = decoder.raw_decode(text, start)
        if name == wanted:
            found = text[start:at]


def call(app: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Sends a request's message and waits for what the worker answers: `state`, with `returned` where Airflow may keep the value."""
    reply = send(app, request)
    print(f"Celery task {reply['id']}: {'sent' if reply['sent'] else 'was sent before'}", file=sys.stderr)
    wait = request.get("wait", "result")
    if wait == "result":
        ends = time.monotonic() + float(request.get("seconds") or 86400)
        pause = 0.1
        while True:
            try:
                reply["state"] = state(app, reply["id"])
            except WireError:
                raise
            except Exception as error:
                reply["state"] = {"status": "PENDING"}
                print(f"the results give no answer: {type(error).__name__}: {error}", file=sys.stderr)
            if reply["state"]["status"] in (*FINAL, "UNREADABLE"):
                break
            if time.monotonic() > ends:
                words = "no result came in time: see whether a worker consumes the queue, and runs"
                reply["state"] = {"status": "TIMEOUT", "error": {"type": "timeout", "message": words, "detail": ""}}
                break
            time.sleep(pause)
            pause = min(pause * 1.3, 1.5)
    if "result" in reply.get("state", {}):
        reply["returned"] = returnable(reply["state"].pop("result"))
    return reply


def is_strict(text: str) -> bool:
    """Whether a text is JSON to everybody."""
    try:
        json.loads(text, parse_constant=_refused)
        text.encode()
    except (ValueError, RecursionError):
        return False
    return True


def returnable(text: str | None) -> Any:
    """A result, which is JSON text, as Airflow may keep it; None where it cannot.

    Its database stores no NUL and no half character, its JSON no NaN, and nothing as large as a file.
    """
    if text is None or len(text) > MOST_RETURNED or not is_strict(text):
        return None
    value = json.loads(text)
    return value if _is_storable(value) else None


def _refused(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def _is_storable(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, float):
        # 1e999 reads as Infinity.
        return value - value == 0
    if isinstance(value, dict):
        return all(_is_storable(part) for pair in value.items() for part in pair)
    return not isinstance(value, list) or all(_is_storable(part) for part in value)


# What live workers tell

# The settings that decide what a message is, where it goes, and what comes back.
SETTINGS = (
    "task_default_queue task_default_exchange task_default_exchange_type task_default_routing_key task_default_delivery_mode "
    "task_default_priority task_queue_max_priority task_default_queue_type task_create_missing_queues "
    "task_create_missing_queue_type task_create_missing_queue_exchange_type task_routes task_serializer task_compression "
    "task_protocol task_ignore_result task_send_sent_event task_repr_maxlevels task_time_limit task_soft_time_limit timezone "
    "enable_utc broker_transport_options result_serializer result_compression result_backend_transport_options"
).split()
# What a task's own options may say, and whether it is a number.
TASK_OPTIONS = {
    "queue": False, "exchange": False, "routing_key": False, "priority": True, "serializer": False, "compression": False,
    "delivery_mode": True, "expires": True, "time_limit": True, "soft_time_limit": True, "ignore_result": True,
}  # fmt: skip


def ask(broker: str, seconds: float = 2, options: dict[str, Any] | None = None) -> dict[str, Any]:
    """How the live workers of a broker say that they are configured, without secrets; see `learnt`.

    `options` are the transport's, of which Sentinel needs `master_name`.
    """
    from celery import Celery
    from kombu.exceptions import ContentDisallowed

    # They would win over what is asked here.
    for name in ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL"):
        os.environ.pop(name, None)
    app = Celery("bailey", broker=broker, set_as_current=False, fixups=[])
    app.conf.broker_transport_options = options or {}
    with app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, timeout=_SECONDS)
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


# As a program


def source() -> str:
    """The text of this program, for an interpreter that has nothing of Bailey's."""
    with open(__file__, encoding="utf-8") as file:
        return file.read()


# What a request may ask of an application.
DOES: dict[str, Callable[[Any, dict[str, Any]], dict[str, Any]]] = {
    "send": send,
    "call": call,
    "state": lambda app, request: state(app, request["id"]),
}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """What a request asks for: `do` is `ask`, or one of DOES."""
    try:
        for name in ("broker", "results", "marks"):
            if request.get(name):
                request = {**request, name: url_of(request[name])}
        if request["do"] == "ask":
            return ask(request["broker"], options=request.get("transport_options"))
        if not request.get("app"):
            known = request.get("configuration") or {}
            reason = "options" in request and unknown(known, request["task"], json.loads(request["options"]))
            if reason:
                raise WireError(
                    "route", f"nobody knows where this message goes: {reason}; say “via: app” in the mapping"
                )
        return DOES[request["do"]](opened(request), request)
    except WireError as error:
        return {"failed": error.code, "words": str(error)}


def main() -> None:
    """Reads a request and prints the reply; what the application prints goes to the log."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    reply = answer(json.load(sys.stdin))
    print(json.dumps(reply), file=out, flush=True)


if __name__ == "__main__":
    main()
