"""A master is killed and a replica that lagged takes its place, by Sentinel, under a real beat: what it forgot is told and mended."""

from __future__ import annotations

import json
import shutil
import time
from typing import Any

import pytest
import redis
from moving import OVERRIDE

from bailey_runtime.gate import Answer, Gate, Group
from testing.entry import Entry
from testing.failover import FailingOver
from testing.server import wait_until
from testing.world import fresh_folder


def asked(world: FailingOver, *words: str, status: int = 0) -> Any:
    """A command's document."""
    ended = world.bailey(*words, "--json")
    assert ended.returncode == status, f"{words}: {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
    return json.loads(ended.stdout)


def moved(world: FailingOver, word: str, entry: Entry) -> dict[str, Any]:
    document = asked(world, word, entry.pipeline, "--execute", *(OVERRIDE if word == "cutover" else ()))
    found: dict[str, Any] = document["pipelines"][0]
    return found


def ask(world: FailingOver, entry: Entry, durable: float | None = None) -> Answer:
    """A gate's answer for a tick a second ahead."""
    client = redis.Redis(port=world.network.port, socket_timeout=3, socket_connect_timeout=3)
    tick = round((time.time() + 1) * 1_000_000)
    return Gate(client, Group((entry.name,)), durable=durable).wait(tick, f"{entry.pipeline}/{tick}", 5)


def fires_again(world: FailingOver, entry: Entry) -> None:
    def fires() -> int:
        meta = world.server.client(decode_responses=True).hget(f"redbeat:{entry.name}", "meta")
        return int(json.loads(meta or "{}").get("total_run_count", 0))

    before = fires()
    wait_until(f"beat fires {entry.name}", lambda: (world.revive_beats(), fires() > before)[1], 40)


def unknowns(world: FailingOver, entry: Entry) -> str:
    return " ".join(asked(world, "status", entry.pipeline)["pipelines"][0]["unknown"])


@pytest.fixture
def world() -> Any:
    entries = [Entry(name, "2", static=False) for name in ("kept", "returned", "taken", "untouched")]
    world = FailingOver(fresh_folder("failover"), entries)
    with world.running():
        yield world
    shutil.rmtree(world.folder, ignore_errors=True)


def test_what_a_replica_that_lagged_has_forgotten_is_told_and_mended(world: FailingOver) -> None:
    kept, returned, taken, untouched = world.entries
    moved(world, "cutover", kept)
    # In step with its replica, a rollback waits for it, and a gate's claim too.
    began = time.monotonic()
    moved(world, "cutover", returned)
    assert moved(world, "rollback", returned)["outcome"] == "done"
    assert ask(world, kept, durable=1.1).alerts == ()
    print(f"cutover and rollback with a replica: {time.monotonic() - began:.2f} s")
    moved(world, "cutover", returned)
    in_step = world.replica.client()
    wait_until("the replica has it", lambda: in_step.hget("bailey:switch:{redbeat:returned}", "state") == b"airflow")

    world.link.stall()
    # A claim that no replica confirms says so, and is not kept from running.
    answer = ask(world, kept, durable=1.1)
    assert answer.mode == "live" and "a failover to one would forget it" in " ".join(answer.alerts)

    def lags() -> bool:
        lines = asked(world, "cutover", taken.pipeline, status=1)["policies"][0]["lines"]
        (line,) = [line for line in lines if line["rule"] == "durable"]
        return line["verdict"] == "fail" and "has not answered" in line["evidence"]

    wait_until("a replica that lags is refused beforehand", lags, 20)
    moved(world, "cutover", taken)
    moved(world, "rollback", returned)
    assert [world.owner(one) for one in (kept, returned, taken)] == ["airflow", "legacy", "airflow"]

    world.fail_over()
    assert [world.owner(one) for one in (kept, returned, taken)] == ["airflow", "airflow", "None"]
    assert "forgotten a rollback" in unknowns(world, returned)
    assert "forgotten a cutover" in unknowns(world, taken)
    assert "forgotten" not in unknowns(world, kept) + unknowns(world, untouched)
    events = asked(world, "watch", "--once")["events"]
    told = {event["pipeline"]: event for event in events if event["event"] == "forgotten"}
    assert told.keys() == {returned.pipeline, taken.pipeline}
    assert all(event["level"] == "urgent" for event in told.values())
    assert world.owner(returned) == "legacy"
    for entry in (returned, taken, untouched):
        fires_again(world, entry)
    # What was Airflow's on both goes on, and can be given back.
    assert ask(world, kept).mode == "live"
    assert moved(world, "rollback", kept)["outcome"] == "done"
    fires_again(world, kept)
