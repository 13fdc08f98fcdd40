"""Gaps in watching, made on purpose: what was seen is what was produced, less what is said to be lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from stage import HERE, Stage, wait_until

SECONDS = 0.5


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """An entry every half second, under a real beat, and a pipeline that does the same."""
    stage = Stage(tmp_path / "stage")
    with stage.running():
        stage.entry("tick", "planted.count", [7], SECONDS)
        stage.map("tick", {"python": {"callable": "planted_app:count", "environment": "planted"}})
        body = "import json; print(json.dumps(7))"
        stage.map("tick", {"command": ["python3", "-c", body]})
        stage.celery("beat", "--loglevel", "WARNING", "--max-interval", "1")
        wait_until("beat fires", lambda: stage.fires("tick") > 2, 60)
        stage.json("import")
        yield stage


def watched(stage: Stage, seconds: int) -> None:
    stage.json("shadow", "--for", f"{seconds}s")


def lost_results(stage: Stage) -> None:
    """What the backend forgets while nobody watches."""
    client = stage.server.client()
    for key in client.scan_iter("celery-task-meta-*", count=1000):
        client.delete(key)


def adds_up(stage: Stage) -> dict[str, int]:
    coverage = stage.coverage("tick")
    assert coverage["fired"] == coverage["seen"] + coverage["lost"] + coverage["pending"] + coverage["ambiguous"], (
        coverage
    )
    assert coverage["unseen"] == 0, coverage
    return coverage


def test_nothing_is_lost_while_it_watches(stage: Stage) -> None:
    watched(stage, 8)
    coverage = adds_up(stage)
    assert coverage["compared"] >= 10 and coverage["lost"] == 0, coverage


def test_a_dropped_client_misses_nothing_that_is_stored(stage: Stage) -> None:
    watching = stage.start("shadow", "--for", "10s")
    time.sleep(3)
    stage.server.client().execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    assert watching.wait(60) == 0
    coverage = adds_up(stage)
    assert coverage["lost"] == 0 and coverage["compared"] >= 12, coverage


def test_what_is_stored_no_more_after_a_pause_is_said_to_be_lost(stage: Stage) -> None:
    watched(stage, 4)
    first = adds_up(stage)
    time.sleep(6)
    lost_results(stage)
    watched(stage, 8)
    coverage = adds_up(stage)
    assert coverage["lost"] >= 5, coverage
    assert coverage["compared"] > first["compared"]
    [gap] = coverage["gaps"][-1:]
    assert gap["from"] < gap["until"] and gap["reason"]


def test_killed_in_the_middle_it_goes_on_from_where_it_was(stage: Stage) -> None:
    for _ in range(3):
        watching = stage.start("shadow", "--for", "60s")
        time.sleep(4)
        os.killpg(watching.pid, signal.SIGKILL)
        watching.wait()
    watched(stage, 4)
    coverage = adds_up(stage)
    assert coverage["lost"] == 0, coverage
    assert coverage["compared"] >= 20 and coverage["unpaired"] == 0, coverage


def test_interrupted_while_bodies_wait_it_compares_them_later(stage: Stage) -> None:
    stage.map("tick", {"command": ["sh", "-c", "sleep 3; echo 7"]})
    watching = stage.start("shadow", "--for", "60s")
    time.sleep(6)
    os.killpg(watching.pid, signal.SIGINT)
    watching.wait(30)
    seen = stage.coverage("tick")
    assert seen["seen"] > seen["compared"], seen
    stage.map("tick", {"command": ["sh", "-c", "echo 7"]})
    watched(stage, 3)
    coverage = adds_up(stage)
    assert coverage["unpaired"] == 0 and coverage["lost"] == 0, coverage


def test_stopped_for_a_while_it_knows_its_own_pause(stage: Stage) -> None:
    watching = stage.start("shadow", "--for", "20s")
    time.sleep(3)
    os.killpg(watching.pid, signal.SIGSTOP)
    time.sleep(8)
    os.killpg(watching.pid, signal.SIGCONT)
    assert watching.wait(60) == 0, watching.stderr.read() if watching.stderr else ""
    assert "stood still" in (watching.stderr.read() if watching.stderr else "")
    assert adds_up(stage)["lost"] == 0


def test_calls_by_hand_and_by_other_tasks_are_no_ticks(stage: Stage) -> None:
    watching = stage.start("shadow", "--for", "10s")
    time.sleep(2)
    script = "from planted_app import count; [count.delay(7) for _ in range(5)]"
    environment = {**os.environ, "PLANTED_REDIS": stage.server.url, "PYTHONPATH": str(HERE)}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, timeout=60)
    assert watching.wait(60) == 0
    coverage = adds_up(stage)
    # Calls that came in the very moment of a fire make it ambiguous; none is taken for a tick of its own.
    assert coverage["not_scheduled"] > 0, coverage
    assert coverage["seen"] + coverage["ambiguous"] <= coverage["fired"], coverage
    assert coverage["compared"] <= coverage["fired"], coverage
