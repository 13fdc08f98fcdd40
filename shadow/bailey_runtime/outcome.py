"""The outcome that every task records: JSON text, so that numbers and strings survive as they were. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

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
    def json(self) -> str:
        """As JSON."""
        fields = {"type": self.type, "message": self.message, "detail": self.detail[-_MOST_DETAIL:]}
        if self.module is not None:
            fields["module"] = self.module
        text = json.dumps(fields, ensure_ascii=False)
        return text if self.arguments is None else f'{text[:-1]}, "arguments": {bounded(self.arguments)}}}'


class BodyFailed(Exception):
    """A body that failed, with what it said."""

    def __init__(self, error: BodyError) -> None:
        self.error = error
        super().__init__(f"{error.type}: {error.message}")


@dataclass(frozen=True)
class TaskRun:
    """One attempt of one task: what its outcome says beside how it went. `arguments` is JSON text."""

    mode: str
    task: str
    entry: str | None
    tick: str | None
    job: str | None
    arguments: str
    attempt: int
    run: str
    start: datetime


def outcome(
    run: TaskRun, state: str, end: datetime, *, result: str | None = None, error: BodyError | None = None
) -> str:
    """The outcome as JSON text. `result` is JSON text."""
    fields = [
        ("v", "1"),
        ("mode", json.dumps(run.mode)),
        ("task", json.dumps(run.task)),
        ("entry", json.dumps(run.entry, ensure_ascii=False)),
        ("tick", json.dumps(run.tick)),
        ("job", json.dumps(run.job, ensure_ascii=False)),
        ("state", json.dumps(state)),
        ("arguments", bounded(run.arguments)),
        ("result", None if result is None else bounded(result)),
        ("error", None if error is None else error.json),
        ("start", json.dumps(iso(run.start))),
        ("end", json.dumps(iso(end))),
        ("attempts", str(run.attempt)),
        ("run", json.dumps(run.run, ensure_ascii=False)),
    ]
    return "{" + ",".join(f'"{name}":{value}' for name, value in fields if value is not None) + "}"


def bounded(text: str) -> str:
    """A JSON text, or its digest where it is too long for an XCom."""
    stored = text.encode("utf-8", "surrogatepass")
    if len(stored) <= MOST_BYTES:
        return text
    return json.dumps({"bailey_truncated": hashlib.sha256(stored).hexdigest(), "bytes": len(stored)})


def returned(result: str | None) -> Any:
    """A result as Airflow may keep it beside the outcome, where it is whole: PostgreSQL stores no NUL, so what holds one is not kept."""
    value = None if result is None else json.loads(result)
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
