"""Runs a program as a group of its own; its result is the JSON that it prints last."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from . import json_value
from .guard import Guarded
from .outcome import BodyError, BodyFailed

_LOG = logging.getLogger("bailey.body")
_ERROR_LINE = re.compile(r"([A-Za-z_.][\w.]*):(?: (.*))?")
_MOST_LINES = 40
_AT_ONCE = 1 << 16
# After so long without a word from a program that has ended, it is what it left behind that keeps its streams open.
_QUIET_SECONDS = 2.0
# All that a shadowed body gets of the worker's own variables: what leads to legacy systems is not handed on.
_PLAIN = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ")

# What an interpreter runs to call a function: it ends with a report, of what came back or of what went wrong.
CALL_FUNCTION = Path(__file__).with_name("call_function.py").read_text(encoding="utf-8")
_REPORT = '{"bailey_body":1,'


def call_of(callable: str, args: Any, kwargs: Any) -> str:
    """What `CALL_FUNCTION` reads. `args` and `kwargs` are values of `json_value`, and go as texts: no number changes on the way.

    Raises BodyFailed where a function cannot be called so.
    """
    if not isinstance(args, list) or isinstance(args, json_value.Members):
        raise BodyFailed(BodyError("arguments", "args is no list"))
    if not isinstance(kwargs, (json_value.Members, Mapping)):
        raise BodyFailed(BodyError("arguments", "kwargs is no object"))
    return json.dumps({"callable": callable, "args": json_value.write(args), "kwargs": json_value.write(kwargs)})


def filled(variables: Mapping[str, str] | None) -> dict[str, str]:
    """Texts with this worker's own variables in the place of `${NAME}` and `${NAME:-text}`; what they hold is in no DAG file.

    `$${` is a plain `${`. Raises BodyFailed where one is not set.
    """

    def value(found: re.Match[str]) -> str:
        if found[0] == "$${":
            return "${"
        name, has_default, default = found[1].partition(":-")
        value = os.environ.get(name) or (default if has_default else None)
        if value is None:
            raise BodyFailed(BodyError("environment", f"the variable {name} is not set on this worker"))
        return value

    return {name: re.sub(r"\$\$\{|\$\{([^}]*)\}", value, text) for name, text in (variables or {}).items()}


def run_program(
    arguments: Sequence[str],
    payload: str,
    environment: Mapping[str, str] | None = None,
    directory: str | None = None,
    limit: float | None = None,
    reports: bool = False,
) -> str | None:
    """The JSON text that a program printed last; None if it printed nothing. It reads `payload` on standard input.

    `limit` is how many seconds it may last; None where Airflow alone ends it. One that `reports` ends as `CALL_FUNCTION` does.
    Whatever ends this call, or this process, or the one above it, ends the program and all that it started. Raises BodyFailed
    with the type and message of a Python traceback if the program left one.
    """
    try:
        guarded = Guarded(list(arguments), _variables(environment or {}), directory, limit)
    except OSError as error:
        raise BodyFailed(BodyError("exit", f"{arguments[0]} could not be run: {error}")) from error
    process = guarded.process
    tail: deque[str] = deque(maxlen=_MOST_LINES)
    listeners = [_Listener(process.stdout), _Listener(process.stderr, tail)]
    writer = threading.Thread(target=_write, args=(process.stdin, payload), daemon=True)
    restore = _end_with_us(guarded)
    try:
        for thread in (*listeners, writer):
            thread.start()
        process.wait()
        for listener in listeners:
            listener.hear_out()
    except BaseException:
        guarded.end()
        raise
    finally:
        restore()
        guarded.close()
    output = listeners[0].text
    if guarded.is_late:
        text = f"it took longer than {limit:g} s and was ended with all it had started"
        raise BodyFailed(BodyError("timeout", text, "\n".join(tail)))
    if reports or list(arguments[1:]) == ["-c", CALL_FUNCTION]:
        return _reported(arguments[0], process.returncode, output, list(tail))
    if process.returncode != 0:
        raise BodyFailed(_error(arguments[0], process.returncode, list(tail)))
    lines = [line for line in output.split("\n") if line.strip()]
    if not lines:
        return None
    try:
        json_value.read(lines[-1], f"the last line that {arguments[0]} printed", pythons=True)
    except ValueError as error:
        raise BodyFailed(BodyError("result", str(error))) from error
    return lines[-1].strip()


def _reported(name: str, status: int, output: str, tail: Sequence[str]) -> str:
    """The result that a called function's report holds, as it was written there. Raises BodyFailed with the error it tells of."""
    last = output.rstrip("\n").rpartition("\n")[2]
    if not last.startswith(_REPORT):
        how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
        raise BodyFailed(BodyError("exit", f"{name} {how} before the function did", "\n".join(tail)))
    try:
        report = dict(json_value.read(last, "what the function returned or raised", pythons=True))
    except ValueError as problem:
        raise BodyFailed(BodyError("result", str(problem))) from problem
    if "error" not in report:
        # As it was written there.
        return last.removeprefix(_REPORT + '"result":').removesuffix("}")
    error = dict(report["error"])
    raise BodyFailed(
        BodyError(
            error["type"],
            error["message"],
            error["detail"],
            module=error["module"],
            arguments=json_value.write(error["arguments"]),
            kept=dict(error["kept"]) if "kept" in error else None,
        ),
        final=bool(error.get("final")),
    )


def _variables(given: Mapping[str, str]) -> dict[str, str]:
    if "BAILEY_SHADOW" not in given:
        return {**os.environ, **given}
    return {**{name: value for name, value in os.environ.items() if name in _PLAIN}, **given}


def _write(to: IO[str] | None, text: str) -> None:
    if to is None:
        raise RuntimeError("the program has no pipes")
    try:
        to.write(text)
        to.close()
    except OSError:
        # It ended without reading its input, which is its right.
        pass


class _Listener(threading.Thread):
    """Takes what a program prints: the whole, or into the log and the last lines into `tail`."""

    def __init__(self, source: IO[str] | None, tail: deque[str] | None = None) -> None:
        super().__init__(daemon=True)
        if source is None:
            raise RuntimeError("the program has no pipes")
        self._source: Any = source
        self._tail = tail
        self._parts: list[bytes] = []
        self._heard = 0

    @property
    def text(self) -> str:
        """All that it printed, its lines ended as Python's text streams end them."""
        text = b"".join(self._parts).decode("utf-8", "backslashreplace")
        return text.replace("\r\n", "\n").replace("\r", "\n")

    def run(self) -> None:
        if self._tail is None:
            while part := self._source.buffer.read1(_AT_ONCE):
                self._parts.append(part)
                self._heard += 1
            return
        for line in self._source:
            self._tail.append(line.rstrip("\n"))
            _LOG.info("%s", line.rstrip("\n"))
            self._heard += 1

    def hear_out(self) -> None:
        """Waits for what the program has printed, not for what it has left behind: that may hold its streams for as long as it lasts."""
        heard = -1
        while self.is_alive() and heard != self._heard:
            heard = self._heard
            self.join(_QUIET_SECONDS)


def _end_with_us(guarded: Guarded) -> Callable[[], object]:
    """Airflow ends a task with SIGTERM, which some versions answer without unwinding: the body must not outlive it."""
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    before = signal.getsignal(signal.SIGTERM)

    def end(number: int, frame: object) -> None:
        guarded.end()
        if callable(before):
            before(number, frame)
        else:
            sys.exit(128 + number)

    signal.signal(signal.SIGTERM, end)
    return lambda: signal.signal(signal.SIGTERM, before)


def _error(name: str, status: int, lines: list[str]) -> BodyError:
    """A Python traceback ends in `Type: message`."""
    detail = "\n".join(lines)
    last = next((line for line in reversed(lines) if line.strip()), "")
    found = _ERROR_LINE.fullmatch(last)
    if found:
        return BodyError(found[1].split(".")[-1], found[2] or "", detail)
    ended = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    return BodyError("exit", f"{name} {ended}", detail)
