"""What a task that waits must know of runs: what became of the tick of another pipeline, and whether runs of its own DAG are queued behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from . import GATE

# States in which a task will never succeed by itself.
OVER = ("failed", "upstream_failed", "skipped", "removed")


@dataclass(frozen=True)
class Seen:
    """What became of a tick: its state, None while there is none; the run that stands for it, if that is another; that in words."""

    state: str | None
    into: str = ""
    words: str = ""


def look_at(context: Mapping[str, Any], dag: str, task: str | None, tick: datetime) -> Seen:
    """The state of the run of a tick, or of its task.

    A gate that has skipped its run says why. Where that is because a late run stands for the tick, that run is the one that is meant.
    """
    return _look(
        _Airflow3(context["ti"]) if hasattr(context["ti"], "get_task_states") else _Airflow2(), dag, task, tick
    )


def look_in_triggerer(dag: str, task: str | None, tick: datetime) -> Seen:
    """The same, asked for as the triggerer may."""
    try:
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
    except ImportError:
        return _look(_Airflow2(), dag, task, tick)
    return _look(_Triggerer3(RuntimeTaskInstance), dag, task, tick)


def queued_in_triggerer(dag: str) -> int:
    """How many runs of a DAG are queued, asked for as the triggerer may."""
    try:
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
    except ImportError:
        from airflow.models import DagRun
        from airflow.utils.session import create_session

        with create_session() as session:
            return int(session.query(DagRun).filter_by(dag_id=dag, state="queued").count())
    return int(RuntimeTaskInstance.get_dr_count(dag, states=["queued"]))


def _look(airflow: _Airflow3 | _Airflow2, dag: str, task: str | None, tick: datetime) -> Seen:
    run = airflow.run_of(dag, tick)
    if run is None:
        return Seen(None)
    answer = airflow.gates_answer(dag, run) if airflow.state(dag, run, GATE) == "skipped" else None
    if not isinstance(answer, Mapping) or "how" not in answer:
        return Seen(airflow.state(dag, run, task))
    other, _, into = str(answer.get("into") or "").partition("/")
    if not into:
        note = f": {answer['note']}" if answer.get("note") else ""
        return Seen("skipped", words=f", whose gate let nothing run ({answer['how']}{note}),")
    words = f", for which the late run {into} of {other} stands,"
    return Seen(airflow.state(other, into, task), into, words)


class _Airflow3:
    """What a task may ask of other DAGs."""

    def __init__(self, instance: Any) -> None:
        self.instance = instance

    def run_of(self, dag: str, tick: datetime) -> str | None:
        """The run of a tick, once it has tasks."""
        return next(iter(self.instance.get_task_states(dag_id=dag, logical_dates=[tick])), None)

    def state(self, dag: str, run: str, task: str | None) -> str | None:
        """The state of a run, or of a task of it."""
        if task is None:
            ends = ("success", "failed")
            return next((end for end in ends if self.instance.get_dr_count(dag, run_ids=[run], states=[end])), None)
        found = self.instance.get_task_states(dag_id=dag, task_ids=[task], run_ids=[run])
        return _text(found.get(run, {}).get(task))

    def gates_answer(self, dag: str, run: str) -> Any:
        """What the gate of a run said."""
        return self.instance.xcom_pull(dag_id=dag, task_ids=GATE, run_id=run, map_indexes=-1)


class _Triggerer3(_Airflow3):
    """What the triggerer may ask."""

    def gates_answer(self, dag: str, run: str) -> Any:
        from airflow.sdk.execution_time.xcom import XCom

        return XCom.get_one(key="return_value", dag_id=dag, run_id=run, task_id=GATE)


class _Airflow2:
    """The same, where tasks read Airflow's tables."""

    def run_of(self, dag: str, tick: datetime) -> str | None:
        """The run of a tick."""
        found = self._run(dag, execution_date=tick)
        return None if found is None else found.run_id

    def state(self, dag: str, run: str, task: str | None) -> str | None:
        """The state of a run, or of a task of it."""
        from airflow.utils.session import create_session

        found = self._run(dag, run_id=run)
        if found is None or task is None:
            return None if found is None else _text(found.state)
        with create_session() as session:
            instance = found.get_task_instance(task, session=session)
            return None if instance is None else _text(instance.state)

    def gates_answer(self, dag: str, run: str) -> Any:
        """What the gate of a run said."""
        from airflow.models.xcom import XCom

        return XCom.get_one(key="return_value", dag_id=dag, task_id=GATE, run_id=run)

    def _run(self, dag: str, **which: Any) -> Any:
        from airflow.models import DagRun
        from airflow.utils.session import create_session

        with create_session() as session:
            return session.query(DagRun).filter_by(dag_id=dag, **which).first()


def _text(state: Any) -> str | None:
    return None if state is None else str(getattr(state, "value", state))
