"""A workspace between a live legacy stack and a running Airflow, with entries and pipelines of the tests' own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from bailey import SHADOW, Workspace, company_environment
from celery import Celery
from celery.schedules import crontab, schedule
from redbeat import RedBeatSchedulerEntry
from rest import Airflow

from lab.airflow import AirflowStack
from lab.laboratory import Laboratory
from lab.record import AirflowRecord, Record

SOURCE = "scheduler"


class Road:
    """Everything between a legacy entry and a run in Airflow."""

    def __init__(
        self, folder: Path, laboratory: Laboratory, legacy: Record, stack: AirflowStack, record: AirflowRecord
    ) -> None:
        self.laboratory = laboratory
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

    def entry(self, name: str, every: float | None = None, **values: Any) -> str:
        """Saves an entry as the application would, that runs `company.ops.heartbeat_metrics`; returns its id.

        It is due every so many seconds, or at each minute if none are given.
        """
        values = {"task": "company.ops.heartbeat_metrics", **values}
        due = crontab(app=self._celery) if every is None else schedule(every, app=self._celery)
        RedBeatSchedulerEntry(name=name, schedule=due, app=self._celery, **values).save()
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

    def remove(self, pipeline: str, *entries: str) -> None:
        """Takes a pipeline and its entries out of everybody's way; the paused DAG stays."""
        self.airflow.pause(pipeline, True)
        (self.workspace.folder / "mappings" / f"{pipeline}.yaml").unlink()
        for name in entries:
            key = f"redbeat:{name}"
            self.redis.zrem("redbeat::schedule", key)
            self.redis.delete(key, f"bailey:switch:{{{key}}}", f"bailey:claims:{{{key}}}")

    @contextmanager
    def settings(self, change: Callable[[dict[str, Any]], None]) -> Iterator[None]:
        """Another `bailey.yaml` for as long as this lasts."""
        file = self.workspace.folder / "bailey.yaml"
        before = file.read_text(encoding="utf-8")
        settings = json.loads(before)
        change(settings)
        file.write_text(json.dumps(settings), encoding="utf-8")
        try:
            yield
        finally:
            file.write_text(before, encoding="utf-8")

    def cut_over(self, pipeline: str) -> None:
        """Moves a pipeline to Airflow, whatever has been compared so far."""
        self.workspace.run("cutover", pipeline, "--execute", "--override", "tester", "--reason", "the gate is on trial")

    def roll_back(self, pipeline: str) -> None:
        """Gives it back."""
        self.workspace.run("rollback", pipeline, "--execute")


def probe(function: str, *args: Any, **values: Any) -> dict[str, Any]:
    """A task that calls a function of `probe.py`, in shadow too."""
    call = {"callable": f"probe:{function}", "environment": "company", "args": list(args), "kwargs": {}}
    return {"python": call, "shadow": "pure", **values}
