"""The example of a warehouse in a running Airflow: its loads, its refreshes, and Bailey's own history, on a real PostgreSQL."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from bailey import PROGRAM, ROOT
from road import Road

EXAMPLE = ROOT / "mappings" / "examples" / "warehouse"
DAGS = ("request-log", "daily-refreshes", "history-export")
HOUR = "2026-11-28T02:05:00Z"
DAY = "2026-11-29T08:00:00Z"


@pytest.fixture(scope="module")
def warehouse(road: Road) -> Iterator[Any]:
    """The example's pipelines in the Airflow, and a database that is the application's and the warehouse."""
    name = f"warehouse_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(road.legacy.postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    url = road.legacy.postgres_url.rsplit("/", 1)[0] + "/" + name
    for file in (EXAMPLE / "mappings").rglob("*.*"):
        text = file.read_text(encoding="utf-8")
        if file.stem == "history-export":
            # The worker of a test has neither the program's folder nor the variables.
            secret = f"TEST_AIRFLOW_PASSWORD={road.workspace.environment['TEST_AIRFLOW_PASSWORD']}"
            for old, new in (
                ("retries: 2", "retries: 0"),
                ("exec bailey", f"{secret} exec {PROGRAM}"),
                ("WAREHOUSE_URL", url),
                ("/srv/bridge", json.dumps(str(road.workspace.folder))),
            ):
                before, _, after = text.rpartition(old)
                text = before + new + after
        place = road.workspace.folder / "mappings" / file.relative_to(EXAMPLE / "mappings")
        place.parent.mkdir(exist_ok=True)
        place.write_text(text, encoding="utf-8")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute((EXAMPLE / "tables.sql").read_bytes())
        connection.execute("INSERT INTO users VALUES (1, 'free'), (2, 'paid')")
        connection.execute(
            "INSERT INTO requests SELECT n, n % 3, timestamptz '2026-11-28 01:00:00Z' + n * interval '5 minutes', '/m', "
            "CASE n % 4 WHEN 0 THEN 500 ELSE 200 END, n * 300 FROM generate_series(0, 14) n"
        )

        def with_places(settings: dict[str, Any]) -> None:
            settings["connections"] = {one: {"url": url} for one in ("application", "warehouse")}
            settings["pools"] = {"warehouse": {"slots": 4}}

        with road.settings(with_places):
            road.build(*DAGS)
            yield connection
    for dag in DAGS:
        road.remove(dag)


def ran(road: Road, dag: str, tick: str) -> None:
    """Runs a tick, live; each task must succeed."""
    run = f"live-{tick}"
    body = {"dag_run_id": run, "conf": {"bailey_mode": "live"}, "logical_date": tick}
    road.airflow.call("POST", f"/dags/{dag}/dagRuns", body)
    assert road.airflow.ended(dag, run) == "success"
    assert set(road.airflow.states(dag, run).values()) == {"success"}


def again(road: Road, dag: str, tick: str) -> None:
    """Runs the same run once more."""
    run = f"live-{tick}"
    road.airflow.call("POST", f"/dags/{dag}/dagRuns/{run}/clear", {"dry_run": False})
    assert road.airflow.ended(dag, run) == "success"


@pytest.mark.full
def test_the_hour_before_the_tick_is_loaded_once(road: Road, warehouse: Any) -> None:
    ran(road, "request-log", HOUR)
    log = "SELECT id, plan, hour, failed, slow FROM mart.request_log ORDER BY id"
    # From 01:05 on, until before 02:05; the hour and the day are those of the server's zone.
    first = warehouse.execute(log).fetchall()
    assert [row[0] for row in first] == list(range(1, 13))
    assert [row[1] for row in first[:3]] == ["free", "paid", None] and first[3][3] and first[6][4] and not first[5][4]
    assert warehouse.execute("SELECT sum(requests) FROM mart.requests_per_hour").fetchone() == (12,)
    assert warehouse.execute("SELECT sum(requests) FROM mart.failed_requests").fetchone() == (3,)
    assert warehouse.execute("SELECT pipeline, loaded FROM mart.etl_runs").fetchall() == [("request-log", 12)]
    again(road, "request-log", HOUR)
    assert warehouse.execute(log).fetchall() == first
    assert warehouse.execute("SELECT pipeline, loaded FROM mart.etl_runs").fetchall() == [("request-log", 12)]


@pytest.mark.full
def test_ten_views_are_refreshed_and_the_day_is_exported(road: Road, warehouse: Any) -> None:
    ran(road, "daily-refreshes", DAY)
    exported = "SELECT day::text, users, requests, cost::float FROM mart.exported_days"
    assert warehouse.execute(exported).fetchall() == [("2026-11-29", 3, 12, 23.4)]
    again(road, "daily-refreshes", DAY)
    assert warehouse.execute(exported).fetchall() == [("2026-11-29", 3, 12, 23.4)]


@pytest.mark.full
def test_baileys_history_is_written_by_a_dag(road: Road, warehouse: Any) -> None:
    ran(road, "history-export", HOUR)
    names = "SELECT pipeline FROM bailey_history.pipeline WHERE pipeline = ANY (%s) ORDER BY 1"
    assert warehouse.execute(names, [list(DAGS)]).fetchall() == [(name,) for name in sorted(DAGS)]
