"""Runs of a running Airflow in the tables of `bailey history export`."""

from __future__ import annotations

from typing import Any

import psycopg
from road import Road, probe

DAG = "exported"


def rows(road: Road, sql: str) -> list[Any]:
    with psycopg.connect(road.legacy.postgres_url, autocommit=True) as connection:
        return connection.execute(sql).fetchall()


def export(road: Road) -> dict[str, Any]:
    words = ("history", "export", "--to", road.legacy.postgres_url, "--execute")
    found: dict[str, Any] = road.workspace.json(*words)
    assert found["unknowns"] == [], found
    return found


def runs(road: Road) -> list[Any]:
    return rows(
        road,
        f"SELECT run, mode, state FROM bailey_history.run WHERE pipeline = '{DAG}' AND side = 'airflow' ORDER BY run",
    )


def test_runs_of_airflow_are_written_once_and_stay(road: Road) -> None:
    tasks = {"first": probe("nothing"), "second": {**probe("nothing"), "after": ["first"]}}
    road.workspace.add_mapping({"pipeline": DAG, "manual": True, "tasks": tasks})
    road.build(DAG)
    for mode in ("live", "trial"):
        road.airflow.trigger(DAG, f"a-{mode}", {"bailey_mode": mode})
        assert road.airflow.ended(DAG, f"a-{mode}") == "success"
    looked = road.workspace.json("history", "export", "--to", road.legacy.postgres_url)
    assert [line["changed"] for line in looked["streams"] if line["name"] == f"airflow {DAG}"] == [2]
    export(road)
    assert runs(road) == [("a-live", "live", "success"), ("a-trial", "shadow", "success")]
    found = rows(
        road,
        f"SELECT run, task, state, seconds >= 0 FROM bailey_history.task_run WHERE pipeline = '{DAG}' ORDER BY 1, 2",
    )
    assert found == [
        (run, task, "success", True) for run in ("a-live", "a-trial") for task in ("first", "gate", "second")
    ]

    again = export(road)
    assert [line["written"] for line in again["streams"] if line["name"] == f"airflow {DAG}"] == [0]
    # What Airflow has deleted stays; what is new comes.
    road.airflow.call("DELETE", f"/dags/{DAG}/dagRuns/a-live")
    road.airflow.trigger(DAG, "b-live", {"bailey_mode": "live"})
    assert road.airflow.ended(DAG, "b-live") == "success"
    export(road)
    assert [run for run, _, _ in runs(road)] == ["a-live", "a-trial", "b-live"]
    assert rows(road, f"SELECT count(*) FROM bailey_history.task_run WHERE pipeline = '{DAG}'") == [(9,)]
    road.remove(DAG)
