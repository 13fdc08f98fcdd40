"""What mode a task runs in, by what the gate of its run said."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("airflow")

from bailey_runtime.bodies import attempt
from bailey_runtime.compat import AirflowSkipException
from bailey_runtime.dag_run import DagRunInfo


def context(answer: Any) -> dict[str, Any]:
    """The context of a scheduled run whose gate answered so."""
    run = SimpleNamespace(
        run_type="scheduled", conf={}, dag_id="d", run_id="r", logical_date=None, start_date=None, run_after=None
    )
    task = SimpleNamespace(outlets=["announced"])
    instance = SimpleNamespace(task=task, task_id="t", try_number=1, xcom_pull=lambda **_: answer)
    return {"dag_run": run, "params": {}, "ti": instance}


def test_what_legacy_ran_alone_is_a_shadow_in_a_live_run() -> None:
    answer = {"v": 1, "mode": "live", "how": "live", "without": ["s/one", "s/two"]}
    for entry, mode in (
        ("s/one", "shadow"),
        ("s/two", "shadow"),
        ("s/three", "live"),
        ("other/one", "live"),
        (None, "live"),
    ):
        given = context(answer)
        assert attempt(given, [], entry).mode == mode
        assert given["ti"].task.outlets == (["announced"] if mode == "live" else [])


@pytest.mark.parametrize("without", [None, []])
def test_a_live_run_is_live_in_all_its_tasks(without: Any) -> None:
    assert attempt(context({"mode": "live", "without": without}), [], "s/one").mode == "live"
    assert attempt(context({"mode": "live"}), [], "s/one").mode == "live"
    assert attempt(context({"mode": "shadow", "without": without}), [], "s/one").mode == "shadow"


@pytest.mark.parametrize("answer", [None, "live", ["live"], {}, {"mode": "wait"}, {"mode": "skip"}, {"mode": "Live"}])
def test_no_answer_never_means_go(answer: Any) -> None:
    with pytest.raises(AirflowSkipException):
        attempt(context(answer), [], "s/one")


def test_a_run_that_somebody_cleared_is_known() -> None:
    given = context({"mode": "live"})
    assert not DagRunInfo.of(given).is_cleared
    for number, cleared in ((0, False), (None, False), (1, True), (3, True)):
        given["dag_run"].clear_number = number
        assert DagRunInfo.of(given).is_cleared is cleared
