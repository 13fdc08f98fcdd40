"""What happens when a run is not done in time: a line in the log, where alerting looks for it, and word to whom the mapping names."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

_LOG = logging.getLogger("bailey.late")


def alert_when_late(
    within: timedelta | None,
    tasks: Mapping[str, timedelta] | None = None,
    tell: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """The DAG arguments that call `log_late` when a run takes longer than this, or `log_late_task` when one of its tasks has not ended then.

    `tell` names the alert channels that are told of a task, and under the empty name those of the run. Airflow 3.0 knows no deadlines: none there.
    """
    try:
        from airflow.sdk import DeadlineAlert, DeadlineReference
        from airflow.sdk.definitions import deadline
    except ImportError:
        return {}
    callback: Any = getattr(deadline, "AsyncCallback", None)
    if callback is None:
        from airflow.sdk import AsyncCallback as callback

    def alert(within: timedelta, name: str, **given: Any) -> Any:
        channels = list((tell or {}).get(given.get("task", ""), ()))
        if channels:
            given["tell"] = channels
        return DeadlineAlert(
            # A run that shadows a recorded one has a logical date long past, so it is not counted from there.
            reference=DeadlineReference.DAGRUN_QUEUED_AT,
            interval=within,
            callback=callback(f"{__name__}.{name}", kwargs={"within": str(within), **given}),
        )

    alerts = [] if within is None else [alert(within, "log_late")]
    alerts += [alert(limit, "log_late_task", task=task) for task, limit in (tasks or {}).items()]
    return {"deadline": alerts}


async def log_late(within: str, context: Any = None, tell: Sequence[str] = (), **_: Any) -> None:
    """Says which run is late."""
    dag, name = _run_of(context)
    _LOG.warning("late: the run %s of %s is not done after %s", name, dag, within)
    await _tell(tell, dag, name, context, f"the run {name} is not done after {within}: it is still running")


async def log_late_task(within: str, task: str, context: Any = None, tell: Sequence[str] = (), **_: Any) -> None:
    """Says that a task is late, and what it does; nothing where it has ended, whatever else of the run has not."""
    dag, name = _run_of(context)
    state = await _state_of(dag, name, task)
    if state in ("success", "failed", "skipped", "upstream_failed", "removed"):
        return
    doing = "it has not begun" if state in (None, "scheduled", "queued") else f"it is {state}"
    _LOG.warning("late: the task %s of the run %s of %s is not done after %s: %s", task, name, dag, within, doing)
    await _tell(tell, dag, name, context, f"the task {task} is not done after {within}: {doing}. Run {name}")


async def _tell(channels: Sequence[str], dag: str, run: str, context: Any, what: str) -> None:
    """Tells channels, with when it was expected and what time it is; of a live run only."""
    if not channels:
        return
    try:
        from asgiref.sync import sync_to_async

        from . import notify

        chosen = notify.chosen_mode(_field(context, "run_type"), _field(context, "conf"))
        if chosen == "shadow" or (chosen is None and not await sync_to_async(_is_live)(dag, run)):
            return
        due = ((context or {}).get("deadline") or {}).get("deadline_time")
        expected = f"expected by {_iso(due)}, " if due else ""
        text = f"Bailey: {dag}: {what}; {expected}now it is {_iso(datetime.now(timezone.utc))}."
        await sync_to_async(notify.tell)(list(channels), text, f"{dag}: late")
    except Exception:
        _LOG.exception("nobody could be told that %s of %s is late", run, dag)


def _is_live(dag: str, run: str) -> bool:
    """Whether the run does the work, by its gate's answer; one that has none yet waits for it, and is late all the same."""
    from . import GATE

    try:
        from airflow.sdk.execution_time.xcom import XCom

        answer = XCom.get_one(key="return_value", dag_id=dag, run_id=run, task_id=GATE)
    except Exception as error:
        _LOG.info("what the gate of %s of %s said cannot be asked for: %s", run, dag, error)
        return True
    return not isinstance(answer, Mapping) or answer.get("mode") == "live"


def _iso(moment: Any) -> str:
    if isinstance(moment, str):
        return moment
    return str(moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"))


def _field(context: Any, name: str) -> Any:
    run = (context or {}).get("dag_run") or {}
    return run.get(name) if isinstance(run, dict) else getattr(run, name, None)


def _run_of(context: Any) -> tuple[str, str]:
    run = (context or {}).get("dag_run") or {}
    if isinstance(run, dict):
        return str(run.get("dag_id")), str(run.get("dag_run_id") or run.get("run_id"))
    return str(getattr(run, "dag_id", None)), str(getattr(run, "run_id", None))


async def _state_of(dag: str, run: str, task: str) -> str | None:
    """The state of a task, as the triggerer may ask for it; `unknown` where it may not."""
    try:
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
        from asgiref.sync import sync_to_async

        found = await sync_to_async(RuntimeTaskInstance.get_task_states)(dag_id=dag, task_ids=[task], run_ids=[run])
        state = (found.get(run) or {}).get(task)
        return None if state is None else str(getattr(state, "value", state))
    except Exception as error:
        _LOG.info("the state of %s of %s cannot be asked for: %s", task, run, error)
        return "in an unknown state"


def log_late_tasks(dag: Any, task_list: str, blocking_task_list: str, slas: Sequence[Any], blocking_tis: Any) -> None:
    """The same for 2.11, whose SLAs are of tasks."""
    _LOG.warning("late: tasks of %s are not done in time: %s", dag.dag_id, task_list.replace("\n", ", "))


def _was_live(dag: str, tick: Any) -> bool:
    """The same in 2.11, where the tick names the run."""
    from . import GATE

    try:
        with warnings.catch_warnings():
            # The name of the run is not told, and asking by the tick is on its way out.
            warnings.simplefilter("ignore")
            from airflow.models.xcom import XCom

            answer = XCom.get_one(execution_date=tick, key="return_value", task_id=GATE, dag_id=dag)
    except Exception as error:
        _LOG.info("what the gate of %s said at %s cannot be asked for: %s", dag, tick, error)
        return True
    return not isinstance(answer, Mapping) or answer.get("mode") == "live"


def tell_late_tasks(tell: Mapping[str, Sequence[str]]) -> Callable[..., None]:
    """What 2.11 calls, where people are to be told: `tell` is that of `alert_when_late`."""

    def callback(dag: Any, task_list: str, blocking_task_list: str, slas: Sequence[Any], blocking_tis: Any) -> None:
        log_late_tasks(dag, task_list, blocking_task_list, slas, blocking_tis)
        try:
            from . import notify

            late: dict[str, list[str]] = {}
            for sla in slas:
                if not _was_live(dag.dag_id, sla.execution_date):
                    continue
                for channel in tell.get(sla.task_id) or tell.get("") or ():
                    late.setdefault(channel, []).append(f"{sla.task_id} of the tick {_iso(sla.execution_date)}")
            states = {ti.task_id: ti.state for ti in blocking_tis or ()}
            doing = ", ".join(f"{task} is {state or 'not begun'}" for task, state in sorted(states.items()))
            for channel, tasks in late.items():
                text = f"Bailey: {dag.dag_id}: not done in time: {', '.join(tasks)}"
                text += f"; {doing or 'all have ended'}; now it is {_iso(datetime.now(timezone.utc))}."
                notify.tell([channel], text, f"{dag.dag_id}: late")
        except Exception:
            _LOG.exception("nobody could be told that tasks of %s are late", dag.dag_id)

    return callback
