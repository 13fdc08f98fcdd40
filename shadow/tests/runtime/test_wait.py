"""What a wait makes of what became of the other pipeline's tick: in Airflow's interpreter, with what its API answers given."""

from __future__ import annotations

from datetime import datetime, timezone
from types import SimpleNamespace

import pytest

pytest.importorskip("airflow")

from bailey_runtime.awaited_run import OVER, look_at

TICK = datetime(2026, 11, 28, 2, tzinfo=timezone.utc)
COALESCED = {"v": 1, "mode": "skip", "how": "coalesced", "note": "", "into": "store/late"}


class Instance:
    """A task instance of Airflow 3 that knows some runs: their tick, state, tasks, and what their gate said."""

    def __init__(self, **runs):
        self.runs = runs

    def get_task_states(self, dag_id, task_ids=None, logical_dates=None, run_ids=None):
        assert dag_id == "store"
        return {
            name: {task: state for task, state in run.tasks.items() if task_ids is None or task in task_ids}
            for name, run in self.runs.items()
            if (logical_dates is None or run.tick in logical_dates) and (run_ids is None or name in run_ids)
        }

    def get_dr_count(self, dag_id, run_ids, states):
        return sum(name in run_ids and run.state in states for name, run in self.runs.items())

    def xcom_pull(self, dag_id, task_ids, run_id, map_indexes):
        assert (dag_id, task_ids, map_indexes) == ("store", "gate", -1)
        return self.runs[run_id].answer


def run(state, tick=TICK, answer=None, **tasks):
    return SimpleNamespace(state=state, tick=tick, answer=answer, tasks=tasks)


def looked(task=None, **runs):
    seen = look_at({"ti": Instance(**runs)}, "store", task, TICK)
    return seen.state, seen.into, seen.words


SKIPPED = dict(gate="skipped", load="skipped")


@pytest.mark.parametrize("task", [None, "load"])
def test_what_is_there_is_what_is_meant(task):
    assert looked(task) == (None, "", "")
    assert looked(task, it=run("running", gate="success", load=None)) == (None, "", "")
    assert looked(task, it=run("success", gate="success", load="success")) == ("success", "", "")
    assert looked(task, it=run("failed", gate="success", load="failed")) == ("failed", "", "")
    # A file without a gate, and somebody's own task of that name.
    assert looked(task, it=run("success", load="success")) == ("success", "", "")
    assert looked(task, it=run("success", gate="skipped", load="success", answer="text")) == ("success", "", "")


@pytest.mark.parametrize("task", [None, "load"])
def test_a_tick_that_was_coalesced_is_its_late_runs(task):
    late = datetime(2026, 11, 28, 1, tzinfo=timezone.utc)
    tick = run("success", answer=COALESCED, **SKIPPED)
    for state, tasks in (
        (None, dict(gate="success", load="running")),
        ("success", dict(gate="success", load="success")),
        ("failed", dict(gate="success", load="failed")),
    ):
        assert looked(task, it=tick, late=run(state or "running", late, **tasks))[:2] == (
            state or ("running" if task else None),
            "late",
        )
    # Somebody has deleted it: it is waited for to the end, for it may come again.
    assert looked(task, it=tick)[:2] == (None, "late")


@pytest.mark.parametrize("task", [None, "load"])
def test_what_will_never_run_is_said(task):
    for how, note in (("dropped", ""), ("claimed", "d/other has this tick (live)"), ("coalesced", "")):
        answer = {**COALESCED, "how": how, "note": note, "into": ""}
        state, into, words = looked(task, it=run("success", answer=answer, **SKIPPED))
        assert (state, into) == ("skipped", "") and how in words and note in words
        assert state in OVER
