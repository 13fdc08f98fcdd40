"""Registers Bailey's timetable and its notes with Airflow; a wheel does so by its entry point, a checkout by `plugins/bailey_plugin.py`."""

from __future__ import annotations

from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

# Airflow's DAG processor loads plugins before it forks to read files: what nearly every file imports is there then.
from . import celery_task, command_task, failing_task, gate_task, python_task, run_note  # noqa: F401
from .timetable import BaileyTimetable


class BaileyPlugin(AirflowPlugin):
    """What Bailey adds to Airflow."""

    name = "bailey"
    timetables: ClassVar[list[type[BaileyTimetable]]] = [BaileyTimetable]
    listeners: ClassVar[list[Any]] = [run_note]
