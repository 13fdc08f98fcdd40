"""Conditions on an earlier task's result: the same table that the embedded engine is held to."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("airflow")

from bailey_runtime.compat import AirflowSkipException
from bailey_runtime.condition import holds, is_undecided

TABLE = Path(__file__).with_name("conditions.jsonl").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("line", TABLE)
def test_holds(line: str) -> None:
    case = json.loads(line, parse_float=Decimal)
    given = {"value": case["result"]} if "result" in case else {}
    assert holds(case["when"], **given) is case["holds"]


@pytest.mark.parametrize(
    ("results", "answer"),
    [
        ({"a": 1, "b": 5}, False),
        ({"a": 5, "b": 1}, False),
        ({"a": 5, "b": 5}, None),
        ({"a": "observed", "b": 1}, False),
        ({"a": "observed", "b": 5}, True),
        ({"a": 1, "b": "observed"}, False),
        ({"b": 1}, False),
        ({}, None),
    ],
)
def test_one_of_several_is_enough(results: dict[str, Any], answer: bool | None) -> None:
    outcomes = {
        task: json.dumps({"state": "observed"} if value == "observed" else {"state": "success", "result": value})
        for task, value in results.items()
    }
    context = {"ti": SimpleNamespace(xcom_pull=lambda task_ids, **_: outcomes.get(task_ids))}
    any_of = {"any": [{"task": task, "path": [], "equals": 1} for task in ("a", "b")]}
    for when in (any_of, [any_of, any_of]):
        if answer is None:
            with pytest.raises(AirflowSkipException):
                is_undecided(context, json.dumps(when))
        else:
            assert is_undecided(context, json.dumps(when)) is answer
