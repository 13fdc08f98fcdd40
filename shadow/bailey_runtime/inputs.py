"""What of a body's input is known only when its task runs: results of earlier tasks, ticks, parameters.

Values travel as parsed JSON: none becomes text of a program or of a query.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from . import json_value
from .outcome import KEY, whole

# What stands for the item of a list that nobody knows.
UNKNOWN_ITEM = ""
# How many items Airflow takes, if nobody has set it otherwise (core.max_map_length).
_MOST_ITEMS = 1024


class InputError(Exception):
    """An input that cannot be had, and what to do: no repetition mends it."""


def filled(context: Mapping[str, Any], inputs: str | None, given: Any) -> tuple[Any, bool]:
    """The input of a body with what is known now, and whether all of it is.

    `inputs` is JSON text, `given` a value of `json_value`, in which null stands where something is to be filled in. What an earlier task would
    have returned that was only observed is not known. Raises InputError.
    """
    parts = json.loads(inputs or "[]")
    known = True
    for part in parts:
        if "from" in part:
            found, result = _result(context, part["from"])
            known = known and found
            value = at(part["from"], part["path"], result) if found else None
        elif "item" in part:
            item = context["ti"].task.item
            known = known and item != UNKNOWN_ITEM
            value = _at("the item", part["item"], json_value.read(item, "the item")) if item != UNKNOWN_ITEM else None
        elif "param" in part:
            value = _parameter(context, part["param"])
        else:
            value = _instant(context, part)
        given = replaced(given, part["at"], value)
    return given, known


def at(task: str, path: Sequence[str | int], result: Any) -> Any:
    """What lies at a path of a task's result, a value of `json_value`. Raises InputError, which tells how far the path went."""
    return _at(f"the result of “{task}”", path, result)


def listed(context: Mapping[str, Any], items: Mapping[str, Any]) -> list[Any] | None:
    """The items of a list in an earlier task's result; None where that was only observed. Raises InputError where there is no such list."""
    task, path = items["from"], items["path"]
    known, result = _result(context, task)
    if not known:
        return None
    found = at(task, path, result)
    if not isinstance(found, list) or isinstance(found, json_value.Members):
        raise InputError(f"the result of “{task}” has {shape(found)} at {shown(path)}, and a list is wanted")
    if len(found) > _MOST_ITEMS:
        raise InputError(
            f"the result of “{task}” has {shape(found)} at {shown(path)}; a task runs for at most {_MOST_ITEMS} items"
        )
    return found


def _at(what: str, path: Sequence[str | int], whole: Any) -> Any:
    value = whole
    for number, step in enumerate(path):
        found, value = _step(value, step)
        if not found:
            there = _at(what, path[:number], whole)
            raise InputError(f"{what} has nothing at {shown(path)}: at {shown(path[:number])} is {shape(there)}")
    return value


def replaced(value: Any, place: Sequence[str | int], new: Any) -> Any:
    """The same value with another one at a place that is there."""
    if not place:
        return new
    step, *rest = place
    if isinstance(value, json_value.Members):
        return json_value.Members((key, replaced(part, rest, new) if key == step else part) for key, part in value)
    if isinstance(value, Mapping):
        return {key: replaced(part, rest, new) if key == step else part for key, part in value.items()}
    return [replaced(part, rest, new) if number == step else part for number, part in enumerate(value)]


def previous_tick(part: Mapping[str, Any], tick: datetime) -> datetime:
    """The tick before one of a schedule, which is RedBeat's JSON of it. Raises InputError if there is none."""
    from .schedule import parse_schedule

    stored = part["schedule"]
    if stored is None:
        raise InputError("this pipeline has no schedule, so that there is no tick before this one")
    if stored.get("__type__") == "interval":
        return tick - timedelta(seconds=float(stored["every"]))
    before = parse_schedule(stored, part["zone"], None).last_until(tick - timedelta(microseconds=1))
    if before is None:
        raise InputError("this run has no tick before it")
    return before


def last_tick(schedule: str, timezone: str) -> Callable[..., datetime]:
    """What tells the last tick of a schedule, RedBeat's JSON of it, until an instant."""
    from .schedule import parse_schedule

    parsed = parse_schedule(json.loads(schedule), timezone, None)

    def find(instant: datetime, **_: Any) -> datetime:
        found = parsed.last_until(instant)
        if found is None:
            raise InputError(f"the schedule has no tick until {instant}")
        return found

    return find


def shown(path: Sequence[str | int]) -> str:
    """A path as mappings write it."""
    return "$" + "".join(f".{step}" if isinstance(step, str) else f"[{step}]" for step in path)


def shape(value: Any) -> str:
    """What a value is, in words, without its contents."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (json_value.Number, int, float)):
        return "a number"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, json_value.Members):
        keys = ", ".join(f"“{key}”" for key, _ in value[:12])
        return f"an object with {keys}" if keys else "an empty object"
    return f"a list of {len(value)}"


def _step(value: Any, step: str | int) -> tuple[bool, Any]:
    if isinstance(step, str):
        if isinstance(value, json_value.Members):
            # As JSON is read everywhere, the last of repeated keys counts.
            for key, part in reversed(value):
                if key == step:
                    return True, part
        return False, None
    if isinstance(value, list) and not isinstance(value, json_value.Members) and step < len(value):
        return True, value[step]
    return False, None


def _result(context: Mapping[str, Any], task: str) -> tuple[bool, Any]:
    """Whether a task's result is known, and it. Raises InputError where it has none."""
    stored = context["ti"].xcom_pull(task_ids=task, key=KEY, map_indexes=-1)
    outcome = dict(json_value.read(stored, f"the outcome of {task}")) if isinstance(stored, str) else {}
    if outcome.get("state") == "observed":
        return False, None
    if outcome.get("state") != "success":
        raise InputError(f"“{task}” has no result: it did not succeed, or returned nothing")
    result = outcome.get("result")
    if isinstance(result, json_value.Members) and any(key == "bailey_truncated" for key, _ in result):
        raise InputError(
            f"the result of “{task}” is too long to be handed on: keep it where the next task finds it, and return its place"
        )
    return True, whole(result)


def _parameter(context: Mapping[str, Any], name: str) -> Any:
    try:
        value = context["params"][name]
    except KeyError as error:
        raise InputError(f"the parameter “{name}” has no default, and this run was not given it") from error
    return json_value.read(json.dumps(value), f"the parameter {name}")


def _instant(context: Mapping[str, Any], part: Mapping[str, Any]) -> Any:
    if "window" in part:
        ends = (("from", "previous_tick"), ("until", "tick"))
        rest = {"zone": part["zone"], "schedule": part["schedule"]}
        return json_value.Members((end, _instant(context, {one: part["window"], **rest})) for end, one in ends)
    from zoneinfo import ZoneInfo

    from .dag_run import DagRunInfo, iso

    tick = DagRunInfo.of(context).tick or getattr(context["dag_run"], "logical_date", None)
    if tick is None:
        raise InputError("this run has no tick: start it with a logical date, or let its schedule start it")
    instant = tick if "tick" in part else previous_tick(part, tick)
    if (part.get("tick") or part.get("previous_tick")) == "date":
        return instant.astimezone(ZoneInfo(part["zone"])).date().isoformat()
    return str(iso(instant))
