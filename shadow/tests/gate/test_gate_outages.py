"""A Redis that is away, restarted, full, a replica, or takes a right away: no answer is guessed."""

from __future__ import annotations

import time

import pytest
import redis
from gates import SECOND, Clock, gate
from legacy_redis import Server

from bailey_runtime import switch_steps
from bailey_runtime.gate import Gate


@pytest.mark.parametrize("command", ["hset", "hdel", "zadd", "evalsha"])
def test_a_right_that_is_lost_half_way_changes_nothing_and_is_no_answer(legacy, command):
    it = legacy("one", "two")
    it.close()
    it.extend_lock()
    it.client.execute_command("ACL", "SETUSER", "bailey", "on", ">secret", "~*", "&*", "+@all", f"-{command}")
    client = redis.Redis(port=it.server.port, username="bailey", password="secret")
    before = {key: it.client.dump(key) for key in sorted(it.client.keys("*"))}
    answer = Gate(client, it.group).ask(it.now, "d/a")
    assert (answer.mode, answer.how) == ("wait", "away")
    after = {key: it.client.dump(key) for key in sorted(it.client.keys("*"))}
    changed = {key for key in after if before.get(key) != after[key]}
    assert changed <= {b"bailey:claims:{redbeat:one}"}, "only the mark that it was asked"
    it.client.execute_command("ACL", "SETUSER", "bailey", f"+{command}")
    assert Gate(client, it.group).ask(it.now, "d/a").mode == "live"


def test_a_restart_forgets_the_scripts_and_keeps_the_claims(legacy, server):
    it = legacy()
    it.cut_over()
    assert gate(it).ask(it.now, "d/a").mode == "live"
    server.stop()
    away = gate(it).ask(it.now + SECOND, "d/b")
    assert (away.mode, away.how) == ("wait", "away")
    clock = Clock(lambda slept: server.start() if slept == 2 else None)
    answer = gate(it, clock=clock, sleep=clock.sleep).wait(it.now, "d/b", 60)
    assert (answer.mode, answer.how) == ("skip", "claimed")
    it.client.script_flush()
    assert gate(it).ask(it.now + SECOND, "d/c").mode == "live"


def test_a_durable_gate_looks_again_before_it_answers_live(legacy):
    it = legacy()
    it.cut_over()

    def lose_the_claim(slept: int) -> None:
        # As a Redis that comes back without its last second.
        if slept == 1:
            it.client.hdel("bailey:claims:{redbeat:one}", str(it.now))
            it.client.hdel("bailey:switch:{redbeat:one}", "last_claim", "last_live_at")

    clock = Clock(lose_the_claim)
    answer = gate(it, durable=1, clock=clock, sleep=clock.sleep).wait(it.now, "d/a", 10)
    assert (answer.mode, answer.again) == ("live", True)
    assert clock.slept == [1, 1]
    assert it.claims()[it.now]["run"] == "d/a"


def test_a_durable_gate_looks_again_before_it_says_that_legacy_has_the_tick(legacy):
    it = legacy()
    fence = it.cut_over()
    keys = ["redbeat:one", "bailey:switch:{redbeat:one}"]
    before = {key: it.client.dump(key) for key in keys}
    assert it.switch.call("give_back", *switch_steps.give_back(it.switch.status(), fence, "UTC"))[0] == "ok"

    def lose_the_giving_back(slept: int) -> None:
        if slept == 1:
            for key, stored in before.items():
                it.client.restore(key, 0, stored, replace=True)

    clock = Clock(lose_the_giving_back)
    answer = gate(it, durable=1, clock=clock, sleep=clock.sleep).wait(it.now, "d/a", 10)
    assert (answer.mode, answer.again) == ("live", True)
    clock = Clock(lambda slept: None)
    it.switch.call("give_back", *switch_steps.give_back(it.switch.status(), "", "UTC"))
    answer = gate(it, durable=1, clock=clock, sleep=clock.sleep).wait(it.time(), "d/b", 10)
    assert (answer.mode, answer.how) == ("shadow", "not-ours")
    assert clock.slept == [1]


def test_a_durable_gate_looks_again_before_it_leaves_a_tick_to_legacy_without_a_switch(legacy):
    it = legacy()
    # What a Redis that comes back without its last second has forgotten is written once more: closing has to see it.
    clock = Clock(lambda slept: it.client.delete("bailey:claims:{redbeat:one}"))
    answer = gate(it, durable=1, clock=clock, sleep=clock.sleep).wait(it.now, "d/a", 10)
    assert (answer.mode, answer.how) == ("shadow", "no-switch")
    assert clock.slept == [1]
    assert it.client.hget("bailey:claims:{redbeat:one}", "shadowed") == str(it.now).encode()


def test_a_replica_gives_no_answer(legacy, server):
    it = legacy()
    it.cut_over()
    replica = Server("--replicaof", "127.0.0.1", str(server.port))
    try:
        client = replica.client()
        ends = time.monotonic() + 20
        while not client.exists("bailey:switch:{redbeat:one}"):
            assert time.monotonic() < ends, "the replica did not catch up"
            time.sleep(0.05)
        answer = Gate(client, it.group).ask(it.now, "d/a")
        assert (answer.mode, answer.how) == ("wait", "away")
        assert "ReadOnly" in answer.note
        assert it.claims() == {}
    finally:
        replica.stop()
        replica.folder.cleanup()


def test_a_full_redis_gives_no_answer(legacy):
    it = legacy()
    it.cut_over()
    it.client.config_set("maxmemory", "1mb")
    try:
        assert gate(it).ask(it.now, "d/a").how == "away"
    finally:
        it.client.config_set("maxmemory", "0")
    assert gate(it).ask(it.now, "d/a").mode == "live"
