"""A gate that asks while a switch is closing: it waits for the fence, settles, or gives back what nobody planned."""

from __future__ import annotations

from gates import SECOND, Clock, gate

from bailey_runtime import redbeat_bytes


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
