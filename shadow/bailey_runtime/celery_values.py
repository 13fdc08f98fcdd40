"""What the parts of the program share, and the values that go with a message or come back: from RedBeat's JSON, and as JSON."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any


class WireError(Exception):
    """What keeps a message from being sent or a result from being read, with what to do about it."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


def values(text: str) -> Any:
    """The value of a JSON text of a RedBeat definition, as a beat has it when it sends."""
    return json.loads(text, object_hook=_object)


def arguments(request: dict[str, Any]) -> tuple[Any, Any]:
    """The `args` and `kwargs` of a request, read together as a beat reads a definition: equal keys are one object, which pickles show."""
    for text in (request["args"], request["kwargs"]):
        # Each is a whole, so that none ends the other.
        json.loads(text)
    args, kwargs = values(f"[{request['args']},{request['kwargs']}]")
    return args, kwargs


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
    return value if is_storable(value) else None


def _refused(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def is_storable(value: Any, depth: int = 0) -> bool:
    """Whether Airflow has a form for a value of JSON's: its tasks speak with it in MessagePack, whose numbers have 64 bits, and its database has its own say."""
    if depth > MOST_DEPTH:
        return False
    if isinstance(value, int):
        return -(1 << 63) <= value < 1 << 64
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, float):
        # 1e999 reads as Infinity.
        return value - value == 0
    if isinstance(value, dict):
        return all(is_storable(part, depth + 1) for pair in value.items() for part in pair)
    return not isinstance(value, list) or all(is_storable(part, depth + 1) for part in value)


# The largest value that Airflow is given to keep, in characters.
MOST_RETURNED = 768 * 1024
# How deep what Airflow is given to keep may nest.
MOST_DEPTH = 100
FINAL = ("SUCCESS", "FAILURE", "REVOKED")
SECONDS = 10
