"""Two applications with a prefix each in one Redis, and a prefix that is changed while Airflow owns the entries."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator

import pytest
from desk import OVERRIDE, Desk

from bailey_runtime.gate import Answer, Gate
from bailey_runtime.switch import Group
from testing.entry import Entry
from testing.server import wait_until
from testing.world import World, fresh_folder


@pytest.fixture
def worlds() -> Iterator[tuple[Desk, World]]:
    """A workspace with two sources in one Redis and database, each with a beat of its own."""
    one = World(fresh_folder("prefix-one"), [Entry("a", "2", static=False), Entry("b", "2", static=True)])
    two = World(fresh_folder("prefix-two"), [Entry("x", "2", static=False)], prefix="eu:", server=one.server)
    with one.running(), two.running():
        settings = one.folder / "bailey.yaml"
        other = (two.folder / "bailey.yaml").read_text(encoding="utf-8").partition("sources:\n")[2]
        text = settings.read_text(encoding="utf-8") + other.replace("scheduler:", "eu:", 1)
        settings.write_text(text, encoding="utf-8")
        mapping = "pipeline: p-x\nclock: eu/x\ntasks:\n  run:\n    entry: eu/x\n"
        (one.folder / "mappings" / "x.yaml").write_text(mapping, encoding="utf-8")
        desk = Desk(one)
        desk.run("import")
        yield desk, two
    for world in (one, two):
        shutil.rmtree(world.folder, ignore_errors=True)


def fires(desk: Desk, key: str) -> int:
    return int(json.loads(desk.redis.hget(key, "meta") or "{}").get("total_run_count", 0))


def fires_again(desk: Desk, key: str) -> None:
    before = fires(desk, key)
    wait_until(f"beat fires {key} again", lambda: fires(desk, key) > before, 30)


def ask(desk: Desk, entry: Entry, prefix: str = "redbeat:") -> Answer:
    """What the gate of a DAG that was made with a prefix is told."""
    tick = round((time.time() + 1) * 1_000_000)
    return Gate(desk.world.server.client(), Group((entry.name,), prefix)).ask(tick, f"{entry.pipeline}/{tick}")


def test_each_of_two_sources_in_one_redis_gets_back_its_own(worlds: tuple[Desk, World]) -> None:
    desk, two = worlds
    (a, _), (x,) = desk.world.entries, two.entries
    for entry in (a, x):
        desk.run("cutover", entry.pipeline, "--execute", *OVERRIDE)
    assert [ask(desk, a).how, ask(desk, x, "eu:").how] == ["live", "live"]
    assert desk.run("watch", "--once")["events"] == []
    done = desk.run("rollback", x.pipeline, "--execute")["pipelines"][0]
    assert (done["outcome"], done["source"]) == ("done", "eu")
    assert desk.redis.zscore("redbeat::schedule", "eu:x") is None
    fires_again(desk, "eu:x")
    assert desk.world.owner(a) == "airflow"
    assert desk.run("rollback", a.pipeline, "--execute")["pipelines"][0]["source"] == "scheduler"
    fires_again(desk, "redbeat:a")


@pytest.mark.parametrize("state", ["airflow", "closing"])
def test_a_prefix_that_is_changed_while_airflow_owns_is_said_and_given_back(
    worlds: tuple[Desk, World], state: str
) -> None:
    desk, _ = worlds
    world = desk.world
    # A static one that was closing is written anew by the start of a beat, under its new name, and fires.
    entries = world.entries if state == "airflow" else world.entries[:1]
    for entry in entries:
        if state == "closing":
            desk.left_closing(entry)
        else:
            desk.cut_over(entry)
            assert ask(desk, entry).mode == "live"
    # The application's keys are renamed, and everybody is started with the new prefix, but for the DAGs.
    world.wanted_beats = 0
    while world.beats:
        world.kill_beat(0, hard=False)
    for key in desk.redis.scan_iter("redbeat:*"):
        desk.redis.rename(key, "acme:" + key.removeprefix("redbeat:"))
    for member, score in desk.redis.zrange("acme::schedule", 0, -1, withscores=True):
        desk.redis.zrem("acme::schedule", member)
        desk.redis.zadd("acme::schedule", {"acme:" + member.removeprefix("redbeat:"): score})
    world.prefix = "acme:"
    settings = world.folder / "bailey.yaml"
    text = settings.read_text(encoding="utf-8").replace("'redbeat:'", "'acme:'")
    settings.write_text(text, encoding="utf-8")
    world.wanted_beats = 1
    world.revive_beats()
    for entry in entries:
        status = desk.run("status", entry.pipeline, status=1)["pipelines"][0]
        assert f"was called redbeat:{entry.name}" in " ".join(status["unknown"])
        assert status["waits_for"].startswith(f"bailey rollback {entry.pipeline}")
    told = {one["pipeline"] for one in desk.watch()}
    assert told >= {entry.pipeline for entry in entries}
    assert any("was called redbeat:a" in one["detail"] for one in desk.run("doctor", status=3)["checks"])
    for entry in entries:
        last = 0
        if state == "airflow":
            # The DAG that was made before goes on.
            assert ask(desk, entry).mode == "live"
            last = int(desk.redis.hget(f"bailey:switch:{{redbeat:{entry.name}}}", "last_claim"))
        desk.run("rollback", entry.pipeline, "--execute")
        assert ask(desk, entry).mode == "shadow"
        fires_again(desk, f"acme:{entry.name}")
        meta = json.loads(desk.redis.hget(f"acme:{entry.name}", "meta"))
        assert meta["last_run_at"]["year"] < 2100 and time.time() * 1_000_000 > last
        definition = json.loads(desk.redis.hget(f"acme:{entry.name}", "definition"))
        assert definition["enabled"] is True
    for entry in entries:
        assert desk.run("status", entry.pipeline)["pipelines"][0]["stage"] == "rolled-back"
