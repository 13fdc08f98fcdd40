"""SQL, copies and requests in a running Airflow, on a real PostgreSQL and a real HTTP server: live, in shadow, and without a gate."""

from __future__ import annotations

import json
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from road import Road, probe
from test_flows import result

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "data"))
from agent import Agent  # noqa: E402

pytestmark = pytest.mark.versions()
NAMES = {"live": ("data-live", "live"), "shadow": ("data-shadow", "trial"), "ungated": ("data-ungated", None)}
TICK = "2026-11-28T00:00:00Z"


class Place:
    """A database and a server of one pipeline's own, and the connections by which Airflow knows them."""

    def __init__(self, road: Road, name: str) -> None:
        database = f"place_{uuid.uuid4().hex[:8]}"
        with psycopg.connect(road.legacy.postgres_url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {database}")
        self.url = road.legacy.postgres_url.rsplit("/", 1)[0] + "/" + database
        self.connection = psycopg.connect(self.url, autocommit=True)
        self.connection.execute("CREATE TABLE rows (id int PRIMARY KEY, name text, at timestamptz)")
        self.connection.execute("CREATE TABLE copy (LIKE rows)")
        self.agent = Agent()
        threading.Thread(target=self.agent.serve_forever, daemon=True).start()
        self.names = (f"{name}-warehouse", f"{name}-agents")
        parts = urlsplit(self.url)
        warehouse = {"conn_type": "postgres", "host": parts.hostname, "port": parts.port, "schema": database}
        warehouse |= {"login": parts.username, "password": parts.password}
        agents = {"conn_type": "http", "host": "127.0.0.1", "port": self.agent.server_address[1], "schema": "http"}
        agents |= {"login": "me", "password": "secret", "extra": json.dumps({"X-Of": "company"})}
        for connection_id, fields in zip(self.names, (warehouse, agents)):
            given = {key: value for key, value in fields.items() if value is not None}
            road.airflow.call("POST", "/connections", {"connection_id": connection_id, **given})

    def rows(self, table: str) -> list[Any]:
        """What a table holds."""
        return self.connection.execute(f"SELECT id, name, at FROM {table} ORDER BY id").fetchall()  # type: ignore[arg-type]

    def tasks(self, gated: bool) -> dict[str, Any]:
        """A task of each body, and some that take of them."""
        warehouse, agents = self.names
        insert = "INSERT INTO rows (id, name, at) SELECT n, :name, :at::timestamptz + n * interval '8 hours' FROM generate_series(0, 3) n"
        window = {"from": {"previous_tick": "iso"}, "until": {"tick": "iso"}}
        return {
            "seed": {
                "sql": {
                    "connection": warehouse,
                    "text": f"-- it's: a comment;\nDELETE FROM rows;\n{insert}",
                    "params": {"name": "it's 100 % {{ ds }}", "at": {"previous_tick": "iso"}},
                }
            },
            "count": {
                "sql": {"connection": warehouse, "text": "SELECT * FROM rows"},
                "after": ["seed"],
                "shadow": "pure",
            },
            "move": {
                "copy": {
                    "from": {"connection": warehouse, "text": "SELECT * FROM rows WHERE at >= :since AND at < :until"},
                    "params": {"since": window["from"], "until": window["until"]},
                    "to": {"connection": warehouse, "table": "public.copy"},
                    "window": {"column": "at", **window},
                },
                "after": ["count"],
            },
            "ask": {
                "http": {
                    "connection": agents,
                    "url": "/busy-once",
                    "json": {"moved": {"from": "move", "path": "$.rows"}},
                },
                "after": ["move"],
                "retries": 1,
                "retry_delay": "1s",
            },
            "last": probe("echo", {"from": "ask", "path": "$.json.you"}, after=["ask"]),
            "beside": probe("nothing", after=["ask", "count"]),
            "when_one": probe("nothing", after=["move"], trigger_rule="one_success"),
            "wrong": {
                "http": {"connection": agents, "url": "/status/404", "method": "DELETE"},
                "retries": 2 if gated else 0,
                "retry_delay": "1h",
            },
            "broken": {
                "sql": {"connection": warehouse, "text": "DELETE FROM copy; SELECT 1 FROM nowhere"},
                "after": ["last", "beside"],
            },
            "after_broken": probe("nothing", after=["broken"]),
            "end": probe("nothing", after=["wrong", "after_broken", "when_one"], trigger_rule="all_done"),
        }


@pytest.fixture(scope="module")
def places(road: Road) -> Iterator[dict[str, Place]]:
    """The pipelines in the Airflow, and a run of each under way."""
    found = {}
    for run, (dag, mode) in NAMES.items():
        found[run] = Place(road, run)
        mapping = {"pipeline": dag, "schedule": {"crontab": "0 0 * * *"}, "tasks": found[run].tasks(mode is not None)}
        road.workspace.add_mapping(mapping)
    road.workspace.run("import", status=(0, 1))
    dags = [dag for dag, _ in NAMES.values()]
    road.workspace.run("generate", *dags[:2])
    road.workspace.run("generate", "--ungated", dags[2])
    road.deploy(*dags)
    for run, (dag, mode) in NAMES.items():
        body = {"dag_run_id": run, "conf": {"bailey_mode": mode} if mode else {}, "logical_date": TICK}
        road.airflow.call("POST", f"/dags/{dag}/dagRuns", body)
    yield found
    for place in found.values():
        place.agent.shutdown()
        place.connection.close()
    for dag in dags:
        road.remove(dag)


@pytest.mark.parametrize("run", ["live", "ungated"])
def test_what_a_mapping_says_is_done(road: Road, places: dict[str, Place], run: str) -> None:
    dag, mode = NAMES[run]
    place = places[run]
    assert road.airflow.ended(dag, run) == "success"
    states = road.airflow.states(dag, run)
    assert states.pop("gate", "success") == "success"
    good = dict.fromkeys(("seed", "count", "move", "ask", "last", "beside", "when_one", "end"), "success")
    assert states == {**good, "wrong": "failed", "broken": "failed", "after_broken": "upstream_failed"}
    rows = place.rows("rows")
    assert [row[1] for row in rows] == ["it's 100 % {{ ds }}"] * 4
    assert place.rows("copy") == rows[:3], "the window ends before the fourth, and what broken did was undone"
    assert result(road, dag, run, "seed") == {"rows": 4, "statements": [0, 4]}
    assert result(road, dag, run, "move") == {"rows": 3, "deleted": 0}
    asked = [one for one in place.agent.asked if one["path"] == "/busy-once"]
    assert [json.loads(one["body"]) for one in asked] == [{"moved": 3}] * 2
    assert asked[0]["headers"]["X-Of"] == "company" and asked[0]["headers"]["Authorization"].startswith("Basic ")
    assert json.loads(result(road, dag, run, "last")["args"][0]) == {"moved": 3}
    assert sum(one["path"] == "/status/404" for one in place.agent.asked) == 1, "a status like that is final"
    if mode:
        outcome = road.airflow.outcome(dag, run, "broken")
        assert outcome is not None
        assert outcome["error"]["type"] == "sql" and "statement 2 of 2 failed" in outcome["error"]["message"]
    logs = [file for file in road.stack.folder.rglob("*.log") if dag in str(file) and "broken" in str(file)]
    assert any("statement 2 of 2 failed" in file.read_text(encoding="utf-8") for file in logs)


def test_in_shadow_what_did_not_run_is_not_green(road: Road, places: dict[str, Place]) -> None:
    dag, _ = NAMES["shadow"]
    place = places["shadow"]
    assert road.airflow.ended(dag, "shadow") == "success"
    states = road.airflow.states(dag, "shadow")
    observed = dict.fromkeys(("seed", "move", "ask", "wrong", "broken"), "skipped")
    ran = dict.fromkeys(("gate", "count", "last", "beside", "after_broken", "end"), "success")
    assert states == {**observed, **ran, "when_one": "skipped"}
    told = {task: road.airflow.outcome(dag, "shadow", task) for task in states}
    for task in observed:
        outcome = told[task]
        assert outcome is not None and outcome["state"] == "observed", task
    # What a task before it would have answered nobody knows.
    assert told["last"] is not None and told["last"]["state"] == "observed"
    assert told["count"] is not None and told["count"]["result"] == {"rows": 0, "statements": [0]}
    assert place.rows("rows") == [] and place.agent.asked == []
