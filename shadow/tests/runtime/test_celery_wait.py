"""A task that waits for a Celery result, with Airflow's own classes and a real worker and backend; a running Airflow tries the whole of it."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "celery"))

import redis  # noqa: E402
from stack import legacy, redis_server, until  # noqa: E402

from bailey_runtime import celery_results, celery_wire  # noqa: E402
from bailey_runtime.celery_task import CeleryTask  # noqa: E402
from bailey_runtime.celery_trigger import CeleryResultTrigger  # noqa: E402
from bailey_runtime.compat import AirflowException, AirflowFailException  # noqa: E402

READS = json.dumps({"backend": "redis", "settings": {"task_default_queue": "work"}})
# Long enough for a trigger to see it, on a busy machine too.
EXPIRES = 8


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with redis_server() as found:
        yield found


@pytest.fixture
def results(port: int, monkeypatch: pytest.MonkeyPatch) -> redis.Redis:
    """The backend, with a connection of Airflow's that leads to it."""
    monkeypatch.setenv("AIRFLOW_CONN_BAILEY_S", f"redis://127.0.0.1:{port}/1")
    client = redis.Redis(port=port, db=1)
    client.flushall()
    return client


def given(port: int) -> dict[str, Any]:
    settings = {"broker_url": f"redis://127.0.0.1:{port}/0", "result_backend": f"redis://127.0.0.1:{port}/1"}
    settings |= {"task_default_queue": "work", "result_expires": EXPIRES}
    return {"ledger": f"redis://127.0.0.1:{port}/9", "settings": settings}


def sent(port: int, task: str, id: str) -> None:
    """Sends a message as the task does."""
    settings = given(port)["settings"]
    request = {"do": "send", "task": task, "args": "[]", "kwargs": "{}", "options": "{}", "ids": [id]}
    request |= {"broker": settings["broker_url"], "results": settings["result_backend"]}
    found = celery_wire.answer(request | {"configuration": json.loads(READS)})
    assert found.get("sent"), found


def seen(id: str, seconds: float = 60) -> dict[str, Any]:
    """What the trigger tells of it."""

    async def first() -> dict[str, Any]:
        async for event in CeleryResultTrigger("s", id, time.time() + seconds, "", READS).run():
            return dict(event.payload)
        raise AssertionError("a trigger that tells nothing")

    return asyncio.run(first())


def context(pushed: dict[str, Any]) -> dict[str, Any]:
    """What Airflow gives a task, as far as it is used here."""
    at = datetime.now(timezone.utc)
    run = SimpleNamespace(run_type="scheduled", logical_date=at, dag_id="d", run_id="r", conf={}, start_date=at)
    instance = SimpleNamespace(
        task_id="t",
        try_number=1,
        map_index=-1,
        task=None,
        xcom_pull=lambda **_: {"mode": "live"},
        xcom_push=lambda key, value: pushed.update({key: json.loads(value)}),
    )
    return {"ti": instance, "dag_run": run, "params": {}}


def resumed(task: str, id: str, event: dict[str, Any]) -> dict[str, Any]:
    """The outcome of a task that is called again with an event; what it raises, too."""
    pushed: dict[str, Any] = {}
    operator = CeleryTask(task_id="t", source="s", task=task, configuration=READS)
    start = datetime.now(timezone.utc).isoformat()
    try:
        returned = operator.execute_complete(context(pushed), event, id=id, start=start, reads=READS, to="{}")
        pushed["returned"] = returned
    except AirflowException as error:
        pushed["raised"] = error
    return pushed


def test_a_result_that_expires_before_the_task_is_called_again(port: int, results: redis.Redis) -> None:
    with legacy(given(port), "-Q", "work") as app:
        for task, ends in (("legacy.echo", "SUCCESS"), ("legacy.fails", "FAILURE")):
            sent(port, task, task)
            event = seen(task)
            assert event == {"ended": ends}
            # In time it is what the worker said.
            early = resumed(task, task, event)
            assert early["bailey_outcome"]["state"] == ("success" if ends == "SUCCESS" else "failed")
            assert early.get("returned") == ({"args": 0, "n": None} if ends == "SUCCESS" else None)
            # Every slot is taken for longer than results live.
            until(lambda key=f"celery-task-meta-{task}": not results.exists(key), "the result did not expire")
            late = resumed(task, task, event)
            # No other attempt would find more.
            assert isinstance(late["raised"], AirflowFailException)
            error = late["bailey_outcome"]["error"]
            assert error["type"] == celery_results.GONE
            for words in (task, ends, "result_expires", "worker's log", "mark this task"):
                assert words in error["message"], error
        assert app.runs() == 2


def test_what_a_broker_gave_out_again_is_not_taken_for_gone(port: int, results: redis.Redis) -> None:
    results.set("celery-task-meta-one", '{"status": "STARTED", "result": null}')
    error = resumed("legacy.echo", "one", {"ended": "FAILURE"})["bailey_outcome"]["error"]
    assert error["type"] == "again" and "visibility_timeout" in error["message"]


def test_results_that_give_no_answer_when_they_are_fetched(port: int, results: redis.Redis) -> None:
    tries: list[int] = []

    def away() -> dict[str, Any]:
        tries.append(1)
        results_away = redis.Redis(port=1)
        return {"status": results_away.get("x")}

    found = celery_results.answered(away, "one", "SUCCESS", patience=4)
    assert len(tries) > 1
    assert "ended as SUCCESS" in found["error"]["message"] and "sends nothing again" in found["error"]["message"]
    # It comes back while the task looks.
    results.set("celery-task-meta-one", '{"status": "SUCCESS", "result": 7}')

    def back() -> dict[str, Any]:
        tries.append(1)
        if len(tries) < 5:
            raise ConnectionError("away")
        return dict(celery_results.result_state(f"redis://127.0.0.1:{port}/1", READS, "one"))

    assert celery_results.answered(back, "one", "SUCCESS")["result"] == "7"


def test_a_trigger_ends_at_the_limit_whatever_it_finds(port: int, results: redis.Redis) -> None:
    began = time.monotonic()
    assert seen("nothing", 1.5) == {"ended": "timeout"}
    assert time.monotonic() - began < 15
    # A moment that has passed is no reason to wait for ever.
    assert seen("nothing", -5) == {"ended": "timeout"}


def test_the_limit_counts_from_the_attempts_start_and_airflows_own_stands_behind_it() -> None:
    limit = timedelta(seconds=60)
    operator = CeleryTask(task_id="t", source="s", task="legacy.echo", execution_timeout=limit)
    # What a DAG's structure says is what the mapping says.
    assert operator.execution_timeout == limit
    start = datetime.now(timezone.utc) - timedelta(seconds=50)
    run = SimpleNamespace(start=start)
    # Sending took fifty seconds of it.
    assert 5 < operator._seconds(run) <= 10
    assert operator._until(run) == start.timestamp() + 60
    # Nor is there ever no limit.
    assert operator._seconds(SimpleNamespace(start=start - limit)) == 1
    for _ in range(2):
        # Airflow 2.11 counts it from the attempt's first start, also when it calls the task again.
        operator.pre_execute({})
        assert operator.execution_timeout == limit + timedelta(minutes=10)
        assert operator._until(run) == start.timestamp() + 60
    without = CeleryTask(task_id="u", source="s", task="legacy.echo")
    without.pre_execute({})
    assert without.execution_timeout is None
