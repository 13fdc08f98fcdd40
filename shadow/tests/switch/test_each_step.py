"""At every step of a cutover and of a rollback: the database is flushed, the queue purged, a right taken away. The next command names and completes."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from chance import CUTOVER_LINES, ROLLBACK_LINES
from moving import OVERRIDE

from testing.entry import Entry
from testing.server import wait_until
from testing.world import World, fresh_folder

STEPS = [("cutover", line) for line in range(1, CUTOVER_LINES + 1)]
STEPS += [("rollback", line) for line in range(1, ROLLBACK_LINES + 1)]


class OneRedis(World):
    """Celery's messages lie beside RedBeat's keys, and Bailey has a user of its own."""

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "LEGACY_BROKER": self.server.url}

    @property
    def source_url(self) -> str:
        return self.server.url.replace("//", "//bailey:secret@")

    def allow(self, *rights: str) -> None:
        self.server.client().execute_command("ACL", "SETUSER", "bailey", "on", ">secret", "~*", "&*", "+@all", *rights)


@pytest.fixture
def world() -> Iterator[World]:
    """An entry for each step, left there by a Bailey that was killed."""
    entries = [Entry(f"{word}{line}", "2", static=line % 2 == 0) for word, line in STEPS]
    world = OneRedis(fresh_folder("steps"), entries, max_interval=2)
    world.server.start()
    world._lent = True
    try:
        world.allow()
        with world.running():
            for entry, (word, line) in zip(entries, STEPS):
                if word == "rollback":
                    assert run(world, "cutover", entry).returncode == 0
                ended = run(world, word, entry, die_at=line)
                assert ended.returncode == -9, (word, line, ended.stderr)
            yield world
    finally:
        world.server.stop()
    shutil.rmtree(world.folder, ignore_errors=True)


def run(world: World, word: str, entry: Entry, die_at: int | None = None) -> subprocess.CompletedProcess[str]:
    override = OVERRIDE if word == "cutover" else ("--recreate",)
    return world.bailey(word, entry.pipeline, "--execute", "--json", *override, die_at=die_at)


def fires(world: World, entry: Entry) -> int:
    meta = world.server.client(decode_responses=True).hget(f"redbeat:{entry.name}", "meta")
    return int(json.loads(meta or "{}").get("total_run_count", 0))


def legacy_runs_all(world: World) -> None:
    """Each is given back by the next command, and beat runs it."""
    for entry in world.entries:
        ended = run(world, "rollback", entry)
        assert ended.returncode == 0, (entry.name, ended.stdout, ended.stderr)
        assert world.owner(entry) in ("legacy", "None")
    before = {entry.name: fires(world, entry) for entry in world.entries}

    def all_fired() -> bool:
        world.revive_beats()
        return all(fires(world, entry) > before[entry.name] for entry in world.entries)

    wait_until("beat fires every entry", all_fired, 60)


def keys(world: World) -> dict[bytes, Any]:
    """What Bailey writes, but for the marks of gates; what beat writes of itself is left out."""
    client = world.server.client()
    return {
        key: client.hget(key, "definition") if key.startswith(b"redbeat:") else client.hgetall(key)
        for key in client.scan_iter(count=1000)
        if key.startswith((b"redbeat:cutover", b"redbeat:rollback", b"bailey:"))
    }


def test_a_purge_of_the_queue_touches_no_switch(world: World) -> None:
    before = keys(world)
    words = [world.python, "-m", "celery", "-A", "legacy_app", "purge", "-f"]
    subprocess.run(words, cwd=world.folder, env=world.environment, check=True, capture_output=True, timeout=60)
    assert keys(world) == before
    legacy_runs_all(world)


def test_a_flushed_database_is_completed_from_the_journal(world: World) -> None:
    owners = {entry.name: world.owner(entry) for entry in world.entries}
    assert set(owners.values()) == {"None", "closing", "airflow", "legacy"}
    world.server.client().flushdb()
    world.allow()
    gone = [entry for entry in world.entries if owners[entry.name] in ("closing", "airflow")]
    for entry in gone:
        ended = world.bailey("status", entry.pipeline, "--json")
        assert ended.returncode == 1 and "gone" in ended.stdout, (entry.name, owners[entry.name], ended.stdout)
    ended = world.bailey("watch", "--once", "--json")
    lost = {one["pipeline"] for one in json.loads(ended.stdout)["events"] if one["event"] == "lost"}
    assert lost >= {entry.pipeline for entry in gone}
    # What was legacy's went with the application's own keys: it saves them again.
    for entry in world.entries:
        if entry not in gone and not entry.static:
            world.application(f"entry({entry.name!r}, '2').save()")
    # Its static ones a start of beat writes.
    while world.beats:
        world.kill_beat(0, hard=True)
    world.revive_beats()
    legacy_runs_all(world)


@pytest.mark.parametrize("right", ["hset", "hdel", "zadd", "evalsha"])
def test_a_right_that_is_lost_leaves_a_state_that_the_next_command_completes(world: OneRedis, right: str) -> None:
    before = keys(world)
    owners = {entry.name: world.owner(entry) for entry in world.entries}
    world.allow(f"-{right}")
    for entry in world.entries:
        if owners[entry.name] in ("closing", "airflow"):
            ended = run(world, "rollback", entry)
            assert ended.returncode == 3, (entry.name, owners[entry.name], ended.stdout, ended.stderr)
            assert right.upper() in (ended.stdout + ended.stderr).upper()
    assert keys(world) == before, "nothing was changed"
    world.allow()
    legacy_runs_all(world)
