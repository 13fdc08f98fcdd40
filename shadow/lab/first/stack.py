"""The first company's stack: its members, in the order in which they start, and the change of its beat and worker."""

from __future__ import annotations

import json
import signal
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import psycopg
import redis
from celery import Celery

from lab import servers
from lab.first.calendar import phase
from lab.processes import LabError, session_of, stop
from lab.record import FirstRecord
from lab.stack import Stack

STORES = ("neo4j", "qdrant", "elasticsearch")
BEATS = {"default": "", "redbeat": " -S redbeat.RedBeatScheduler --max-interval 2"}
# What users have asked the orchestrator for.
REQUESTS = ("a report of sales", "a report of stocks", "a chat with the accounts")
# What may be ended and started again.
STARTS = ("beat", "worker")


class FirstCompany(Stack[FirstRecord]):
    """The stack in a folder, whether it exists or not."""

    NAME = "the first company"
    CLIENTS = ("poller", "beat", "worker", "orchestrator", "agents", *STORES)
    record_type = FirstRecord

    def up(self, speed: float, night: int, owner: int | None = None) -> FirstRecord:
        """Starts it, or says that it runs. If anything fails or interrupts this, nothing is left."""
        ports = {name: servers.quiet_port() for name in (*STORES, "agents", "orchestrator")}
        return self.bring_up(owner, speed=speed, night=night, phase=phase(night), ports=ports)

    def members(self, record: FirstRecord) -> Sequence[str]:
        return ("redis", "postgres", *STORES, "agents", "orchestrator", "poller", "worker", "beat")

    def _start(self, record: FirstRecord) -> None:
        self._start_redis(record)
        self._start_postgres(record)
        with psycopg.connect(record.postgres_url, autocommit=True) as connection:
            connection.execute((Path(__file__).parent / "tables.sql").read_bytes())
        commands = {
            name: f"-m lab.first.http_servers {name} {record.ports[name]} {self.folder / name}.sqlite"
            for name in (*STORES, "agents")
        }
        port, agents = record.ports["orchestrator"], record.url("agents")
        commands["orchestrator"] = f"-m lab.first.orchestrator {port} {record.postgres_url} {agents}"
        started = {name: self._launch(record, name, _python(words)) for name, words in commands.items()}
        self._launch(record, "poller", _python(f"-m lab.poller {record.postgres_url} --interval 5"))
        self._start_worker(record)
        self._start_beat(record, "default")
        for name, process in started.items():
            self._wait(record, name, process, partial(_answers, record.url(name) + "/health"))
        self._wait(record, "orchestrator", started["orchestrator"], partial(_demos, record, REQUESTS))

    def halt(self, name: str) -> None:
        """Ends a member as a person does, and waits until it is gone."""
        stop(session_of(self.running().pids[name]), signal.SIGTERM, limit=60.0)

    def start(self, name: str, scheduler: str = "default", telling: bool = False) -> None:
        """Starts a member that was ended: beat with a scheduler, or a worker that tells more, without a change of code."""
        record = self.running()
        if record.member(name).alive:
            raise LabError(f"{name} runs, as pid {record.pids[name]}; end it first")
        if name == "beat":
            self._start_beat(record, scheduler)
        else:
            self._start_worker(record, "-E -- result_extended=1" if telling else "")

    def _start_worker(self, record: FirstRecord, more: str = "") -> None:
        words = f"-m celery -A lab.first.app worker --concurrency 4 --pool threads --loglevel INFO {more}"
        process = self._launch(record, "worker", _python(words))
        self._wait(record, "worker", process, lambda: _worker_answers(record))

    def _start_beat(self, record: FirstRecord, scheduler: str) -> None:
        memory = self.folder / "celerybeat-schedule"
        words = f"-m celery -A lab.first.app beat --schedule {memory} --pidfile= --loglevel INFO{BEATS[scheduler]}"
        process = self._launch(record, "beat", _python(words))
        self._wait(record, "beat", process, lambda: self._beats(record, scheduler))

    def _beats(self, record: FirstRecord, scheduler: str) -> bool:
        if scheduler == "redbeat":
            return bool(redis.Redis.from_url(record.redis_url).exists("redbeat::lock"))
        return "beat: Starting" in self._log("beat").read_text(encoding="utf-8")

    def _variables(self, record: FirstRecord) -> Mapping[str, str]:
        return {
            "FIRST_BROKER_URL": record.redis_url,
            "FIRST_RESULTS_URL": record.results_url,
            "FIRST_NIGHT": str(record.night),
            "FIRST_PHASE": str(record.phase),
            "LAB_SPEED": str(record.speed),
        }

    def addresses(self, record: FirstRecord) -> Mapping[str, str]:
        """The variables by which the company's settings name its systems."""
        return {
            "COMPANY_BROKER_URL": record.redis_url,
            "COMPANY_RESULTS_URL": record.results_url,
            "COMPANY_DATABASE_URL": record.postgres_url,
            **{f"COMPANY_{name.upper()}_URL": record.url(name) for name in (*STORES, "agents", "orchestrator")},
            "COMPANY_PYTHON": record.python,
            "COMPANY_PYTHONPATH": record.pythonpath,
            "COMPANY_SPEED": f"{record.speed:g}",
            "COMPANY_PHASE": str(record.phase),
        }


def _python(words: str) -> list[str]:
    return [sys.executable, *words.split()]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _worker_answers(record: FirstRecord) -> bool:
    return bool(Celery(broker=record.redis_url).control.ping(timeout=0.5, limit=1))


def _demos(record: FirstRecord, tasks: Sequence[str]) -> bool:
    """Asks for demos that nobody asked for yet; whether all of them are over."""
    with psycopg.connect(record.postgres_url, autocommit=True) as connection:
        asked = dict(connection.execute("SELECT task, status FROM demos").fetchall())
    for task in tasks:
        if task not in asked:
            body = json.dumps({"task": task}).encode()
            urllib.request.urlopen(record.url("orchestrator") + "/", body, timeout=10).close()
    return all(asked.get(task) in ("completed", "failed") for task in tasks)
