"""What happens when a run is not done in time: a line in the log, where alerting looks for it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

_LOG = logging.getLogger("bailey.late")


def alert_when_late(within: timedelta) -> dict[str, Any]:
    """The DAG arguments that call `log_late` when a run takes longer than this. Airflow 3.0 knows no deadlines: none there."""
    try:
        from airflow.sdk import DeadlineAlert, DeadlineReference
        from airflow.sdk.definitions import deadline
    except ImportError:
        return {}
    callback: Any = getattr(deadline, "AsyncCallback", None)
    if callback is None:
        from airflow.sdk import AsyncCallback as callback
    alert = DeadlineAlert(
        # A run that shadows a recorded one has a logical date long past, so it is not counted from there.
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=within,
        callback=callback(f"{__name__}.log_late", kwargs={"within": str(within)}),
    )
    return {"deadline": [alert]}


async def log_late(within: str, context: Any = None, **_: Any) -> None:
    """Says which run is late."""
    run = (context or {}).get("dag_run") or {}
    name = run.get("dag_run_id") if isinstance(run, dict) else getattr(run, "run_id", None)
    dag = run.get("dag_id") if isinstance(run, dict) else getattr(run, "dag_id", None)
    _LOG.warning("late: the run %s of %s is not done after %s", name, dag, within)


def log_late_tasks(dag: Any, task_list: str, blocking_task_list: str, slas: Sequence[Any], blocking_tis: Any) -> None:
    """The same for 2.11, whose SLAs are of tasks."""
    _LOG.warning("late: tasks of %s are not done in time: %s", dag.dag_id, task_list.replace("\n", ", "))
