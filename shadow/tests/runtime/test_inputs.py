"""What is filled into a body's input: the same table that the embedded engine is held to."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bailey_runtime import inputs, json_value

TABLE = Path(__file__).with_name("inputs.jsonl").read_text(encoding="utf-8").splitlines()
PATHS = [line for line in TABLE if "path" in json.loads(line)]
TICKS = [line for line in TABLE if "schedule" in json.loads(line)]


@pytest.mark.parametrize("line", PATHS)
def test_what_lies_at_a_path(line: str) -> None:
    case = dict(json_value.read(line))
    path = json.loads(line)["path"]
    if "error" in case:
        with pytest.raises(inputs.InputError) as raised:
            inputs.at("t", path, case["result"])
        assert str(raised.value) == case["error"]
    else:
        assert json_value.write(inputs.at("t", path, case["result"])) == json_value.write(case["value"])


@pytest.mark.parametrize("line", TICKS)
def test_the_tick_before(line: str) -> None:
    case = json.loads(line)
    for form, wanted in (("iso", case["previous"]), ("date", case["date"])):
        part = {"at": ["args", 0], "previous_tick": form, "zone": case["zone"], "schedule": case["schedule"]}
        given, known = inputs.filled(context(case["tick"]), json.dumps([part]), {"args": [None], "kwargs": {}})
        assert (given["args"], known) == ([wanted], True)
    part = {"at": ["args", 0], "window": "iso", "zone": case["zone"], "schedule": case["schedule"]}
    given, known = inputs.filled(context(case["tick"]), json.dumps([part]), {"args": [None], "kwargs": {}})
    window = {"from": case["previous"], "until": case["tick"]}
    assert (json.loads(json_value.write(given["args"])), known) == ([window], True)


def test_results_parameters_and_ticks_keep_their_values_and_places() -> None:
    outcome = json.dumps({"state": "success", "result": {"n": 1}}).replace("1", "2.50")
    parts = [
        {"at": ["args", 1, "x"], "from": "first", "path": ["n"]},
        {"at": ["kwargs", "p"], "param": "models"},
        {"at": ["kwargs", "day"], "tick": "date", "zone": "Asia/Tokyo"},
    ]
    given = {"args": [1, json_value.read('{"x":null,"y":2}')], "kwargs": json_value.read('{"p":null,"day":null}')}
    values, known = inputs.filled(context("2026-11-29T20:00:00Z", first=outcome), json.dumps(parts), given)
    assert known
    assert json_value.write(values) == '{"args":[1,{"x":2.50,"y":2}],"kwargs":{"p":["a"],"day":"2026-11-30"}}'


@pytest.mark.parametrize(
    ("outcome", "known"), [('{"state": "observed"}', False), ('{"state": "failed"}', None), (None, None)]
)
def test_a_result_that_is_not_known_and_one_that_is_not_there_differ(outcome: str | None, known: bool | None) -> None:
    part = json.dumps([{"at": ["args", 0], "from": "first", "path": []}])
    given = {"args": [None], "kwargs": {}}
    if known is None:
        with pytest.raises(inputs.InputError, match="has no result"):
            inputs.filled(context("2026-11-29T20:00:00Z", first=outcome), part, given)
    else:
        assert inputs.filled(context("2026-11-29T20:00:00Z", first=outcome), part, given)[1] is known


def test_what_a_run_does_not_have_is_said() -> None:
    given = {"args": [None], "kwargs": {}}
    with pytest.raises(inputs.InputError, match="start it with a logical date"):
        inputs.filled(context(None), '[{"at":["args",0],"tick":"iso"}]', given)
    with pytest.raises(inputs.InputError, match="“level” has no default"):
        inputs.filled(context(None), '[{"at":["args",0],"param":"level"}]', given)


def context(tick: str | None, **outcomes: str | None) -> dict[str, Any]:
    """As much of a task's context as inputs look at."""
    at = None if tick is None else datetime.fromisoformat(tick.replace("Z", "+00:00"))
    run = SimpleNamespace(
        run_type="scheduled", logical_date=at, conf=None, dag_id="d", run_id="r", start_date=None, run_after=at
    )

    class Instance:
        def xcom_pull(self, task_ids: str, key: str, map_indexes: int) -> str | None:
            return outcomes.get(task_ids)

    return {"dag_run": run, "ti": Instance(), "params": {"models": ["a"]}}
