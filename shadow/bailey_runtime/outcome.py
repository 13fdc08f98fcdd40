"""The outcome that every task records: JSON text, so that numbers and strings survive as they were. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from . import json_value
from .celery_values import is_storable
from .dag_run import iso

KEY = "bailey_outcome"
# A longer result is replaced by its digest: XComs are no place for it.
MOST_BYTES = 48 * 1024
# Of a shadow run, which is made to be compared, the whole is kept beside it, in pieces of so many characters, if it has no more bytes than
# the embedded engine takes from a body.
PIECE = 512 * 1024
MOST_WHOLE = 64 * 1024 * 1024
_MOST_DETAIL = 8_000
_MOST_MESSAGE = 4_000


@dataclass(frozen=True)
class BodyError:
    """What went wrong in a body: the type and its module, the message, its arguments as JSON text, and the traceback's end; `kept` is the class
    as which Celery would keep it, where that is another."""

    type: str
    message: str
    detail: str = ""
    module: str | None = None
    arguments: str | None = None
    kept: Mapping[str, str] | None = None

    def fields(self, arguments: Part | None, most: int | None) -> dict[str, Any]:
        """As JSON writes it; what it holds of more than `most` bytes is cut."""
        is_long = most is not None and len(self.message) > most
        fields: dict[str, Any] = {
            "type": self.type,
            "message": self.message[:_MOST_MESSAGE] + " […]" if is_long else self.message,
            "detail": self.detail[-_MOST_DETAIL:],
        }
        if self.module is not None:
            fields["module"] = self.module
        if arguments is not None:
            fields["arguments"] = arguments.held(most)
        if self.kept is not None:
            fields["kept"] = dict(self.kept)
        return fields


class BodyFailed(Exception):
    """A body that failed, with what it said, and whether no repetition would mend it."""

    def __init__(self, error: BodyError, final: bool = False) -> None:
        self.error = error
        self.final = final
        super().__init__(f"{error.type}: {error.message}")


@dataclass(frozen=True)
class TaskRun:
    """One attempt of one task: what its outcome says beside how it went. `arguments` is a value of `json_value`."""

    mode: str
    task: str
    entry: str | None
    tick: str | None
    job: str | None
    arguments: Any
    attempt: int
    run: str
    start: datetime


class Part:
    """A value of an outcome's, written once."""

    def __init__(self, value: Any) -> None:
        self._text = json_value.write(value)
        self._stored = self._text.encode("utf-8")
        is_readable = json_value.is_strict(self._text) and not json_value.is_deep(value, within=2)
        self._is_plain = is_readable and not json_value.is_marked(value)

    @classmethod
    def read(cls, text: str | None, what: str) -> Part | None:
        """That of a JSON text. Raises ValueError where it is none."""
        return None if text is None else cls(json_value.read(text, what, pythons=True))

    def held(self, most: int | None) -> Any:
        """As an outcome holds it: its digest where it is longer than that, its text where only Python calls it JSON, nobody reads so deep, or it looks like one of these."""
        if most is not None and len(self._stored) > most:
            return {"bailey_truncated": hashlib.sha256(self._stored).hexdigest(), "bytes": len(self._stored)}
        return json_value.Written(self._text) if self._is_plain else {"bailey_text": self._text}


def outcome(
    run: TaskRun, state: str, end: datetime, *, result: str | None = None, error: BodyError | None = None
) -> tuple[str, list[str]]:
    """The outcome as JSON text, and the whole of it in pieces where that is longer and is to be compared. `result` is JSON text.

    The only place that makes one. Every part is a value before it is written, so that no payload, result or message can end its place and claim
    to be another. What is too long for an XCom is a digest.
    """
    arguments, returned = Part(run.arguments), Part.read(result, "the result")
    raised = Part.read(None if error is None else error.arguments, "the exception's arguments")

    def written(most: int | None, pieces: int | None = None) -> str:
        fields = {
            "v": 1,
            "mode": run.mode,
            "task": run.task,
            "entry": run.entry,
            "tick": run.tick,
            "job": run.job,
            "state": state,
            "arguments": arguments.held(most),
            "result": None if returned is None else returned.held(most),
            "error": None if error is None else error.fields(raised, most),
            "start": iso(run.start),
            "end": iso(end),
            "attempts": run.attempt,
            "run": run.run,
            "pieces": pieces,
        }
        absent = [name for name, given in (("result", result), ("error", error), ("pieces", pieces)) if given is None]
        return json_value.write({name: value for name, value in fields.items() if name not in absent})

    whole, short = written(None), written(MOST_BYTES)
    if whole == short or run.mode != "shadow" or len(whole.encode("utf-8")) > MOST_WHOLE:
        return short, []
    pieces = [whole[at : at + PIECE] for at in range(0, len(whole), PIECE)]
    return written(MOST_BYTES, len(pieces)), pieces


def whole(value: Any) -> Any:
    """A value that an outcome holds, as it was."""
    members = dict(value) if isinstance(value, json_value.Members) else {}
    if list(members) == ["bailey_text"] and isinstance(members["bailey_text"], str):
        return json_value.read(members["bailey_text"], "the result", pythons=True)
    return value


def returned(result: str | None) -> Any:
    """A result as Airflow may keep it beside the outcome, where it is whole.

    What it could not keep is left out: PostgreSQL stores no NUL and no half of a character, and a number beyond what Python reads is none any more.
    """
    try:
        value = None if result is None else json.loads(result)
        json.dumps(value, allow_nan=False)
        return value if is_storable(value) else None
    except (ValueError, RecursionError):
        return None


def now() -> datetime:
    """The clock of the machine that runs the task."""
    return datetime.now(timezone.utc)
