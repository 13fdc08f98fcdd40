"""What a worker answered, read from Celery's result backend; nothing is unpickled."""

from __future__ import annotations

import hashlib
import json
import pickletools
import re
from datetime import datetime
from typing import Any

from .celery_app import closed_kind
from .celery_values import FINAL, WireError, plain
from .celery_workers import HIDDEN

_COMPRESSED = b"\x00celery-compressed\x00"


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


def readable(app: Any, request: dict[str, Any], options: dict[str, Any]) -> None:
    """Raises WireError where a result is to be waited for that nobody will write, or that nobody here can read."""
    if request.get("wait", "result") != "result":
        return
    task = app.tasks.get(request["task"])
    if task is not None and task.backend is not app.backend:
        raise WireError(
            "no-result",
            f"the task keeps its results in a backend of its own ({type(task.backend).__name__}), which nobody else is told of; say "
            "“wait: events” or “wait: sent”",
        )
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


def state(app: Any, id: str) -> dict[str, Any]:
    """What the worker has said of a message: `status`, and once it has ended `result` (JSON text) or `error`, and `ended`.

    A record that cannot be read is `status` UNREADABLE with the reason as its error.
    """
    reason = closed_backend(app)
    if reason:
        raise WireError("no-result", reason)
    backend = app.backend
    stored = next((found for found in map(backend.get, result_keys(app, id)) if found), None)
    if not stored:
        return {"status": "PENDING"}
    stored = stored.encode("utf-8", "surrogatepass") if isinstance(stored, str) else bytes(stored)
    try:
        return record(stored, backend.serializer)
    except Exception as error:
        # One record's form is no reason to end anything else.
        words = f"the result of {id} cannot be read ({len(stored)} bytes, {type(error).__name__}: {error})"
        return {"status": "UNREADABLE", "error": {"type": "unreadable", "message": words, "detail": ""}}


class ResultsAway(Exception):
    """Results that give no answer, with what to do about it."""


def stated(app: Any, id: str) -> dict[str, Any]:
    """As `state`; results that are away are not taken for a broker that is."""
    try:
        return state(app, id)
    except WireError:
        raise
    except Exception as error:
        place = app.backend.as_uri(include_password=False)
        words = f"the results at {place} give no answer ({type(error).__name__}: {error}), so nobody knows what a worker has said of {id}"
        raise ResultsAway(
            f"{words}; see whether they run, and host, port, password and TLS of their connection"
        ) from error


def result_keys(app: Any, id: str) -> list[Any]:
    """Where the result of a message may be: workers of another version may join the prefix of their keys to them in another way."""
    own = app.backend.get_key_for_task(id)
    prefix = (app.conf.result_backend_transport_options or {}).get("global_keyprefix") or ""
    if not prefix or not isinstance(own, (str, bytes)):
        return [own]
    # Celery 5.5 and later put an underscore between the two only where the prefix ends in no separator, those before always.
    names = [f"{prefix}_celery-task-meta-{id}"]
    if prefix[-1] in ":_-.":
        names.append(f"{prefix}celery-task-meta-{id}")
    found = [name if isinstance(own, str) else name.encode() for name in names]
    return [own, *(key for key in found if key != own)]


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
    if not isinstance(found.get("status"), str):
        raise ValueError("it says nothing of a status")
    answer: dict[str, Any] = {"status": found["status"]}
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
