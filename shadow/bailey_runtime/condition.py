"""Whether a task with a condition runs: what its mapping asks of an earlier task's result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from .compat import AirflowException, AirflowSkipException
from .outcome import KEY

_ABSENT = object()


def is_undecided(context: Mapping[str, Any], when: str | None) -> bool:
    """Whether the earlier task was only observed, so that nobody can tell; its result then decides nothing in shadow either.

    `when` is JSON text: a condition, `{"any": […]}` with some of which one must hold, or a list of these that must hold all. Raises
    AirflowSkipException where one does not.
    """
    if when is None:
        return False
    wanted = json.loads(when, parse_float=Decimal)
    unknown = [_unknown(context, choice) for choice in (wanted if isinstance(wanted, list) else [wanted])]
    return any(unknown)


def _unknown(context: Mapping[str, Any], choice: Mapping[str, Any]) -> bool:
    answers = []
    for condition in choice.get("any", [choice]):
        answer = _answer(context, condition)
        if answer:
            return False
        answers.append(answer)
    if None in answers:
        return True
    said = json.dumps(choice, default=str, ensure_ascii=False)
    raise AirflowSkipException(f"No earlier result is as {said} wants it.")


def _answer(context: Mapping[str, Any], condition: Mapping[str, Any]) -> bool | None:
    """Whether a condition holds; None where the task that it asks for was only observed."""
    stored = context["ti"].xcom_pull(task_ids=condition["task"], key=KEY, map_indexes=-1)
    outcome = json.loads(stored, parse_float=Decimal) if isinstance(stored, str) else {}
    if outcome.get("state") == "observed":
        return None
    result = outcome.get("result", _ABSENT) if outcome.get("state") == "success" else _ABSENT
    if isinstance(result, dict) and "bailey_truncated" in result:
        raise AirflowException(f"the result of {condition['task']} is too long to decide on")
    if isinstance(result, dict) and list(result) == ["bailey_text"]:
        # NaN, or deeper than anybody follows: what the task returned is in the text.
        result = json.loads(result["bailey_text"], parse_float=Decimal)
    return holds(condition, result)


def holds(condition: Mapping[str, Any], value: Any = _ABSENT) -> bool:
    """Whether the condition holds for a result; one that is null or not there only `exists: false` and `differs` accept."""
    for step in condition["path"]:
        if isinstance(step, str):
            value = value.get(step, _ABSENT) if isinstance(value, dict) else _ABSENT
        else:
            value = value[step] if isinstance(value, list) and step < len(value) else _ABSENT
    if value is None:
        value = _ABSENT
    if "equals" in condition:
        return value is not _ABSENT and _same(value, condition["equals"])
    if "differs" in condition:
        return value is _ABSENT or not _same(value, condition["differs"])
    if "in" in condition:
        return value is not _ABSENT and any(_same(value, wanted) for wanted in condition["in"])
    if "exists" in condition:
        return (value is not _ABSENT) == condition["exists"]
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return False
    return value > condition["above"] if "above" in condition else value < condition["below"]


def _same(a: Any, b: Any) -> bool:
    """JSON's equality: true is not 1, and 2.50 is 2.5."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(value, b[key]) for key, value in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_same(*pair) for pair in zip(a, b))
    return bool(a == b)
