"""A task that waits for another pipeline's run, or for a task of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from . import GATE
from .compat import AirflowFailException, AirflowSkipException, BaseSensorOperator, PokeReturnValue, drop_params

# States in which a task will never succeed by itself.
_OVER = ("failed", "upstream_failed", "skipped", "removed")


class WaitTask(BaseSensorOperator):
    """Waits until the run of another DAG's last tick until this run's has succeeded, or its task `awaited`.

    `schedule` is the other's schedule as RedBeat's JSON, in `timezone`. It fails at once where the other has, and after `timeout`. For a tick that the
    other's gate has coalesced the late run that stands for it is waited for. It holds no worker slot while it waits. In shadow nothing is waited
    for: that is shown as skipped.
    """

    template_fields: ClassVar[Sequence[str]] = ()
    ui_color = "#e8e4d8"

    def __init__(
        self,
        *,
        dag_id: str,
        schedule: str,
        timezone: str = "UTC",
        awaited: str | None = None,
        entry: str | None = None,
        when: str | None = None,
        inputs: str | None = None,
        needs: Sequence[str] = (),
        **airflow: Any,
    ) -> None:
        airflow.setdefault("mode", "reschedule")
        super().__init__(**airflow)
        drop_params(self)
        self.awaited_dag = dag_id
        self.awaited = awaited
        self.schedule = schedule
        self.timezone = timezone
        self.entry = entry
        self.when = when
        self.needs = needs

    def poke(self, context: Mapping[str, Any]) -> bool | PokeReturnValue:
        """One look."""
        import json

        from .bodies import attempt, check_needs, record
        from .condition import is_undecided
        from .dag_run import DagRunInfo, iso
        from .inputs import last_tick
        from .outcome import BodyError

        run = attempt(context, None, self.entry)
        check_needs(context, self.needs)
        undecided = is_undecided(context, self.when)
        if run.mode == "shadow" or undecided:
            record(context, run, "observed")
            raise AirflowSkipException("Observed only: in shadow nothing is waited for.")
        own = DagRunInfo.of(context).tick or getattr(context["dag_run"], "logical_date", None)
        name = f"{self.awaited_dag}.{self.awaited}" if self.awaited else self.awaited_dag
        if own is None:
            words = (
                f"this run has no tick, so that nobody knows which run of {name} is meant: start it with a logical date"
            )
            record(context, run, "failed", error=BodyError("input", words))
            raise AirflowFailException(words)
        tick = last_tick(self.schedule, timezone=self.timezone)(own)
        try:
            seen = look_at(context, self.awaited_dag, self.awaited, tick)
        except Exception as error:
            # It is asked again until the wait's own end: an Airflow that is busy has not failed.
            self.log.warning("Airflow gave no answer about %s: %s: %s", name, type(error).__name__, error)
            return False
        of_tick = f"{name} of the tick {iso(tick)}{seen.words}"
        self.log.info("%s is %s", of_tick, seen.state or "not there yet")
        if seen.state in _OVER:
            words = f"{of_tick} is {seen.state}: it will not succeed by itself"
            record(context, run, "failed", error=BodyError("wait", words))
            raise AirflowFailException(words)
        if seen.state != "success":
            return False
        value = {"tick": iso(tick), **({"run": seen.into} if seen.into else {})}
        record(context, run, "success", result=json.dumps(value))
        return PokeReturnValue(is_done=True, xcom_value=value)


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
    airflow = _Airflow3(context["ti"]) if hasattr(context["ti"], "get_task_states") else _Airflow2()
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
