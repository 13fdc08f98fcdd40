"""The first task of a generated DAG: asks the switch whether this run is live, shadow or not ours."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from . import GATE, MODE_PARAM
from .compat import (
    AirflowFailException,
    AirflowSkipException,
    BaseSensorOperator,
    Param,
    PokeReturnValue,
    drop_params,
)

# What only a running gate needs is imported by it: the DAG processor imports this anew for every file.
if TYPE_CHECKING:
    from .dag_run import DagRunInfo

# How long one look may hold a worker slot; then the task is put down and taken up again later.
_LOOK_SECONDS = 4.0
# How long a run waits for jobs; the next one goes on waiting, by the DAG's file as it is then.
_IDLE_SECONDS = 3600.0


class BaileyGate(BaseSensorOperator):
    """Answers `live` or `shadow`, or skips: then no task of the run does anything, whatever its trigger rule.

    `source` is the RedBeat source whose `entries` (names; the first decides) the DAG stands for, under the key `prefix`;
    `job_types` are job types of queues, as (source, type). Where `switched` is false no switch moves the entries, and every tick is
    legacy's. Where `look_every` is given, the DAG runs without a break, and a run waits in the triggerer, which looks every so many seconds,
    until a job is due that it may take; after an hour without one it is skipped. With neither entries nor job types the DAG stands for nothing of legacy, and its ticks are Airflow's once
    `bailey launch` has said from when. While there is no answer, because a switch is closing or its store is
    away, the task waits without holding a slot; it fails after `timeout` rather than guess. `missed_ticks` and
    `late_after` say what becomes of ticks that nobody was up to run in time. Its DAG gets the parameter `bailey_mode`, by which a
    person who starts a run chooses what it does.
    """

    template_fields: ClassVar[Sequence[str]] = ()
    ui_color = "#e8e4d8"

    def __init__(
        self,
        *,
        source: str | None = None,
        entries: Sequence[str] = (),
        prefix: str = "redbeat:",
        job_types: Sequence[tuple[str, str]] = (),
        missed_ticks: str = "coalesce",
        late_after: float = 300,
        timezone: str = "UTC",
        switched: bool = True,
        look_every: float | None = None,
        task_id: str = GATE,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("mode", "reschedule")
        kwargs.setdefault("poke_interval", 10)
        kwargs.setdefault("timeout", timedelta(hours=6))
        # A worker that dies under the gate loses nothing: the same run is told the same again.
        kwargs.setdefault("retries", 5)
        kwargs.setdefault("retry_delay", timedelta(seconds=15))
        super().__init__(task_id=task_id, **kwargs)
        drop_params(self)
        if self.has_dag():
            # Not an argument of the DAG, which would check its JSON Schema anew whenever the file is read.
            quiet = "shadow" if entries or job_types else "trial"
            self.dag.params[MODE_PARAM] = Param(
                quiet,
                enum=[quiet, "live"],
                description=f"What a run started by hand does; scheduled runs ask {'the switch' if quiet == 'shadow' else 'whether they are launched'}.",
            )
        self.source = source
        self.entries = tuple(entries)
        self.prefix = prefix
        self.job_types = tuple((queue, name) for queue, name in job_types)
        self.missed_ticks = missed_ticks
        self.late_after = late_after
        self.timezone = timezone
        self.switched = switched
        self.look_every = look_every

    def poke(self, context: Mapping[str, Any]) -> bool | PokeReturnValue:
        """One look; the answer is the task's return value."""
        from .dag_run import DagRunInfo

        run = DagRunInfo.of(context)
        answer = self._answer(run)
        if self.look_every is not None and run.by_schedule and run.shadowed is None:
            answer = self._once_due(run, answer, time.time())
        elif answer["mode"] == "wait":
            self.log.warning("No answer yet (%s): %s", answer["how"], answer["note"])
            return False
        return PokeReturnValue(is_done=True, xcom_value=self._told(context, run, answer))

    def looked(self, context: Mapping[str, Any], event: Any = None, since: float = 0.0) -> dict[str, Any]:
        """What follows once the triggerer has seen a job, or has looked for long enough; the same answer."""
        from .dag_run import DagRunInfo

        run = DagRunInfo.of(context)
        ended = event.get("ended", "") if isinstance(event, Mapping) else ""
        return self._told(context, run, self._once_due(run, self._answer(run), since, ended))

    def _told(self, context: Mapping[str, Any], run: DagRunInfo, answer: dict[str, Any]) -> dict[str, Any]:
        from .dag_run import iso

        # A run that waits for jobs was due for none of them.
        value = {"v": 1, "tick": None if self.look_every is not None else iso(run.tick), **answer}
        self.log.info("This run is %s (%s) %s", answer["mode"], answer["how"], answer["note"])
        if answer["mode"] == "skip":
            context["ti"].xcom_push(key="return_value", value=value)
            raise AirflowSkipException(f"{answer['how']}: {answer['note']}")
        return value

    def _once_due(self, run: DagRunInfo, answer: dict[str, Any], since: float, ended: str = "") -> dict[str, Any]:
        """The answer, if there is a job for the run; else it waits on in the triggerer.

        `since` is when it began to wait, `ended` what the triggerer said: `due`, which counts where the switch is too old to be asked; or `over`
        or `others`, after which it waits no more.
        """
        from .installation import installation
        from .jobs_due import JobsDueTrigger

        if answer["mode"] == "live" and self._is_due(run, ended == "due"):
            return answer
        minutes = _IDLE_SECONDS / 60
        if ended in ("over", "others"):
            if answer["mode"] != "wait":
                why = "another run waits for its turn" if ended == "others" else "no job was due"
                return _answer("skip", "idle", f"{why}; the next run goes on waiting")
            if time.time() - since >= _IDLE_SECONDS:
                raise AirflowFailException(f"no answer for {minutes:g} minutes ({answer['how']}): {answer['note']}")
        every = self.look_every or 1.0
        trigger = JobsDueTrigger(self.job_types, run.id, installation(), every, time.time() + _IDLE_SECONDS)
        self.log.info("%s; looks every %g s for a job that is due", answer["note"], every)
        self.defer(trigger=trigger, method_name="looked", kwargs={"since": since})
        raise AssertionError("deferring did not put the task down")

    def _is_due(self, run: DagRunInfo, otherwise: bool) -> bool:
        from . import queue
        from .connections import postgres_connection
        from .installation import installation

        types: dict[str, list[str]] = {}
        for source, name in self.job_types:
            types.setdefault(source, []).append(name)
        for source, names in types.items():
            with postgres_connection(source) as connection:
                found = queue.is_due(connection, source, names, run.id, installation())
            if otherwise if found is None else found:
                return True
        return False

    def _answer(self, run: DagRunInfo) -> dict[str, Any]:
        if run.shadowed is not None:
            return _answer("shadow", "recorded", "shadows a run that legacy has recorded")
        if not run.by_schedule:
            return _answer(run.mode_by_hand, "by-hand", f"a person started this run, as {self._by_hand(run)}")
        return self.ask(run)

    def ask(self, run: DagRunInfo) -> dict[str, Any]:
        """Who owns the tick of a scheduled run: its mode, how that is known, a note and the fence.

        This is what a gate of another legacy system has of its own; `wait` of a switch that gives no answer, never `live`.
        """
        if not self.switched:
            return self._by_hand_alone(run)
        if self.entries:
            return self._ask_redbeat(run)
        if self.job_types:
            return self._ask_queues(run)
        return self._ask_launch(run)

    def _by_hand(self, run: DagRunInfo) -> str:
        """What a run started by hand is: a trial where no legacy system runs the same."""
        if run.mode_by_hand == "live":
            return "a live one"
        return "a shadow" if self.entries or self.job_types else "a trial"

    def _by_hand_alone(self, run: DagRunInfo) -> dict[str, Any]:
        """Nobody can be asked: legacy owns each tick, but one of the past that a person has named for a backfill."""
        if run.is_backfill:
            given = self._ask_launch(run)
            if given["how"] in ("backfill", "away"):
                return given
        note = f"no switch moves entries of {self.source}: legacy runs them, and bailey cutover {run.dag_id} says what to do by hand"
        return _answer("shadow", "no-switch", note)

    def _ask_launch(self, run: DagRunInfo) -> dict[str, Any]:
        from .launch import LaunchError, owner

        # A run that assets have started has no tick: it counts as due when it began.
        due = run.tick or run.began
        if due is None:
            raise AirflowFailException("a run without a logical date that has not begun has no tick to ask for")
        try:
            how = owner(run.dag_id, due)
        except LaunchError as error:
            raise AirflowFailException(f"{error}; bailey launch {run.dag_id} says what to do") from error
        except Exception as error:
            return _answer("wait", "away", f"Airflow gives no answer: {type(error).__name__}: {error}")
        if how == "trial":
            return _answer("shadow", how, "the pipeline is not launched for this tick; bailey launch does that")
        return _answer("live", how)

    def _ask_redbeat(self, run: DagRunInfo) -> dict[str, Any]:
        from .connections import redis_client
        from .dag_run import microseconds
        from .gate import Gate, Group, SwitchError
        from .installation import installation

        if run.tick is None:
            raise AirflowFailException("a scheduled run without a logical date has no tick to ask for")
        client = redis_client(self.source or "")
        try:
            gate = Gate(
                client,
                Group(self.entries, self.prefix),
                # A tick of the past that is asked for was not missed: none stands for it.
                "every" if run.is_backfill else self.missed_ticks,
                late_after=self.late_after if self.missed_ticks == "none" else None,
                timezone=self.timezone,
                durable=1.1,
                installation=installation(),
            )
            since = None if run.began is None else microseconds(run.began)
            answer = gate.wait(microseconds(run.tick), run.id, _LOOK_SECONDS, since=since, cleared=run.is_cleared)
        except SwitchError as error:
            raise AirflowFailException(str(error)) from error
        finally:
            client.close()
        note = "; ".join(part for part in (answer.note, *answer.alerts) if part)
        if answer.mode == "shadow" and answer.how in ("no-switch", "not-ours") and run.is_backfill:
            # A tick that was legacy's: a person has named it, or it is a shadow like any other.
            given = self._ask_launch(run)
            if given["how"] in ("backfill", "away"):
                return given
        given = _answer(answer.mode, answer.how, note, answer.fence, answer.into)
        # The tasks of these are legacy's at this tick: shadows in a live run.
        given["without"] = [f"{self.source}/{name}" for name in answer.without]
        return given

    def _ask_queues(self, run: DagRunInfo) -> dict[str, Any]:
        from . import queue
        from .connections import postgres_connection
        from .installation import installation

        modes: dict[str, str] = {}
        for source, job_type in self.job_types:
            try:
                with postgres_connection(source) as connection:
                    modes[f"{source}/{job_type}"] = queue.mode(connection, source, job_type, run.id, installation())
            except Exception as error:
                if "BAILEY" in str(error):
                    raise AirflowFailException(str(error)) from error
                return _answer("wait", "away", f"{source} gives no answer: {type(error).__name__}: {error}")
        said = ", ".join(f"{name} is {mode}" for name, mode in modes.items())
        if "closing" in modes.values():
            return _answer("wait", "closing", said)
        return _answer("live" if "live" in modes.values() else "shadow", "queue", said)


def _answer(mode: str, how: str, note: str = "", fence: str = "", into: str = "") -> dict[str, Any]:
    return {"mode": mode, "how": how, "note": note, "fence": fence, **({"into": into} if into else {})}
