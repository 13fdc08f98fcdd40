"""Conditions on an earlier task's result: the same table that the embedded engine is held to."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from bailey_runtime.condition import holds

TABLE = Path(__file__).with_name("conditions.jsonl").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("line", TABLE)
def test_holds(line: str) -> None:
    case = json.loads(line, parse_float=Decimal)
    given = {"value": case["result"]} if "result" in case else {}
    assert holds(case["when"], **given) is case["holds"]
