"""The outcome that every task records: JSON text, so that numbers and strings survive as they were. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from . import json_value
from .dag_run import iso

KEY = "bailey_outcome"
# A longer result is replaced by its digest: XComs are no place for it.
MOST_BYTES = 48 * 1024
_MOST_DETAIL = 8_000


@dataclass(frozen=True)
class BodyError:
    """What went wrong in a body: the type and its module, the message, its arguments as JSON text, and the traceback's end."""

    type: str
    message: str
    detail: str = ""
    module: str | None = None
    arguments: str | None = None

    @property
    def json(self) -> dict[str, Any]:
        """As JSON writes it."""
        fields: dict[str, Any] = {
            "type": self.type,
            "message": self.message,
            "detail": self.detail[-_MOST_DETAIL:],
        }
        if self.module is not None:
            fields["module"] = self.module
        if self.arguments is not None:
            fields["arguments"] = bounded(json_value.read(self.arguments, "the exception's arguments"))
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


def outcome(
    run: TaskRun, state: str, end: datetime, *, result: str | None = None, error: BodyError | None = None
) -> str:
    """The outcome as JSON text: the only place that makes one. `result` is JSON text.

    Every part is a value before it is written, so that no payload, result or message can end its place and claim to be another.
    """
    fields = {
        "v": 1,
        "mode": run.mode,
        "task": run.task,
        "entry": run.entry,
        "tick": run.tick,
        "job": run.job,
        "state": state,
        "arguments": bounded(run.arguments),
        "result": None if result is None else bounded(json_value.read(result, "the result")),
        "error": None if error is None else error.json,
        "start": iso(run.start),
        "end": iso(end),
        "attempts": run.attempt,
        "run": run.run,
    }
    absent = [name for name, given in (("result", result), ("error", error)) if given is None]
    return json_value.write({name: value for name, value in fields.items() if name not in absent})


def bounded(value: Any) -> Any:
    """A value, or its digest where its text is too long for an XCom."""
    stored = json_value.write(value).encode("utf-8")
    if len(stored) <= MOST_BYTES:
        return value
    return {"bailey_truncated": hashlib.sha256(stored).hexdigest(), "bytes": len(stored)}


def returned(result: str | None) -> Any:
    """A result as Airflow may keep it beside the outcome, where it is whole.

    What it could not keep is left out: PostgreSQL stores no NUL, and a number beyond what Python reads is none any more.
    """
    try:
        value = None if result is None else json.loads(result)
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return None
    return None if _holds_nul(value) else value


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(_holds_nul(part) for part in value)


def now() -> datetime:
    """The clock of the machine that runs the task."""
    return datetime.now(timezone.utc)
