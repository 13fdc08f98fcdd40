"""What the tests ask an Airflow, 3.x (`/api/v2`, token) or 2.11 (`/api/v1`, password): not Bailey's client, on purpose."""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from lab.record import AirflowRecord
from lab.stack import PATIENCE as SLOWNESS

Value = TypeVar("Value")

# How far one hop of a run may be behind on a busy machine, in seconds.
PATIENCE = 240.0
ENDED = ("success", "failed")
RUN_AFTER = ("next_dagrun_run_after", "next_dagrun_logical_date")
# How long the API may take for one answer.
ANSWERS = 30.0 * SLOWNESS


def eventually(what: str, look: Callable[[], Value | None], limit: float = PATIENCE, pause: float = 0.5) -> Value:
    """Looks until there is something; fails if there is nothing within the limit (seconds)."""
    deadline = time.monotonic() + limit
    while True:
        found = look()
        if found is not None and found is not False:
            return found
        assert time.monotonic() < deadline, f"not within {limit:g} s: {what}"
        time.sleep(pause)


class Airflow:
    """The API of one Airflow, as its administrator."""

    def __init__(self, record: AirflowRecord) -> None:
        self.record = record
        self.is_2 = record.version == "211"
        self._base = record.api_url + ("/api/v1" if self.is_2 else "/api/v2")
        self._authorization = ""

    # Requests

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One request; raises urllib's HTTPError for an answer that is not 2xx."""
        for expired in (False, True):
            if expired or not self._authorization:
                self._authorization = self._log_in()
            request = urllib.request.Request(
                self._base + urllib.parse.quote(path, safe="/?&=%~+:"),
                method=method,
                data=None if body is None else json.dumps(body).encode(),
                # 2.11 reads a body where a type is named.
                headers={"Authorization": self._authorization}
                | ({} if body is None else {"Content-Type": "application/json"}),
            )
            try:
                with urllib.request.urlopen(request, timeout=ANSWERS) as answer:
                    text = answer.read()
                return json.loads(text) if text else None
            except urllib.error.HTTPError as error:
                if error.code != 401 or expired:
                    raise
        return None

    def change(self, path: str, part: str, body: Mapping[str, Any]) -> None:
        """Changes one part of what is at the path; 2.11 takes no mask for runs and variables."""
        self.call("PATCH", path + ("" if self.is_2 else f"?update_mask={part}"), body)

    def _log_in(self) -> str:
        name, password = "admin", self.record.admin_password
        if self.is_2:
            return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()
        request = urllib.request.Request(
            self.record.api_url + "/auth/token",
            data=json.dumps({"username": name, "password": password}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=ANSWERS) as answer:
            return "Bearer " + json.load(answer)["access_token"]

    def found(self, path: str) -> Any | None:
        """What is at the path; None if there is nothing."""
        try:
            return self.call("GET", path)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    # DAGs

    def wait_for_dag(self, dag: str) -> dict[str, Any]:
        """The DAG, once it is parsed; fails with its import error."""

        def look() -> dict[str, Any] | None:
            errors = [error for error in self.import_errors() if f"{dag}.py" in error["filename"]]
            assert not errors, errors[0]["stack_trace"]
            return self.found(f"/dags/{dag}")

        return eventually(f"{dag} is parsed", look)

    def import_errors(self) -> list[dict[str, Any]]:
        """All import errors."""
        return self.call("GET", "/importErrors")["import_errors"]

    def pause(self, dag: str, paused: bool) -> None:
        """Pauses or unpauses a DAG."""
        self.call("PATCH", f"/dags/{dag}?update_mask=is_paused", {"is_paused": paused})

    def trigger(self, dag: str, run: str, conf: Mapping[str, Any] | None = None) -> None:
        """Starts a run without a logical date where the version allows it."""
        body: dict[str, Any] = {"dag_run_id": run, "conf": conf or {}}
        if not self.is_2:
            body["logical_date"] = None
        self.call("POST", f"/dags/{dag}/dagRuns", body)

    def next_tick(self, dag: str) -> datetime:
        """The tick of the run that the scheduler makes next."""
        found = self.call("GET", f"/dags/{dag}")
        # While there are as many runs as there may be, versions before 3.3 know the logical date alone, which is the tick too.
        keys = ("next_dagrun_create_after", "next_dagrun") if self.is_2 else RUN_AFTER
        return datetime.fromisoformat(next(found[key] for key in keys if found[key]))

    # Runs

    def runs(self, dag: str) -> list[dict[str, Any]]:
        """The latest runs, the earliest first."""
        order = "-execution_date" if self.is_2 else "-run_after"
        found = self.call("GET", f"/dags/{dag}/dagRuns?limit=100&order_by={order}")["dag_runs"]
        return found[::-1]

    def ended(self, dag: str, run: str, limit: float = PATIENCE) -> str:
        """The state in which a run has ended."""

        def look() -> str | None:
            state = self.call("GET", f"/dags/{dag}/dagRuns/{run}")["state"]
            return state if state in ENDED else None

        return eventually(f"{dag}/{run} has ended", look, limit)

    def tasks(self, dag: str, run: str) -> dict[str, Any]:
        """The task instances of a run that are not mapped, by task."""
        found = self.call("GET", f"/dags/{dag}/dagRuns/{run}/taskInstances?limit=100")["task_instances"]
        return {task["task_id"]: task for task in found}

    def states(self, dag: str, run: str) -> dict[str, str | None]:
        """What the grid shows of a run, by task."""
        return {name: task["state"] for name, task in self.tasks(dag, run).items()}

    def xcom(self, dag: str, run: str, task: str, key: str = "return_value") -> Any | None:
        """A value that a task pushed."""
        return self.value_at(f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}/xcomEntries/{key}?deserialize=false")

    def value_at(self, path: str) -> Any | None:
        """The value of an XCom entry. 2.11 gives it as Python writes it, unless it is asked not to."""
        found = self.found(path + ("&stringify=false" if self.is_2 else ""))
        return None if found is None else found["value"]

    def outcome(self, dag: str, run: str, task: str) -> dict[str, Any] | None:
        """The outcome that a task recorded."""
        value = self.xcom(dag, run, task, "bailey_outcome")
        for _ in range(3):
            # Airflow stores text as JSON, and its API gives back what is stored.
            if not isinstance(value, str):
                break
            value = json.loads(value)
        return value
