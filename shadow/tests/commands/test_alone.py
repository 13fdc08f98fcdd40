"""An application re-creates one entry of a pipeline that takes several: beat runs that one, and Airflow the others of the same tick."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest
from desk import Desk

from bailey_runtime import redbeat_bytes
from bailey_runtime.gate import Answer, Gate, Group
from testing.entry import Entry
from testing.server import wait_until
from testing.world import World, fresh_folder

NAMES = ("lead", "part")


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    entry = Entry(NAMES[0], "2", static=False, absorbed=(Entry(NAMES[1], "2", static=False),))
    world = World(fresh_folder("alone"), [entry])
    with world.running():
        yield Desk(world)
    shutil.rmtree(world.folder, ignore_errors=True)


@pytest.mark.parametrize("alone", NAMES)
def test_what_beat_ran_alone_is_left_out_of_the_run(desk: Desk, alone: str) -> None:
    (entry,) = desk.world.entries
    desk.cut_over(entry)
    key = f"redbeat:{alone}"

    def fired() -> int | None:
        """When beat fired the entry by itself, in µs."""
        meta = desk.world.server.client().hget(key, "meta")
        last = redbeat_bytes.last_run(meta)
        parked = last is None or last >= redbeat_bytes.PARKED_AT
        return None if parked or not redbeat_bytes.has_fired(meta) else last

    # As an application does it that deletes and creates: enabled, without a clock of its own, due at once.
    definition = json.loads(desk.redis.hget(key, "definition"))
    desk.redis.hset(key, "definition", json.dumps({**definition, "enabled": True}))
    desk.redis.hdel(key, "meta")
    desk.redis.zadd("redbeat::schedule", {key: 0})
    wait_until("beat fires it", fired, 30)
    at = fired()
    assert at is not None
    desk.watch_until(entry, "healed")

    def ask(run: str, tick: int) -> Answer:
        return Gate(desk.world.server.client(), Group(NAMES)).ask(tick, run, tick)

    assert ask("d/1", at).mode == "live" and ask("d/1", at).without == (alone,)
    assert ask("d/2", at).how == "claimed"
    # Beat may have fired it once more before it was parked; what comes after that is everybody's.
    later = round(desk.redis.time()[0] + 5) * 1_000_000
    assert (ask("d/3", later).mode, ask("d/3", later).without) == ("live", ())
    desk.run("rollback", entry.pipeline, "--execute")
    desk.legacy_resumes(entry)
