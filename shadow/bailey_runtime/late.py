"""What happens when a run is not done in time: a line in the log, where alerting looks for it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

_LOG = logging.getLogger("bailey.late")


def alert_when_late(within: timedelta | None, tasks: Mapping[str, timedelta] | None = None) -> dict[str, Any]:
    """The DAG arguments that call `log_late` when a run takes longer than this, or `log_late_task` when one of its tasks has not ended then.

    Airflow 3.0 knows no deadlines: none there.
    """
    try:
        from airflow.sdk import DeadlineAlert, DeadlineReference
        from airflow.sdk.definitions import deadline
    except ImportError:
        return {}
    callback: Any = getattr(deadline, "AsyncCallback", None)
    if callback is None:
        from airflow.sdk import AsyncCallback as callback

    def alert(within: timedelta, name: str, **given: str) -> Any:
        return DeadlineAlert(
            # A run that shadows a recorded one has a logical date long past, so it is not counted from there.
            reference=DeadlineReference.DAGRUN_QUEUED_AT,
            interval=within,
            callback=callback(f"{__name__}.{name}", kwargs={"within": str(within), **given}),
        )

    alerts = [] if within is None else [alert(within, "log_late")]
    alerts += [alert(limit, "log_late_task", task=task) for task, limit in (tasks or {}).items()]
    return {"deadline": alerts}


async def log_late(within: str, context: Any = None, **_: Any) -> None:
    """Says which run is late."""
    dag, name = _run_of(context)
    _LOG.warning("late: the run %s of %s is not done after %s", name, dag, within)


async def log_late_task(within: str, task: str, context: Any = None, **_: Any) -> None:
    """Says that a task is late, and what it does; nothing where it has ended, whatever else of the run has not."""
    dag, name = _run_of(context)
    state = await _state_of(dag, name, task)
    if state in ("success", "failed", "skipped", "upstream_failed", "removed"):
        return
    doing = "it has not begun" if state in (None, "scheduled", "queued") else f"it is {state}"
    _LOG.warning("late: the task %s of the run %s of %s is not done after %s: %s", task, name, dag, within, doing)


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
