"""A real Airflow for tests: on a PostgreSQL of its own, with LocalExecutor, or CeleryExecutor on a Redis."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab import airflow_settings, servers
from lab.processes import LabError, session_of, stop, tail, wait_for
from lab.record import SHADOW, AirflowRecord
from lab.stack import PATIENCE, Stack


def default_python(version: str) -> Path:
    """The interpreter of the checkout's own environment for the version."""
    return SHADOW.parent / f".env-airflow{version}" / "bin" / "python"


class AirflowStack(Stack[AirflowRecord]):
    """The Airflow in a folder, whether it exists or not. DAG files go into its subfolder `dags`."""

    NAME = "the Airflow"
    READY_LIMIT = 120.0
    CLIENTS = ("celery worker", "scheduler", "dag-processor", "triggerer", "api-server", "webserver")
    CLIENTS_LIMIT = 3.0
    record_type = AirflowRecord

    def up(
        self,
        version: str,
        executor: str,
        python: Path | None = None,
        redis: str = "",
        owner: int | None = None,
        queues: str = "",
    ) -> AirflowRecord:
        """Starts it, or says that it runs. If anything fails or interrupts this, nothing is left.

        `redis` is the broker of CeleryExecutor, a database of somebody's server; without it one is started. `queues` are those that its worker
        consumes, with commas between them.
        """
        program = python or default_python(version)
        if not program.exists():
            raise LabError(
                f"there is no Airflow environment at {program}; make it with: "
                f"scripts/python-env airflow{version} shadow/requirements-airflow{version}.txt"
            )
        return self.bring_up(
            owner,
            version=version,
            executor=executor,
            queues=queues,
            python=str(program),
            broker_url=redis,
            api_port=servers.quiet_port(),
            log_ports=[servers.quiet_port(), servers.quiet_port()],
            admin_password=secrets.token_urlsafe(12),
            op_password=secrets.token_urlsafe(12),
            secret=secrets.token_hex(32),
        )

    def members(self, record: AirflowRecord) -> Sequence[str]:
        own = airflow_settings.members(record.version, record.executor)
        return (*(["redis"] if record.redis_url else []), "postgres", *own)

    def restart(self, name: str) -> None:
        """Starts a member of Airflow's again that was killed, and waits until it is ready."""
        record = self.running()
        if record.member(name).alive:
            raise LabError(f"{name} runs, as pid {record.pids[name]}")
        self._await(record, name, self._launch(record, name, self._command(record, name)), time.monotonic())

    def halt(self, name: str, number: int = signal.SIGKILL) -> None:
        """Ends a member with a signal, with all of its session, and waits until they are gone."""
        record = self.running()
        stop(session_of(record.pids[name]), number, limit=30.0)

    def health(self, record: AirflowRecord) -> Mapping[str, str | None]:
        """What the API says of each component: `healthy`, `unhealthy` or None. Empty if it does not answer."""
        path = "/health" if record.version == "211" else "/api/v2/monitor/health"
        try:
            with urllib.request.urlopen(record.api_url + path, timeout=5) as answer:
                found = json.load(answer)
        except (OSError, ValueError):
            return {}
        return {name.replace("_", "-"): component["status"] for name, component in found.items()}

    def _start(self, record: AirflowRecord) -> None:
        for name in ("home", "dags"):
            (self.folder / name).mkdir()
        passwords = {"admin": record.admin_password, "op": record.op_password}
        (self.folder / "home" / "passwords.json").write_text(json.dumps(passwords), encoding="utf-8")
        if record.executor == "celery" and not record.broker_url:
            self._start_redis(record)
            record.broker_url = record.redis_url
        self._start_postgres(record)
        self._once(record, "migrate", "-m airflow db migrate")
        if record.version == "211":
            self._once(record, "users", "-m lab.airflow_users")
        began = time.monotonic()
        own = airflow_settings.members(record.version, record.executor)
        processes = {name: self._launch(record, name, self._command(record, name)) for name in own}
        for name, process in processes.items():
            self._await(record, name, process, began)

    def _once(self, record: AirflowRecord, name: str, arguments: str) -> None:
        began = time.monotonic()
        self._run_once(record, name, [record.python, *arguments.split()])
        self.say(f"{name}: done after {time.monotonic() - began:.1f} s")

    def _await(self, record: AirflowRecord, name: str, process: subprocess.Popen[bytes], began: float) -> None:
        log = self._log(name)

        def ready() -> bool:
            if name == "celery worker":
                return "ready." in tail(log, 200)
            health = self.health(record)
            return bool(health) if name in ("api-server", "webserver") else health.get(name) == "healthy"

        wait_for(name, ready, limit=self.READY_LIMIT * PATIENCE, process=process, log=log)
        self.say(f"{name}: ready after {time.monotonic() - began:.1f} s, pid {record.pids[name]}")

    def _command(self, record: AirflowRecord, name: str) -> list[str]:
        more = ["--queues", record.queues] if name == "celery worker" and record.queues else []
        return [record.python, "-m", "airflow", *name.split(), *more]

    def _variables(self, record: AirflowRecord) -> Mapping[str, str]:
        users = [["admin", "Admin", record.admin_password], ["op", "Op", record.op_password]]
        return {
            **airflow_settings.variables(record, self.folder),
            **({"LAB_AIRFLOW_USERS": json.dumps(users)} if record.version == "211" else {}),
        }
