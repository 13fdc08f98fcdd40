"""What is given back to legacy, by a rollback or as a bounded window ends: its definition, and its clock."""

from __future__ import annotations

from gates import SECOND, gate

from bailey_runtime import redbeat_bytes, switch_steps


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
