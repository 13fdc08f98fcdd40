"""Registers Bailey's timetable with Airflow; copy it into the plugins folder."""

from __future__ import annotations

from typing import ClassVar

from airflow.plugins_manager import AirflowPlugin

from bailey_runtime.timetable import BaileyTimetable


class BaileyPlugin(AirflowPlugin):
    """What Bailey adds to Airflow."""

    name = "bailey"
    timetables: ClassVar[list[type[BaileyTimetable]]] = [BaileyTimetable]
