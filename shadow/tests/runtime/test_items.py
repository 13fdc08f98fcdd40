"""What a task that runs once for each item is given, and what is said where nobody knows the list."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("airflow")

from bailey_runtime.bodies import perform
from bailey_runtime.compat import AirflowFailException, AirflowSkipException
from bailey_runtime.items_task import ItemsTask


def context(mode: str, outcome: Any = None, item: str | None = None) -> dict[str, Any]:
    """That of a task after one that left an outcome, in a run of that mode. `pushed` gets what it leaves itself."""
    run = SimpleNamespace(
        run_type="scheduled", conf={}, dag_id="d", run_id="r", logical_date=None, start_date=None, run_after=None
    )
    left = {"gate": {"mode": mode}, "list": None if outcome is None else json.dumps(outcome)}
    pushed: dict[str, Any] = {}
    instance = SimpleNamespace(
        task=SimpleNamespace(outlets=[], item=item),
        task_id="t",
        try_number=1,
        xcom_pull=lambda task_ids, **_: left.get(task_ids),
        xcom_push=lambda key, value: pushed.update({key: value}),
    )
    return {"dag_run": run, "params": {}, "ti": instance, "pushed": pushed}


def state(given: dict[str, Any]) -> str | None:
    """That of the outcome which a task has left."""
    left = given["pushed"].get("bailey_outcome")
    return None if left is None else json.loads(left)["state"]


def listing(path: list[Any], when: str | None = None) -> ItemsTask:
    """A task that lists what lies at the path."""
    return ItemsTask(task_id="take_t", items=json.dumps({"from": "list", "path": path}), when=when)


def returned(result: Any) -> dict[str, Any]:
    """The outcome of a task that returned it."""
    return {"state": "success", "result": result}


def test_each_item_is_a_text_that_is_exact() -> None:
    given = context("live", returned({"rows": [1, {"a": "{{ ds }}"}, None]}))
    assert listing(["rows"]).execute(given) == ["1", '{"a":"{{ ds }}"}', "null"]
    assert state(given) == "success"


def test_no_item_leaves_no_outcome() -> None:
    given = context("live", returned([]))
    assert listing([]).execute(given) == [] and state(given) is None


def test_a_list_that_nobody_knows_is_one_item_in_shadow_and_a_failure_live() -> None:
    given = context("shadow", {"state": "observed"})
    assert listing([]).execute(given) == [""] and state(given) == "observed"
    given = context("live", {"state": "observed"})
    with pytest.raises(AirflowFailException, match="legacy ran it by itself"):
        listing([]).execute(given)
    assert state(given) == "failed"


@pytest.mark.parametrize(
    ("outcome", "path", "words"),
    [
        (returned({"a": 1}), [], "has an object with “a” at [$], and a list is wanted"),
        (returned([1]), ["x"], "has nothing at [$].x: at [$] is a list of 1"),
        (returned([0] * 1025), [], "a task runs for at most 1024 items"),
        (None, [], "“list” has no result"),
    ],
)
def test_what_is_no_list_is_said(outcome: Any, path: list[Any], words: str) -> None:
    given = context("live", outcome)
    with pytest.raises(AirflowFailException, match=words):
        listing(path).execute(given)
    assert state(given) == "failed"


def test_a_condition_that_does_not_hold_skips_all_of_them() -> None:
    when = json.dumps({"task": "list", "path": [], "exists": False})
    with pytest.raises(AirflowSkipException):
        listing([], when).execute(context("live", returned([1])))


def performed(given: dict[str, Any], inputs: Any = None) -> Any:
    """What the body of a pure task got."""
    seen: list[Any] = []
    options: dict[str, Any] = {"entry": None, "shadow": "pure", "redirect": None, "inputs": json.dumps(inputs or [])}
    perform(given, lambda extra, limit, known: seen.append(known["args"]), {"args": [None], "kwargs": {}}, **options)
    return seen


def test_a_body_gets_its_item() -> None:
    of_id = [{"at": ["args", 0], "item": ["id"]}]
    assert performed(context("live", item='{"id": "{{ x }}"}'), of_id) == [["{{ x }}"]]
    given = context("shadow", item="")
    assert performed(given, of_id) == [] and state(given) == "observed"
    given = context("shadow", item="")
    assert performed(given) == [] and state(given) == "observed", "for how many items nobody knows"
    given = context("live", item="[1]")
    with pytest.raises(AirflowFailException, match="the item has nothing at"):
        performed(given, of_id)


def test_a_live_body_never_runs_on_a_value_that_nobody_knows() -> None:
    given = context("live", {"state": "observed"})
    with pytest.raises(AirflowFailException, match="legacy ran it by itself"):
        performed(given, [{"at": ["args", 0], "from": "list", "path": []}])
    assert state(given) == "failed"
