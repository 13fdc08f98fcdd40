"""What generated DAG files import. It needs Airflow, 2.11 or 3.x, and runs in the scheduler, the workers and the triggerer."""

from __future__ import annotations

from .bodies import fail, run_command, run_python
from .celery_task import CeleryTask
from .gate_task import BaileyGate
from .jobs import run_job_command, run_job_python, take_jobs
from .late import alert_when_late, log_late_tasks

__all__ = [
    "BaileyGate",
    "CeleryTask",
    "alert_when_late",
    "fail",
    "log_late_tasks",
    "run_command",
    "run_job_command",
    "run_job_python",
    "run_python",
    "take_jobs",
]
