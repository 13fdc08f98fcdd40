"""What the administrator of the company's Airflow does by hand (`python -m lab.first.administrator`): trial runs.

Reads where the Airflow is from the variables of `python -m lab airflow env`.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

ENDED = ("success", "failed")


class Administrator:
    """The API of the Airflow, as its administrator."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.url = environment["BAILEY_LAB_AIRFLOW_URL"]
        self.token = ""

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One request; logs in anew where the token has expired."""
        for expired in (False, True):
            if expired or not self.token:
                login = {"username": "admin", "password": self.environment["BAILEY_LAB_AIRFLOW_ADMIN_PASSWORD"]}
                self.token = self._send("POST", "/auth/token", login)["access_token"]
            try:
                return self._send(method, "/api/v2" + path, body)
            except urllib.error.HTTPError as error:
                if error.code != 401 or expired:
                    raise
        return None

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        request = urllib.request.Request(
            self.url + urllib.parse.quote(path, safe="/?&=%~+:"),
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def start(self, dag: str, run: str, tick: str | None, conf: Mapping[str, Any]) -> None:
        """Starts a run, as the button does."""
        self.call("POST", f"/dags/{dag}/dagRuns", {"dag_run_id": run, "conf": conf, "logical_date": tick})

    def wait(self, dag: str, run: str, limit: float = 900) -> None:
        """Waits until it has ended; fails unless in success, or after so many seconds."""
        deadline = time.monotonic() + limit
        while (found := self.call("GET", f"/dags/{dag}/dagRuns/{run}"))["state"] not in ENDED:
            if time.monotonic() > deadline:
                raise SystemExit(f"{dag}: {run} has not ended after {limit:g} s")
            time.sleep(2)
        states = {
            task["task_id"]: task["state"]
            for task in self.call("GET", f"/dags/{dag}/dagRuns/{run}/taskInstances")["task_instances"]
        }
        print(f"{dag}: {run} is a {found['state']}; note: {found['note']}; " + ", ".join(map("=".join, states.items())))
        if found["state"] != "success":
            raise SystemExit(f"{dag}: {run} ended as {found['state']}")


def main() -> None:
    """`start DAG RUN [TICK] [JSON]`; `wait DAG RUN`."""
    command, *words = sys.argv[1:]
    one = Administrator(os.environ)
    if command == "start":
        dag, run, tick, conf = [*words, "", ""][:4]
        one.start(dag, run, tick or None, json.loads(conf or "{}"))
        print(f"{dag}: {run} is started", flush=True)
    else:
        one.wait(*words)


if __name__ == "__main__":
    main()
