"""Bodies that move data: SQL in a PostgreSQL, rows of one in another, a request to an HTTP server.

Each runs in a program of its own, as every body does: whatever ends the task ends it, and with it its connections.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import json_value
from .bodies import perform, value_of
from .compat import BaseHook
from .connections import place_of
from .outcome import BodyError, BodyFailed
from .program import filled, run_program

# How long a statement may last whose task has no timeout: a connection that was forgotten must not hold its locks for ever.
_DAY = 86_400.0


def text_of(name: str) -> str:
    """The text of a program that stands alone."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def run_sql(
    context: Mapping[str, Any],
    connection: str,
    statements: Sequence[Sequence[str]],
    *,
    params: str,
    transaction: bool,
    **task: Any,
) -> Any:
    """Runs statements, each a list in which texts and names of parameters alternate. In shadow they run in a read-only transaction."""

    def request(given: Any, seconds: float, is_shadow: bool) -> dict[str, Any]:
        return {
            "connection": place(connection),
            "statements": [list(statement) for statement in statements],
            "params": plain(given["params"]),
            "transaction": transaction,
            "read_only": is_shadow,
            "seconds": seconds,
        }

    return _perform(context, "sql_program.py", {"params": value_of(params, "params")}, request, **task)


def run_copy(
    context: Mapping[str, Any],
    source: str,
    query: Sequence[str],
    target: str,
    table: Sequence[str],
    *,
    params: str,
    window: str,
    columns: Sequence[str],
    column: str | None,
    **task: Any,
) -> Any:
    """Puts a query's rows in the place of what a window of a table holds. In shadow it is only observed."""

    def request(given: Any, seconds: float, is_shadow: bool) -> dict[str, Any]:
        what = {"from": place(source), "to": place(target), "query": list(query), "table": list(table)}
        what |= {"columns": list(columns), "column": column}
        return {
            "copy": what,
            "params": plain(given["params"]),
            "window": plain(given["window"]) if column else None,
            "seconds": seconds,
        }

    given = {"params": value_of(params, "params"), "window": value_of(window, "window")}
    return _perform(context, "sql_program.py", given, request, **task)


def run_http(
    context: Mapping[str, Any],
    method: str,
    url: str,
    *,
    connection: str | None,
    headers: Mapping[str, str],
    query: str,
    json_body: str | None,
    expect: Sequence[int],
    retry_on: Sequence[int],
    **task: Any,
) -> Any:
    """Sends a request. The credentials and headers of a connection are added to it."""
    given = {"query": value_of(query, "query"), "json": None if json_body is None else value_of(json_body, "json")}

    def request(given: Any, seconds: float, is_shadow: bool) -> dict[str, Any]:
        known = place(connection) if connection else {}
        return {
            "method": method,
            "url": base(known) + url if connection else url,
            "headers": {**{name: str(value) for name, value in (known.get("extra") or {}).items()}, **headers},
            "query": plain(given["query"]),
            "json": None if json_body is None else json_value.write(given["json"]),
            "expect": list(expect),
            "retry_on": list(retry_on),
            "seconds": min(seconds, 3600.0),
            "login": known.get("login"),
            "password": known.get("password"),
        }

    return _perform(context, "http_program.py", given, request, **task)


def base(place: Mapping[str, Any]) -> str:
    """Where an HTTP connection leads: `schema` is its protocol, as Airflow has it."""
    host = str(place.get("host") or "")
    start = host if "://" in host else f"{place.get('schema') or 'http'}://{host}"
    return start.rstrip("/") + (f":{place['port']}" if place.get("port") else "")


def place(connection: str) -> dict[str, Any]:
    """A connection of Airflow's, as the programs take it."""
    try:
        found = BaseHook.get_connection(connection)
    except Exception as error:
        words = f"Airflow has no connection “{connection}” that this task can read: {error}"
        raise BodyFailed(BodyError("connection", words)) from error
    return {"name": f"the connection “{connection}”", **place_of(found)}


def plain(value: Any) -> Any:
    """A value of `json_value` as Python's own JSON has it; numbers that it would change stay the texts that they are."""
    if isinstance(value, (json_value.Members, Mapping)):
        pairs = value if isinstance(value, json_value.Members) else value.items()
        return {key: part if isinstance(part, str) or part is None else json_value.write(part) for key, part in pairs}
    return value


def _perform(
    context: Mapping[str, Any],
    program: str,
    given: Any,
    request: Callable[[Any, float, bool], dict[str, Any]],
    *,
    interpreter: str | None = None,
    environment: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
    **task: Any,
) -> Any:
    limit = getattr(context["ti"].task, "execution_timeout", None)
    seconds = _DAY if limit is None else limit.total_seconds()

    def body(extra: Mapping[str, str], limit: float | None, given: Any) -> str | None:
        asked = request(given, seconds if limit is None else limit, "BAILEY_SHADOW" in extra)
        arguments = [interpreter or sys.executable, "-c", text_of(program)]
        surroundings = {**(environment or {}), **filled(variables), **extra}
        return run_program(arguments, json.dumps(asked), surroundings, limit=limit, reports=True)

    return perform(context, body, given, redirect=None, skips=True, **task)
