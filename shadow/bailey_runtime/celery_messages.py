"""What two messages have in common, property by property and body byte by byte."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from .celery_values import plain

# What is each sending's own.
OWN_HEADERS = ("origin",)
OWN_PROPERTIES = ("reply_to", "delivery_tag", "delivery_info", "body_encoding", "application_headers")
MOMENTS = ("eta", "expires")


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
