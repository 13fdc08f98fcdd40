"""What generated DAG files import. It needs Airflow, 2.11 or 3.x, and runs in the scheduler, the workers and the triggerer.

A name is imported when it is asked for: the DAG processor imports this module anew for every file.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .celery_task import CeleryTask
    from .command_task import CommandTask
    from .data_tasks import CopyTask, HTTPTask, SQLTask
    from .failing_task import FailingTask
    from .gate_task import BaileyGate
    from .items_task import ItemsTask
    from .jobs import run_job_command, run_job_python, take_jobs
    from .late import alert_when_late, log_late_tasks, tell_late_tasks
    from .notify import notify
    from .only_live import only_live
    from .python_task import PythonTask
    from .wait_task import WaitTask

__all__ = [
    "BaileyGate",
    "CeleryTask",
    "CommandTask",
    "CopyTask",
    "FailingTask",
    "HTTPTask",
    "ItemsTask",
    "PythonTask",
    "SQLTask",
    "WaitTask",
    "alert_when_late",
    "log_late_tasks",
    "notify",
    "only_live",
    "run_job_command",
    "run_job_python",
    "take_jobs",
    "tell_late_tasks",
]

_PLACES = {
    "BaileyGate": "gate_task",
    "CeleryTask": "celery_task",
    "CommandTask": "command_task",
    "CopyTask": "data_tasks",
    "FailingTask": "failing_task",
    "HTTPTask": "data_tasks",
    "ItemsTask": "items_task",
    "PythonTask": "python_task",
    "SQLTask": "data_tasks",
    "WaitTask": "wait_task",
    "alert_when_late": "late",
    "log_late_tasks": "late",
    "notify": "notify",
    "only_live": "only_live",
    "tell_late_tasks": "late",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__package__}.{_PLACES.get(name, 'jobs')}"), name)
