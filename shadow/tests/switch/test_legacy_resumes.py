"""What a real beat does with an entry that it is given back."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from typing import Any

import pytest
from moving import OVERRIDE

from testing.entry import Entry
from testing.server import wait_until
from testing.world import World, fresh_folder

DAY = 86_400_000_000


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    entries = [
        Entry("overdue", "6", static=True),
        Entry("ninedays", "3600", static=True),
        Entry("lost", "3600", static=False),
        Entry("again", "3600", static=False),
        Entry("pair1", "3600", static=True),
        Entry("pair2", "3600", static=False),
    ]
    folder = fresh_folder("resumes")
    world = World(folder, entries)
    # One pipeline of two entries: the second is absorbed.
    with world.running():
        (folder / "mappings" / "pair2.yaml").unlink()
        (folder / "mappings" / "pair1.yaml").write_text(
            "pipeline: p-pair\nclock: scheduler/pair1\nabsorbs: [scheduler/pair2]\n"
            "tasks:\n  run:\n    entry: scheduler/pair1\n",
            encoding="utf-8",
        )
        yield world
    shutil.rmtree(folder, ignore_errors=True)


def done(world: World, *words: str, status: int = 0) -> dict[str, Any]:
    if words[0] == "cutover":
        words = (*words, *OVERRIDE)
    ended = world.bailey(*words, "--json")
    assert ended.returncode == status, ended.stdout + ended.stderr
    document: dict[str, Any] = json.loads(ended.stdout) if ended.stdout else {}
    return document


def runs(world: World, name: str) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in world.records.lrange("runs", 0, -1)]
    return [record for record in records if record["entry"] == name]


def switch(name: str) -> str:
    return "bailey:switch:{redbeat:" + name + "}"


def claim(world: World, name: str, tick: float, policy: str = "coalesce") -> str:
    from bailey_runtime.gate import Gate, Group

    gate = Gate(world.server.client(), Group((name,), world.prefix), policy)
    return gate.wait(round(tick * 1_000_000), f"p-{name}/{tick}", 10).mode


def test_an_overdue_tick_that_nobody_claimed_is_run_once(world: World) -> None:
    done(world, "cutover", "p-overdue", "--execute")
    before = len(runs(world, "overdue"))
    # Two ticks pass whose runs never ask.
    time.sleep(13)
    assert len(runs(world, "overdue")) == before
    done(world, "rollback", "p-overdue", "--execute")
    wait_until("beat has run it", lambda: len(runs(world, "overdue")) > before, 5)
    time.sleep(3)
    assert len(runs(world, "overdue")) == before + 1


def test_after_nine_days_in_airflow_beat_does_not_fire_at_once(world: World) -> None:
    done(world, "cutover", "p-ninedays", "--execute")
    client = world.server.client(decode_responses=True)
    # As if it had been moved nine days ago, with a claim each hour since; the last one ten seconds old.
    now = round(time.time() * 1_000_000)
    then = now - 9 * DAY
    client.hset(
        switch("ninedays"),
        mapping={"windows": json.dumps([[str(then), None]]), "last_legacy": str(then - 1), "settled_at": str(then)},
    )
    for hours in range(9 * 24, 0, -1):
        assert claim(world, "ninedays", (now - hours * DAY // 24) / 1_000_000, "every") == "live"
    assert claim(world, "ninedays", (now - 10_000_000) / 1_000_000, "every") == "live"
    before = len(runs(world, "ninedays"))
    report = done(world, "rollback", "p-ninedays", "--execute")
    time.sleep(5)
    assert len(runs(world, "ninedays")) == before
    due = report["pipelines"][0]["entries"][0]["next_due"]
    assert due[:16] == time.strftime("%Y-%m-%dT%H:%M", time.gmtime(now / 1_000_000 - 10 + 3600))


def test_rollback_with_the_state_lost_or_broken_and_without_mappings(world: World) -> None:
    done(world, "cutover", "p-lost", "--execute")
    state = world.folder / ".bailey"
    shutil.move(state, world.folder / "kept-state")
    shutil.move(world.folder / "mappings", world.folder / "kept-mappings")
    try:
        document = done(world, "rollback", "p-lost", "--execute")
        assert document["pipelines"][0]["outcome"] == "done"
        shutil.rmtree(state, ignore_errors=True)
        state.mkdir()
        (state / "state.sqlite").write_bytes(b"this is no database" * 100)
        ended = world.bailey("rollback", "p-lost", "--execute")
        assert ended.returncode == 0 and "Going on without it" in ended.stderr, ended.stderr
    finally:
        shutil.rmtree(state)
        shutil.move(world.folder / "kept-state", state)
        shutil.move(world.folder / "kept-mappings", world.folder / "mappings")


def test_a_second_operator_is_told_and_a_dead_one_does_not_hold_it(world: World) -> None:
    import subprocess

    from testing.world import BAILEY

    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 120))
    first = subprocess.Popen(
        [str(BAILEY), "cutover", "p-again", "--execute", "--at", later, *OVERRIDE],
        cwd=world.folder,
        stdout=subprocess.DEVNULL,
        stderr=(world.folder / "first.log").open("wb"),
    )
    try:
        wait_until("it waits", lambda: "waiting for" in (world.folder / "first.log").read_text(), 20)
        document = done(world, "rollback", "p-again", "--execute")
        assert document["pipelines"][0]["outcome"] == "nothing"
        document = done(world, "cutover", "p-again", "--execute", status=1)
        refusal = document["pipelines"][0]["refusal"]
        assert refusal["reason"] == "at-work" and f"process {first.pid}" in refusal["found"]
    finally:
        first.kill()
        first.wait()
    ended = world.bailey("cutover", "p-again", "--execute", *OVERRIDE)
    assert ended.returncode == 0, ended.stderr
    assert "is dead" in ended.stderr
    done(world, "rollback", "p-again", "--execute")


def test_a_pipeline_of_two_entries_moves_as_one(world: World) -> None:
    client = world.server.client(decode_responses=True)
    before = [client.hgetall(f"redbeat:pair{number}") for number in (1, 2)]
    document = done(world, "cutover", "p-pair", "--execute")
    assert [entry["drives"] for entry in document["pipelines"][0]["entries"]] == [True, False]
    assert [client.hget(switch(f"pair{number}"), "role") for number in (1, 2)] == ["driver", "absorbed"]
    assert all('"year": 2100' in client.hget(f"redbeat:pair{number}", "meta") for number in (1, 2))
    done(world, "rollback", "p-pair", "--execute")
    assert [client.hgetall(f"redbeat:pair{number}") for number in (1, 2)] == before


def test_all_or_none_gives_back_what_was_taken(world: World) -> None:
    client = world.server.client(decode_responses=True)
    definition = client.hget("redbeat:again", "definition")
    last = client.hget("redbeat:again", "meta")
    # Of two pipelines the second cannot be moved: its entry is due, and disabled entries do not fire.
    client.hset("redbeat:again", "meta", last.replace('"year": 20', '"year": 19'))
    client.zadd("redbeat::schedule", {"redbeat:again": 4102444800})
    words = ["cutover", "p-lost", "p-again", "--execute", "--all-or-none", "--patience", "1"]
    document = done(world, *words, status=1)
    assert [report["outcome"] for report in document["pipelines"]] == ["given-back", "refused"]
    assert client.hget(switch("lost"), "state") == "legacy"
    client.hset("redbeat:again", mapping={"definition": definition, "meta": last})
    client.zadd("redbeat::schedule", {"redbeat:again": int(time.time()) + 3600})


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("cutover", "nothing"), 2, "there is no pipeline"),
        (("cutover", "p-lost", "p-lost"), 2, "named twice"),
        (("cutover", "p-lost", "--at", "02:00"), 2, "is no instant"),
        (("cutover", "p-lost", "--at", "2020-01-01T00:00:00Z"), 2, "has passed"),
        (("cutover", "p-lost", "--ticks", "0"), 2, "1 or more"),
    ],
)
def test_bad_input_is_refused(world: World, words: tuple[str, ...], status: int, said: str) -> None:
    ended = world.bailey(*words, "--execute")
    assert ended.returncode == status and said in ended.stderr, ended.stderr


def test_an_entry_changed_since_the_import_is_refused(world: World) -> None:
    client = world.server.client(decode_responses=True)
    definition = client.hget("redbeat:lost", "definition")
    client.hset("redbeat:lost", "definition", definition.replace("[", "[ "))
    try:
        document = done(world, "cutover", "p-lost", status=1)
        check = document["pipelines"][0]["checks"][-1]
        assert not check["holds"] and "bailey import" in check["advice"]
        assert done(world, "cutover", "p-lost", "--execute", status=1)["pipelines"][0]["refusal"]["reason"] == "changed"
    finally:
        client.hset("redbeat:lost", "definition", definition)
