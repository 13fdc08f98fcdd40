"""Whether Airflow owns a tick of a pipeline without a legacy side: what `bailey launch` wrote into a variable of this Airflow.

Deciding is pure; `owner` asks Airflow. No variable, or none that holds the tick, never means go.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any, Literal

from .dag_run import microseconds

__all__ = ["LaunchError", "key", "owner", "owner_by"]

_PREFIX = "bailey_launch_"


class LaunchError(Exception):
    """What the variable says cannot be read, and reading it again will not change that."""


def key(dag_id: str) -> str:
    """The key of the variable that holds a pipeline's launch."""
    return _PREFIX + dag_id


def owner(dag_id: str, tick: datetime) -> Literal["launched", "backfill", "trial"]:
    """Whose a tick is: Airflow's by its launch or by a right to run past ticks, or nobody's yet.

    Raises LaunchError where the variable holds something else than a launch, and Airflow's own errors where it cannot be asked.
    """
    from .compat import Variable

    try:
        text = Variable.get(key(dag_id))
    except Exception as error:
        if _is_missing(error):
            return "trial"
        raise
    return owner_by(text, microseconds(tick))


def owner_by(text: str | None, tick: int) -> Literal["launched", "backfill", "trial"]:
    """The same by the variable's text, None where there is none; `tick` is in µs since the epoch."""
    if text is None:
        return "trial"
    for first, last, cause in _windows(text):
        if first <= tick and (last is None or tick < last):
            return "launched" if cause == "launch" else "backfill"
    return "trial"


def _windows(text: str) -> list[tuple[int, int | None, str]]:
    try:
        given = json.loads(text)
        if not isinstance(given, dict) or type(given.get("v")) is not int or given["v"] != 1:
            raise ValueError("it is of another version, or no record of a launch")
        _instant(given["at"])
        return [_window(item) for item in given["windows"]]
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise LaunchError(f"the variable does not say who owns the ticks: {type(error).__name__}: {error}") from error


def _window(item: Any) -> tuple[int, int | None, str]:
    cause = item["cause"]
    if cause not in ("launch", "backfill"):
        raise ValueError(f"the cause {cause!r} is not known to this bailey-runtime")
    until = item["until"]
    return _instant(item["from"]), None if until is None else _instant(until), cause


def _instant(text: Any) -> int:
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is no instant")
    # Python before 3.11 reads neither a Z nor other than 3 or 6 digits.
    whole, _, rest = text.removesuffix("Z").partition(".")
    if not text.endswith("Z") or not (rest.isdecimal() or not rest) or (rest and len(rest) > 6):
        raise ValueError(f"{text!r} is no instant in UTC")
    at = datetime.fromisoformat(f"{whole}.{rest:0<6}")
    if at.tzinfo is not None:
        raise ValueError(f"{text!r} has two zones")
    return microseconds(at.replace(tzinfo=timezone.utc))


def _is_missing(error: Exception) -> bool:
    # 3.x says so by a code; 2.11 raises a KeyError.
    if isinstance(error, KeyError):
        return True
    code = getattr(getattr(error, "error", None), "error", None)
    return getattr(code, "value", code) == "VARIABLE_NOT_FOUND"
