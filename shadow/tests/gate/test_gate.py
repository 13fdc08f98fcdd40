"""The gate against a real Redis: each answer that the switch can give, and each way in which Redis can be away."""

from __future__ import annotations

import json
import time

import pytest
import redis
from legacy_redis import Legacy, Server

from bailey_runtime import redbeat_bytes, switch_steps
from bailey_runtime.gate import Gate, SwitchError

SECOND = 1_000_000


class Clock:
    """Time that passes only while somebody sleeps; `while_asleep` is what happens meanwhile."""

    def __init__(self, while_asleep=lambda slept: None) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self.while_asleep = while_asleep

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)
        self.while_asleep(len(self.slept))


def gate(legacy: Legacy, policy="coalesce", **options) -> Gate:
    return Gate(legacy.client, legacy.group, policy, **options)


def test_without_a_switch_every_tick_is_legacys(legacy):
    it = legacy()
    answer = gate(it).ask(it.now, "d/r")
    assert (answer.mode, answer.how) == ("shadow", "no-switch")
    assert it.client.hget("bailey:claims:{redbeat:one}", "shadowed") == str(it.now).encode()


def test_a_tick_of_the_window_is_claimed_once(legacy):
    it = legacy("one", "two")
    it.cut_over()
    first, again, other = (gate(it).ask(it.now, run) for run in ("d/a", "d/a", "d/b"))
    assert (first.mode, first.how, first.again) == ("live", "live", False)
    assert (again.mode, again.again) == ("live", True)
    assert (other.mode, other.how) == ("skip", "claimed")
    assert "d/a" in other.note
    assert it.claims(0)[it.now]["run"] == it.claims(1)[it.now]["run"] == "d/a"


def test_a_tick_before_the_window_is_legacys(legacy):
    it = legacy()
    it.cut_over()
    answer = gate(it).ask(it.now - 10 * SECOND, "d/a")
    assert (answer.mode, answer.how) == ("shadow", "not-ours")


def test_closing_waits_and_is_settled_by_the_gate_once_the_fence_has_passed(legacy):
    it = legacy("one", "two")
    it.close()
    clock = Clock(lambda slept: it.extend_lock() if slept == 3 else None)
    waiting = gate(it).ask(it.now, "d/a")
    assert (waiting.mode, waiting.how) == ("wait", "closing")
    answer = gate(it, clock=clock, sleep=clock.sleep).wait(it.now, "d/a", 60)
    assert answer.mode == "live"
    assert len(clock.slept) == 3
    assert it.state(0) == it.state(1) == "airflow"
    assert redbeat_bytes.last_run(it.meta(0)) == redbeat_bytes.PARKED_AT
    assert it.client.zscore("redbeat::schedule", it.keys[1]) == 4102444800


def test_a_fire_between_close_and_fence_keeps_its_tick(legacy):
    it = legacy()
    it.close()
    it.fire(it.keys[0], it.now)
    it.release_lock()
    assert gate(it).ask(it.now, "d/a").mode == "shadow"
    assert gate(it).ask(it.now + 5 * SECOND, "d/b").mode == "live"


def test_the_gate_gives_up_at_its_limit_and_says_so(legacy):
    it = legacy()
    it.close()
    clock = Clock()
    answer = gate(it, clock=clock, sleep=clock.sleep).wait(it.now, "d/a", 30)
    assert (answer.mode, answer.how) == ("wait", "closing")
    assert 28 < clock.now <= 30
    assert it.claims() == {}


def test_without_a_lock_the_longest_tick_is_waited_for_and_named(legacy):
    it = legacy()
    it.client.delete("redbeat::lock")
    it.close(longest=50 * SECOND)
    answer = gate(it).ask(it.now, "d/a")
    assert answer.how == "closing"
    assert 49 * SECOND < answer.retry_at - it.time() <= 50 * SECOND


def test_what_enables_the_entry_while_it_is_closing_is_undone(legacy):
    it = legacy()
    definition = it.client.hget(it.keys[0], "definition")
    it.close()
    it.client.hset(it.keys[0], "definition", definition)
    it.extend_lock()
    answer = gate(it).ask(it.now, "d/a")
    assert answer.how == "closing" and answer.alerts
    assert it.definition()["enabled"] is False
    it.release_lock()
    assert gate(it).ask(it.now, "d/a").mode == "live"


def test_fired_unevenly_while_closing_goes_back(legacy):
    it = legacy("one", "two")
    it.close()
    it.fire(it.keys[1], it.now)
    it.release_lock()
    answer = gate(it).ask(it.now, "d/a")
    assert (answer.mode, answer.how) == ("shadow", "not-ours")
    assert answer.alerts
    assert it.definition(0)["enabled"] is it.definition(1)["enabled"] is True


def test_deleted_while_closing_goes_back_and_stays_gone(legacy):
    it = legacy()
    it.close()
    it.client.delete(it.keys[0])
    it.release_lock()
    answer = gate(it).ask(it.now, "d/a")
    assert answer.mode == "shadow" and answer.alerts
    assert not it.client.exists(it.keys[0])
    assert it.state() == "legacy"


def test_redefined_while_closing_is_given_back_because_nobody_planned_it(legacy):
    it = legacy()
    it.close()
    it.client.hset(it.keys[0], "definition", '{"name": "one", "task": "other", "enabled": false}')
    it.extend_lock()
    answer = gate(it).ask(it.now, "d/a")
    assert (answer.mode, answer.how) == ("shadow", "not-ours") and answer.alerts
    # The application had loaded it while it was closed: `false` was Bailey's.
    assert it.definition() == {"name": "one", "task": "other", "enabled": True}
    assert it.state() == "legacy"


def test_what_the_application_saves_with_baileys_own_false_is_given_back_enabled(legacy):
    it = legacy()
    it.cut_over()
    it.client.hset(it.keys[0], "definition", '{"name": "one", "options": {"queue": "q"}, "enabled": false}')
    order = switch_steps.give_back(it.switch.status(), "", "UTC")
    assert it.switch.call("give_back", *order)[0] == "ok"
    assert it.definition() == {"name": "one", "options": {"queue": "q"}, "enabled": True}
    # The same after it was closed again, as a gate does that finds it.
    it.fire(it.keys[0], it.now - 10 * SECOND)
    it.cut_over()
    it.client.hset(it.keys[0], "definition", '{"name": "one", "options": {"queue": "r"}, "enabled": false}')
    fence = it.switch.status()[0].text("fence")
    assert it.switch.call("repark", *switch_steps.repark(it.switch.status(), fence))[:2] == ["ok", "tidied"]
    assert it.definition()["enabled"] is False
    it.switch.call("give_back", *switch_steps.give_back(it.switch.status(), "", "UTC"))
    assert it.definition() == {"name": "one", "options": {"queue": "r"}, "enabled": True}


def test_an_order_computed_from_another_definition_than_is_there_changes_nothing(legacy):
    it = legacy()
    it.cut_over()
    it.client.hset(it.keys[0], "definition", '{"name": "one", "args": [2], "enabled": false}')
    order = switch_steps.give_back(it.switch.status(), "", "UTC")
    it.client.hset(it.keys[0], "definition", '{"name": "one", "args": [3], "enabled": false}')
    assert it.switch.call("give_back", *order)[:3] == ["changed", "1", "definition"]
    assert it.state() == "airflow"


def test_another_installation_of_airflow_is_told_nothing_that_it_could_run(legacy):
    it = legacy()
    it.cut_over(installation="blue")
    blue, green = gate(it, installation="blue"), gate(it, installation="green")
    other = green.ask(it.now, "d/a")
    assert (other.mode, other.how) == ("shadow", "other-installation")
    assert it.claims() == {}
    assert blue.ask(it.now, "d/a").mode == "live"
    # The same id, of another installation's run.
    assert green.ask(it.now, "d/a").mode in ("skip", "shadow")
    assert [mark["by"] for mark in it.marks()] == ["blue", "green"]
    # A late gate of the other, when the window has ended.
    it.switch.call("give_back", *switch_steps.give_back(it.switch.status(), "", "UTC"))
    assert green.ask(it.now, "d/a").mode == "skip"
    assert green.ask(it.now - SECOND, "d/b").mode == "shadow"


def test_the_first_installation_that_claims_is_the_one_where_none_was_named(legacy):
    it = legacy()
    it.cut_over()
    assert gate(it, installation="blue").ask(it.now, "d/a").mode == "live"
    assert gate(it, installation="green").ask(it.now + SECOND, "d/b").how == "other-installation"


def test_each_question_leaves_a_mark_of_who_asked(legacy):
    it = legacy()
    gate(it, installation="blue").ask(it.now, "d/a")
    gate(it, installation="blue").ask(it.now - 5 * SECOND, "d/backfill")
    (mark,) = it.marks()
    assert (mark["run"], mark["by"], int(mark["tick"])) == ("d/a", "blue", it.now)
    assert 0 < it.client.pttl("bailey:claims:{redbeat:one}") <= 90 * 86_400_000
    # Names are anything; marks of installations that have not asked for 90 days go when a new one comes.
    old = json.dumps({"tick": "1", "run": "d/o", "at": str(it.now - 91 * 86_400 * SECOND), "by": "gone"})
    it.client.hset("bailey:claims:{redbeat:one}", "asked:gone", old)
    gate(it, installation='é "7"').ask(it.now, "d/b")
    assert [mark["by"] for mark in it.marks()] == ["blue", 'é "7"']


@pytest.mark.parametrize("skew", [-7200.0, -30.0, 30.0, 7200.0])
def test_punctual_ticks_are_not_missed_whatever_rediss_clock_says(legacy, skew):
    """Airflow's clock is off by `skew` from Redis's; far ahead it waits, since the ticks are in the future."""
    it = legacy()
    it.cut_over()
    hours = "none", "coalesce"
    if skew > 60:
        assert gate(it).ask(it.now + round(skew) * SECOND, "d/a").how == "future"
        return
    for number, policy in enumerate(hours):
        for step in range(4):
            tick = it.now + round(skew) * SECOND + (number * 4 + step) * SECOND + 8000 * SECOND * (skew < -60)
            clock = tick / SECOND + 0.1
            late = 0.5 if policy == "none" else None
            if tick > it.time() + 50 * SECOND:
                continue
            found = gate(it, policy, late_after=late, now=lambda at=clock: at).ask(tick, f"d/{policy}{step}")
            assert found.how in ("live", "not-ours"), (policy, step)


def test_an_old_tick_is_run_by_a_backfill_of_each(legacy):
    it = legacy()
    it.cut_over()
    fence = it.switch.status()[0].text("fence")
    # A window of a month, and claims of two days of an entry that is due each minute.
    switch = "bailey:switch:{redbeat:one}"
    it.client.hset(switch, "windows", f'[["{it.now - 30 * 86_400 * SECOND}",null]]')
    record = '{"run":"d/x","at":1,"how":"live","by":""}'
    it.client.hset(
        "bailey:claims:{redbeat:one}", mapping={str(it.now - at * 60 * SECOND): record for at in range(2880)}
    )
    old = it.now - 2881 * 60 * SECOND
    assert gate(it, "every").ask(old, "d/a").mode == "live"
    assert gate(it, "every").ask(old - 60 * SECOND, "d/b").mode == "live"
    assert fence == it.switch.status()[0].text("fence")


def test_without_a_sign_that_redbeat_drives_the_entry_it_is_given_back(legacy):
    it = legacy()
    it.client.delete("redbeat::lock")
    it.close(longest=0, proof="")
    answer = gate(it).ask(it.now, "d/a")
    assert (answer.mode, answer.how) == ("shadow", "not-ours") and answer.alerts
    assert it.state() == "legacy" and it.definition()["enabled"] is True
    # With beat's own fire, or a lock that goes on, it is settled.
    it.fire(it.keys[0], it.now)
    it.close(longest=0, proof="fired")
    assert gate(it).ask(it.now + SECOND, "d/b").mode == "live"


def test_a_lock_that_a_hand_deleted_does_not_end_the_fence(legacy):
    it = legacy()
    it.close(longest=60 * SECOND)
    it.client.delete("redbeat::lock")
    answer = gate(it).ask(it.now, "d/a")
    assert (answer.mode, answer.how) == ("wait", "closing")
    assert answer.retry_at > it.time() + 50 * SECOND
    # Nor does another beat that takes it.
    it.client.set("redbeat::lock", "beat-two", px=25_000)
    assert gate(it).ask(it.now, "d/a").how == "closing"


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


def test_unparked_is_parked_again_and_only_then_claimed(legacy):
    it = legacy("one", "two")
    it.cut_over()
    # The application re-creates its entry: enabled, with a meta of its own.
    it.client.hset(
        it.keys[0], mapping={"definition": '{"name": "one", "enabled": true}', "meta": '{"last_run_at": null}'}
    )
    answer = gate(it).ask(it.now, "d/a")
    assert (answer.mode, answer.how) == ("wait", "closing")
    assert answer.alerts
    assert it.claims() == {}
    it.client.pexpire("redbeat::lock", 90_000)
    assert gate(it).ask(it.now, "d/a").mode == "live"
    assert it.definition() == {"name": "one", "enabled": False}
    assert redbeat_bytes.last_run(it.meta()) == redbeat_bytes.PARKED_AT


def test_a_tick_that_legacy_fired_after_it_was_unparked_stays_legacys(legacy):
    it = legacy()
    it.cut_over()
    it.fire(it.keys[0], it.now)
    assert gate(it).ask(it.now, "d/a").how == "closing"
    it.release_lock()
    assert gate(it).ask(it.now, "d/a").mode == "shadow"
    assert gate(it).ask(it.now + 5 * SECOND, "d/b").mode == "live"


def test_an_entry_that_is_gone_cannot_fire_so_the_tick_is_live(legacy):
    it = legacy()
    it.cut_over()
    it.client.delete(it.keys[0])
    answer = gate(it).ask(it.now, "d/a")
    assert answer.mode == "live" and "gone" in answer.note


def test_the_last_tick_of_a_bounded_window_gives_the_clock_back(legacy):
    it = legacy("one", "two")
    before = [it.definition(place) for place in (0, 1)]
    it.cut_over(ticks="2")
    first = it.now - 5 * SECOND
    assert gate(it, "every").ask(first, "d/a").mode == "live"
    assert it.state() == "airflow"
    assert gate(it, "every").ask(it.now, "d/b").mode == "live"
    for place in (0, 1):
        assert it.state(place) == "legacy"
        assert it.definition(place) == before[place]
        assert redbeat_bytes.last_run(it.meta(place)) == it.now
        assert redbeat_bytes.has_fired(it.meta(place))
        assert abs(it.client.zscore("redbeat::schedule", it.keys[place]) - it.time() / SECOND) < 5
    assert gate(it).ask(it.now + 5 * SECOND, "d/c").how == "not-ours"
    # Still the run's own: it may ask again.
    assert gate(it).ask(it.now, "d/b").mode == "live"


def test_the_clock_is_given_back_in_the_zone_beat_wrote(legacy):
    it = legacy()
    it.client.hset(
        it.keys[0], "meta", redbeat_bytes.with_last_run(b'{"total_run_count": 1}', it.now - 9 * SECOND, "Asia/Kolkata")
    )
    it.cut_over(ticks="1")
    assert gate(it).ask(it.now, "d/a").mode == "live"
    assert redbeat_bytes.zone_of(it.meta()) == "Asia/Kolkata"
    assert redbeat_bytes.last_run(it.meta()) == it.now


def test_a_window_until_a_time_ends_with_the_first_tick_after_it(legacy):
    it = legacy()
    it.cut_over(until=str(it.now + 1))
    assert gate(it).ask(it.now, "d/a").mode == "live"
    answer = gate(it).ask(it.now + 5 * SECOND, "d/b")
    assert answer.mode == "shadow"
    assert it.state() == "legacy"
    assert redbeat_bytes.last_run(it.meta()) == it.now


def test_missed_ticks(legacy):
    # The last of them was asked for in time.
    ticks = [-8, -5, -2, 0]
    expected = {
        "coalesce": ["live", "coalesced", "coalesced", "live"],
        "every": ["live"] * 4,
        "none": ["dropped", "dropped", "live", "live"],
    }
    for policy, answers in expected.items():
        it = legacy()
        it.cut_over()
        asked = gate(it, policy, late_after=4 if policy == "none" else None)
        assert [asked.ask(it.now + tick * SECOND, f"d/{tick}").how for tick in ticks] == answers
        assert [it.claims()[it.now + tick * SECOND]["how"] for tick in ticks] == answers


def test_a_tick_that_only_waited_for_the_switch_was_not_missed(legacy):
    it = legacy()
    it.cut_over()
    asked = gate(it, "none", late_after=2)
    began = it.now - 7 * SECOND
    assert asked.ask(it.now - 8 * SECOND, "d/a", since=began).how == "live"
    assert asked.ask(it.now - 6 * SECOND, "d/b").how == "dropped"


def test_a_tick_of_the_future_is_not_claimed(legacy):
    it = legacy()
    it.cut_over()
    answer = gate(it).ask(it.now + 120 * SECOND, "d/a")
    assert (answer.mode, answer.how) == ("wait", "future")
    assert it.claims() == {}


def test_switches_that_disagree_are_no_answer(legacy):
    it = legacy("one", "two")
    it.cut_over()
    it.client.hset("bailey:switch:{redbeat:two}", "state", "legacy")
    assert gate(it).ask(it.now, "d/a").how == "mixed"
    assert it.claims() == {}


def test_a_switch_of_another_version_is_refused(legacy):
    it = legacy()
    it.cut_over()
    it.client.hset("bailey:switch:{redbeat:one}", "v", "2")
    with pytest.raises(SwitchError, match="version 2"):
        gate(it).ask(it.now, "d/a")


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


def test_giving_back_what_was_computed_before_another_rollback_and_cutover_is_refused(legacy):
    it = legacy()
    it.cut_over()
    order = switch_steps.give_back(it.switch.status(), "", "UTC")
    parked = it.meta(0)
    assert it.switch.call("give_back", *order)[0] == "ok"
    it.fire(it.keys[0], it.now)
    it.cut_over()
    # RedBeat counts its runs in meta; without that the parked bytes are the same as before.
    it.client.hset(it.keys[0], "meta", parked)
    it.client.hset("bailey:switch:{redbeat:one}", "parked", parked)
    assert it.switch.call("give_back", *order)[:3] == ["changed", "1", "last_legacy"]
    assert it.meta(0) == parked


def test_giving_back_keeps_what_legacy_fired_while_its_clock_was_running(legacy):
    it = legacy()
    it.cut_over()
    it.fire(it.keys[0], it.now)
    fired = it.meta(0)
    assert it.switch.call("give_back", *switch_steps.give_back(it.switch.status(), "", "UTC"))[0] == "ok"
    assert redbeat_bytes.last_run(it.meta(0)) == redbeat_bytes.last_run(fired)


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


def test_names_of_keys(legacy):
    it = legacy("a:b", "{tag}x", "e{}f")
    assert [key.decode() for key in it.group.keys] == [
        "redbeat:a:b",
        "bailey:switch:{redbeat:a:b}",
        "bailey:claims:{redbeat:a:b}",
        "redbeat:{tag}x",
        "bailey:switch:redbeat:{tag}x",
        "bailey:claims:redbeat:{tag}x",
        "redbeat:e{}f",
        "bailey:switch:{redbeat:e{}f}",
        "bailey:claims:{redbeat:e{}f}",
        "redbeat::lock",
        "redbeat::schedule",
    ]
    assert isinstance(it.client, redis.Redis)
