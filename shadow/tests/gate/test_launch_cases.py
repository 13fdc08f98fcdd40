"""Whose a tick of a pipeline without a legacy side is, by the variable's text. `LaunchRecord` in Swift is tested from the same table."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from bailey_runtime.dag_run import microseconds
from bailey_runtime.launch import LaunchError, owner_by

CASES = json.loads((Path(__file__).parent / "launch_cases.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=[case["why"] for case in CASES])
def test_the_variable_decides_as_bailey_means_it(case):
    tick = microseconds(datetime.fromisoformat(case["tick"].replace("Z", "+00:00")))
    if case["owner"] == "error":
        with pytest.raises(LaunchError, match="does not say who owns"):
            owner_by(case["text"], tick)
    else:
        assert owner_by(case["text"], tick) == case["owner"]
