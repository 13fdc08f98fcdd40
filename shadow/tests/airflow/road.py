"""A workspace between a live legacy stack and a running Airflow, with entries and pipelines of the tests' own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import redis
from bailey import SHADOW, Workspace, company_environment
from celery import Celery
from celery.schedules import schedule
from redbeat import RedBeatSchedulerEntry
from rest import Airflow

from lab.airflow import AirflowStack
from lab.record import AirflowRecord, Record

SOURCE = "scheduler"
PROBE = {"environment": "company"}


class Road:
    """Everything between a legacy entry and a run in Airflow."""

    def __init__(self, folder: Path, legacy: Record, stack: AirflowStack, record: AirflowRecord) -> None:
        self.legacy = legacy
        self.stack = stack
        self.airflow = Airflow(record)
        self.redis = redis.Redis.from_url(legacy.redis_url)
        self._celery = Celery("company", broker=legacy.redis_url, set_as_current=False)
        self._celery.conf.update(timezone="UTC", redbeat_redis_url=legacy.redis_url)
        environment = company_environment()
        environment["path"] += [str(SHADOW / "tests" / "airflow")]
        target = {
            "version": "2.11" if record.version == "211" else "3",
            "url": record.api_url,
            "user": "op",
            "password": "${TEST_AIRFLOW_PASSWORD}",
            "deploy": {"kind": "folder", "path": str(stack.folder / "dags")},
        }
        sources = {
            SOURCE: {"kind": "redbeat", "url": legacy.redis_url, "max_interval": 2},
            "jobs": {"kind": "queue", "profile": "background_jobs", "url": legacy.postgres_url},
        }
        settings = {"sources": sources, "environments": {"company": environment}, "target": {"airflow": target}}
        self.workspace = Workspace(folder, settings, {"TEST_AIRFLOW_PASSWORD": record.op_password})

    def entry(self, name: str, every: float, **values: Any) -> str:
        """Saves an entry as the application would, that runs `company.ops.heartbeat_metrics`; returns its id."""
        values = {"task": "company.ops.heartbeat_metrics", **values}
        RedBeatSchedulerEntry(name=name, schedule=schedule(every, app=self._celery), app=self._celery, **values).save()
        return f"{SOURCE}/{name}"

    def pipeline(self, name: str, clock: str, tasks: Mapping[str, Any], **values: Any) -> None:
        """Writes a mapping."""
        self.workspace.add_mapping({"pipeline": name, "clock": clock, "tasks": tasks, **values})

    def build(self, *pipelines: str, unpause: bool = True, words: Iterable[str] = ()) -> None:
        """Imports, generates, deploys; unpauses if wished."""
        self.workspace.run("import", status=(0, 1))
        self.workspace.run("generate", *words, *pipelines, status=(0, 1))
        self.deploy(*pipelines, unpause=unpause)

    def deploy(self, *pipelines: str, unpause: bool = True) -> None:
        """Brings what was generated into the Airflow."""
        self.workspace.run("deploy", "--execute", *(["--unpause"] if unpause else []), *pipelines)


def probe(function: str, *args: Any, **values: Any) -> dict[str, Any]:
    """A task that calls a function of `probe.py`, in shadow too."""
    call = {"callable": f"probe:{function}", "environment": "company", "args": list(args), "kwargs": {}}
    return {"python": call, "shadow": "pure", **values}
