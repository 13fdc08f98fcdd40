"""Switches that are lost or forgotten, installations that nobody named, gates that ask elsewhere, applications that save: each is said by
`status`, `doctor`, `watch` and `rollback`, and mended by the next command."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import pytest
from desk import OVERRIDE, Desk

from bailey_runtime.gate import Gate
from bailey_runtime.switch import Group
from testing.entry import Entry
from testing.server import wait_until


@pytest.fixture(autouse=True)
def plain(desk: Desk) -> None:
    """No policy but a test's own."""
    desk.settle()


def keys(entry: Entry) -> tuple[str, str]:
    return f"bailey:switch:{{redbeat:{entry.name}}}", f"bailey:claims:{{redbeat:{entry.name}}}"


def ask(desk: Desk, entry: Entry, installation: str, ahead: float = 0.0) -> str:
    """What a gate of an installation of Airflow is told."""
    gate = Gate(desk.world.server.client(), Group((entry.name,)), installation=installation)
    tick = round((time.time() + ahead) * 1_000_000)
    return gate.ask(tick, f"{entry.pipeline}/at-{tick}").how


def fires_again(desk: Desk, entry: Entry) -> None:
    before = desk.fires(entry)
    wait_until(f"beat fires {entry.name} again", lambda: desk.fires(entry) > before, 30)


def alarms(desk: Desk, entry: Entry, event: str) -> list[Any]:
    return [one for one in desk.watch() if one["event"] == event and one["pipeline"] == entry.pipeline]


@pytest.mark.parametrize("kind", ["deleted", "switch only", "renamed", "restored without"])
def test_a_lost_switch_is_said_by_all_and_rollback_starts_the_clock_again(desk: Desk, kind: str) -> None:
    entry = desk.entry()
    desk.cut_over(entry)
    last = desk.claim(entry, "r1", ahead=1.5)
    switch, claims = keys(entry)
    if kind == "renamed":
        desk.redis.rename(switch, "elsewhere")
        desk.redis.delete(claims)
    elif kind == "restored without":
        desk.redis.hset(switch, "state", "legacy")
    else:
        desk.redis.delete(switch, *([claims] if kind == "deleted" else []))
    status = desk.run("status", entry.pipeline, status=1)["pipelines"][0]
    assert status["stage"] == "unknown" and status["waits_for"].startswith(f"bailey rollback {entry.pipeline}")
    assert any("nobody runs it" in one for one in status["unknown"])
    checks = desk.run("doctor", status=3)["checks"]
    assert any(not one["ok"] and entry.name in one["detail"] for one in checks)
    (alarm,) = alarms(desk, entry, "lost")
    assert alarm["level"] == "urgent" and entry.name in alarm["text"]
    planned = desk.run("rollback", entry.pipeline)["pipelines"][0]
    assert planned["outcome"] is None and "nobody runs" in " ".join(planned["notes"])
    done = desk.run("rollback", entry.pipeline, "--execute")["pipelines"][0]
    assert done["outcome"] == "restored"
    origin = "its switch" if kind == "restored without" else "the journal"
    assert f"restored from {origin}" in " ".join(done["notes"])
    definition = json.loads(desk.redis.hget(f"redbeat:{entry.name}", "definition"))
    assert definition["enabled"] is True
    if kind == "switch only":
        assert "the last tick that a run claimed" in " ".join(done["notes"])
        meta = json.loads(desk.redis.hget(f"redbeat:{entry.name}", "meta"))
        assert meta["last_run_at"]["microsecond"] == last % 1_000_000
    fires_again(desk, entry)
    assert desk.run("rollback", entry.pipeline, "--execute")["pipelines"][0]["outcome"] == "nothing"
    # And it can be cut over again.
    desk.cut_over(entry)
    desk.run("rollback", entry.pipeline, "--execute")


def test_without_a_journal_the_inventorys_bytes_are_restored(desk: Desk) -> None:
    entry = desk.entry()
    desk.cut_over(entry)
    desk.redis.delete(*keys(entry))
    state = desk.world.folder / ".bailey"
    away = desk.world.folder / "state-of-before"
    state.rename(away)
    try:
        desk.run("import")
        # The inventory shows the parked clock; whoever imports sees that nobody runs it.
        done = desk.run("rollback", entry.pipeline, "--execute")["pipelines"][0]
        assert done["outcome"] == "restored" and "restored from the inventory" in " ".join(done["notes"])
    finally:
        for file in state.iterdir():
            file.unlink()
        state.rmdir()
        away.rename(state)
    assert json.loads(desk.redis.hget(f"redbeat:{entry.name}", "definition"))["enabled"] is True
    fires_again(desk, entry)


def test_an_application_that_saves_the_closed_entry_does_not_leave_it_disabled(desk: Desk) -> None:
    entry = desk.entry()
    desk.cut_over(entry)
    key = f"redbeat:{entry.name}"
    desk.world.application(
        "from redbeat.schedulers import RedBeatSchedulerEntry as E\n"
        f"e = E.from_key({key!r}, app=app)\nassert e.enabled is False\ne.options['priority'] = 3\ne.save()"
    )
    events = desk.watch() + desk.watch()
    (alarm,) = [one for one in events if one["event"] == "redefined" and one["pipeline"] == entry.pipeline]
    assert "options" in alarm["text"] and entry.name in alarm["text"]
    assert any("options" in one for one in desk.status(entry)["unknown"])
    done = desk.run("rollback", entry.pipeline, "--execute")["pipelines"][0]
    assert done["outcome"] == "done" and "keeps the definition" in " ".join(done["notes"])
    stored = json.loads(desk.redis.hget(key, "definition"))
    assert stored["enabled"] is True and stored["options"]["priority"] == 3
    fires_again(desk, entry)


def test_another_installation_is_told_nothing_and_is_named(desk: Desk) -> None:
    entry = desk.entry()
    # Both have the DAG: cutover does not choose.
    assert ask(desk, entry, "blue") == ask(desk, entry, "green") == "no-switch"
    refused = desk.run("cutover", entry.pipeline, "--execute", *OVERRIDE, status=1)["pipelines"][0]
    assert refused["refusal"]["reason"] == "installations" and "green" in refused["refusal"]["found"]
    unknown = desk.run("cutover", entry.pipeline, "--execute", *OVERRIDE, "--installation", "red", status=1)
    assert unknown["pipelines"][0]["refusal"]["reason"] == "installations"
    desk.cut_over(entry, "--installation", "blue")
    assert ask(desk, entry, "green", 2) == "other-installation"
    assert ask(desk, entry, "blue", 2) == "live"
    assert any("“green”" in one for one in desk.status(entry)["unknown"])
    (alarm,) = alarms(desk, entry, "other-installation")
    assert "green" in alarm["text"]
    desk.run("rollback", entry.pipeline, "--execute")


def test_a_tick_that_no_gate_asks_for_is_an_alarm(desk: Desk) -> None:
    entry = desk.entry()
    desk.cut_over(entry)
    alarm = desk.watch_until(entry, "unasked")
    assert alarm["level"] == "urgent" and "nobody runs it" in alarm["text"]
    assert any("nobody runs it" in one for one in desk.status(entry)["unknown"])
    # Gates that ask end it.
    assert ask(desk, entry, "blue", 1) == "live"
    assert not any("nobody runs it" in one for one in desk.status(entry)["unknown"])
    desk.run("rollback", entry.pipeline, "--execute")


def test_a_run_of_legacys_while_airflow_owns_is_an_alarm_and_gives_back_if_the_policy_says_so(desk: Desk) -> None:
    entry = desk.entry()
    desk.cut_over(entry)

    def ran(sent_by_airflow: bool = False) -> None:
        # As a worker writes it with result_extended.
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 0.5)) + ".500000+00:00"
        id = str(uuid.uuid4())
        record = {"status": "SUCCESS", "result": None, "task_id": id, "name": "legacy.run", "args": [entry.name]}
        desk.redis.set(f"celery-task-meta-{id}", json.dumps({**record, "kwargs": {}, "date_done": at}))
        if sent_by_airflow:
            desk.redis.set(f"bailey:sent:{id}", "1")

    time.sleep(1)
    ran(sent_by_airflow=True)
    ran(sent_by_airflow=True)
    ran()
    # One may be the last that legacy had fired before; more are not.
    assert alarms(desk, entry, "legacy-ran") == []
    ran()
    (alarm,) = alarms(desk, entry, "legacy-ran")
    assert alarm["level"] == "urgent" and "may be done twice" in alarm["text"]
    assert any("Legacy ran" in one for one in desk.status(entry)["unknown"])
    assert desk.world.owner(entry) == "airflow"
    desk.settle(policy={"rollback": {"legacy_runs": True}})
    assert alarms(desk, entry, "rolled-back")
    assert desk.world.owner(entry) == "legacy"


def test_a_redis_that_forgot_a_rollback_is_told_by_watch_and_by_the_next_command(desk: Desk) -> None:
    for mend in ("watch", "cutover", "rollback"):
        entry = desk.entry()
        desk.cut_over(entry)
        switch, claims = keys(entry)
        own = f"redbeat:{entry.name}"
        before = {key: desk.world.server.client().dump(key) for key in (switch, own)}
        desk.run("rollback", entry.pipeline, "--execute")
        raw = desk.world.server.client()
        for key, stored in before.items():
            raw.restore(key, 0, stored, replace=True)
        assert desk.world.owner(entry) == "airflow"
        assert any("forgotten a rollback" in one for one in desk.status(entry)["unknown"])
        if mend == "watch":
            assert alarms(desk, entry, "forgotten")
            assert desk.world.owner(entry) == "legacy"
        elif mend == "rollback":
            assert desk.run("rollback", entry.pipeline, "--execute")["pipelines"][0]["outcome"] == "done"
        else:
            assert desk.run("cutover", entry.pipeline, "--execute", *OVERRIDE)["pipelines"][0]["outcome"] == "done"
            desk.run("rollback", entry.pipeline, "--execute")
        assert not any("forgotten" in one for one in desk.status(entry)["unknown"])
        fires_again(desk, entry)


def test_a_redis_that_forgot_a_cutover_is_told_and_legacy_owns(desk: Desk) -> None:
    entry = desk.entry()
    raw = desk.world.server.client()
    own = f"redbeat:{entry.name}"
    before, score = raw.dump(own), raw.zscore("redbeat::schedule", own)
    desk.cut_over(entry)
    raw.restore(own, 0, before, replace=True)
    raw.zadd("redbeat::schedule", {own: score})
    raw.delete(*keys(entry))
    assert any("forgotten a cutover" in one for one in desk.status(entry)["unknown"])
    (alarm,) = alarms(desk, entry, "forgotten")
    assert alarm["level"] == "urgent"
    assert not any("forgotten" in one for one in desk.status(entry)["unknown"])
    fires_again(desk, entry)


def test_a_flushed_redis_is_completed_from_the_journal(desk: Desk) -> None:
    entry, other = desk.entry(), desk.entry()
    desk.cut_over(entry)
    # What is left of a database that was flushed: nothing of this entry. The others stay for the other tests.
    desk.redis.delete(*keys(entry), f"redbeat:{entry.name}")
    desk.redis.zrem("redbeat::schedule", f"redbeat:{entry.name}")
    assert any("gone" in one for one in desk.run("status", entry.pipeline, status=1)["pipelines"][0]["unknown"])
    assert alarms(desk, entry, "lost")
    done = desk.run("rollback", entry.pipeline, "--execute")["pipelines"][0]
    assert done["outcome"] == "restored"
    fires_again(desk, entry)
    assert desk.world.owner(other) == "None"


def test_a_durability_that_forgets_is_refused_unless_a_person_overrides_it(desk: Desk) -> None:
    entry = desk.entry()
    desk.redis.config_set("appendonly", "no")
    try:
        document = desk.run("cutover", entry.pipeline, status=1)
        (line,) = [one for one in document["policies"][0]["lines"] if one["rule"] == "durable"]
        assert line["verdict"] == "fail" and "appendonly" in line["evidence"]
        checks = {one["name"]: one for one in desk.run("doctor", status=3)["checks"]}
        assert not checks["scheduler durability"]["ok"]
        desk.cut_over(entry)
    finally:
        desk.redis.config_set("appendonly", "yes")
    desk.run("rollback", entry.pipeline, "--execute")


def test_keys_of_redbeat_that_another_scheduler_fires_are_not_taken_over(desk: Desk) -> None:
    entry = desk.entry()
    world = desk.world
    wanted, world.wanted_beats = world.wanted_beats, 0
    try:
        while world.beats:
            world.kill_beat(0, hard=False)
        # The application saves an entry as new: RedBeat's key is there, and no beat of RedBeat's runs.
        world.application(f"e = entry({entry.name!r}, '3600')\ne.delete()\ne.save()")
        desk.run("import")
        document = desk.run("cutover", entry.pipeline, "--execute", *OVERRIDE, status=1)
        assert document["pipelines"][0]["refusal"]["reason"] == "not-driven"
        assert not desk.redis.exists(keys(entry)[0])
        # A lock that a dead beat left says nothing either: it is not extended, and then it expires.
        desk.redis.set("redbeat::lock", "dead", px=4000)
        document = desk.run("cutover", entry.pipeline, "--execute", *OVERRIDE, status=1)
        assert document["pipelines"][0]["refusal"]["reason"] in ("not-driven", "stalled")
        stored = json.loads(desk.redis.hget(f"redbeat:{entry.name}", "definition"))
        assert stored["enabled"] is True and world.owner(entry) == "legacy"
    finally:
        world.wanted_beats = wanted
        world.application(f"e = entry({entry.name!r}, {entry.every!r})\ne.delete()\ne.save()")
        world.revive_beats()
        desk.run("import")
