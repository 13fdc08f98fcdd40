"""A task that waits for another pipeline's run, or for a task of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from .compat import AirflowFailException, AirflowSkipException, BaseSensorOperator, PokeReturnValue, drop_params


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

    def poke(self, context: Mapping[str, Any]) -> PokeReturnValue:
        """One look; what is not there yet is waited for in the triggerer."""
        return PokeReturnValue(is_done=True, xcom_value=self._look(context, time.time() + self.timeout))

    def looked(self, context: Mapping[str, Any], event: Any = None, until: float = 0.0) -> dict[str, Any]:
        """What follows once the triggerer has seen an end, or has looked for long enough."""
        return self._look(context, until)

    def _look(self, context: Mapping[str, Any], until: float) -> dict[str, Any]:
        import json

        from .awaited_run import OVER, look_at
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

        def fail(kind: str, words: str) -> AirflowFailException:
            record(context, run, "failed", error=BodyError(kind, words))
            return AirflowFailException(words)

        if own is None:
            raise fail(
                "input",
                f"this run has no tick, so that nobody knows which run of {name} is meant: start it with a logical date",
            )
        tick = last_tick(self.schedule, timezone=self.timezone)(own)
        of_tick, state = f"{name} of the tick {iso(tick)}", "which Airflow gave no answer about"
        try:
            seen = look_at(context, self.awaited_dag, self.awaited, tick)
        except Exception as error:
            # It is asked again until the wait's own end: an Airflow that is busy has not failed.
            self.log.warning("Airflow gave no answer about %s: %s: %s", name, type(error).__name__, error)
        else:
            of_tick, state = of_tick + seen.words, seen.state or "not there yet"
            self.log.info("%s is %s", of_tick, state)
            if seen.state in OVER:
                raise fail("wait", f"{of_tick} is {seen.state}: it will not succeed by itself")
            if seen.state == "success":
                value = {"tick": iso(tick), **({"run": seen.into} if seen.into else {})}
                record(context, run, "success", result=json.dumps(value))
                return value
        if time.time() >= until:
            raise fail("wait", f"{of_tick} is {state} after {self.timeout:g} s")
        self._wait_on(tick, until)
        raise AssertionError("deferring did not put the task down")

    def _wait_on(self, tick: datetime, until: float) -> None:
        from .run_ended import RunEndedTrigger

        trigger = RunEndedTrigger(self.awaited_dag, self.awaited, tick.isoformat(), self.poke_interval, until)
        self.defer(trigger=trigger, method_name="looked", kwargs={"until": until})
