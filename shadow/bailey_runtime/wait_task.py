"""A task that waits for another pipeline's run, or for a task of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from .compat import AirflowFailException, AirflowSkipException, BaseSensorOperator, PokeReturnValue, drop_params

# States in which a task will never succeed by itself.
_OVER = ("failed", "upstream_failed", "skipped", "removed")


class WaitTask(BaseSensorOperator):
    """Waits until the run of another DAG's last tick until this run's has succeeded, or its task `awaited`.

    `schedule` is the other's schedule as RedBeat's JSON, in `timezone`. It fails at once where the other has, and after `timeout`. It holds no worker
    slot while it waits. In shadow nothing is waited for: that is shown as skipped.
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
            state = state_of(context, self.awaited_dag, self.awaited, tick)
        except Exception as error:
            # It is asked again until the wait's own end: an Airflow that is busy has not failed.
            self.log.warning("Airflow gave no answer about %s: %s: %s", name, type(error).__name__, error)
            return False
        self.log.info("%s of the tick %s is %s", name, iso(tick), state or "not there yet")
        if state in _OVER:
            words = f"{name} of the tick {iso(tick)} is {state}: it will not succeed by itself"
            record(context, run, "failed", error=BodyError("wait", words))
            raise AirflowFailException(words)
        if state != "success":
            return False
        value = {"tick": iso(tick)}
        record(context, run, "success", result=json.dumps(value))
        return PokeReturnValue(is_done=True, xcom_value=value)


def state_of(context: Mapping[str, Any], dag: str, task: str | None, tick: datetime) -> str | None:
    """The state of the run of a tick, or of its task; None while there is none."""
    instance = context["ti"]
    if not hasattr(instance, "get_task_states"):
        return _state_in_2(dag, task, tick)
    if task is not None:
        found = instance.get_task_states(dag_id=dag, task_ids=[task], logical_dates=[tick])
        states = [state for run in found.values() for name, state in run.items() if name == task]
        return str(getattr(states[0], "value", states[0])) if states and states[0] is not None else None
    for state in ("success", "failed"):
        if instance.get_dr_count(dag_id=dag, logical_dates=[tick], states=[state]):
            return state
    return None


def _state_in_2(dag: str, task: str | None, tick: datetime) -> str | None:
    from airflow.models import DagRun
    from airflow.utils.session import create_session

    with create_session() as session:
        run = session.query(DagRun).filter_by(dag_id=dag, execution_date=tick).first()
        if run is None:
            return None
        instance = run if task is None else run.get_task_instance(task, session=session)
        return (
            None
            if instance is None or instance.state is None
            else str(getattr(instance.state, "value", instance.state))
        )
