"""Entries that the application changes while Airflow owns them: legacy's clock is parked again before a tick is claimed."""

from __future__ import annotations

from gates import SECOND, gate

from bailey_runtime import redbeat_bytes, switch_steps


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


def test_what_legacy_ran_alone_is_left_out_of_the_run_that_does_the_others(legacy):
    for alone in (0, 1, 2):
        it = legacy("one", "two", "three")
        fence = it.cut_over()
        # The application re-created one entry, and beat fired it before anybody had parked it.
        it.fire(it.keys[alone], it.now)
        assert gate(it).ask(it.now, "d/a").how == "closing"
        it.release_lock()
        answer = gate(it).ask(it.now, "d/a")
        assert (answer.mode, answer.without) == ("live", (it.group.entries[alone],))
        assert "by itself" in answer.alerts[0]
        again = gate(it).ask(it.now, "d/a")
        assert (again.mode, again.again, again.without) == ("live", True, answer.without)
        assert gate(it).ask(it.now, "d/b").how == "claimed"
        assert [it.now in it.claims(place) for place in range(3)] == [place != alone for place in range(3)]
        # The next tick is everybody's again.
        later = gate(it).ask(it.now + 5 * SECOND, "d/c")
        assert (later.mode, later.without) == ("live", ())
        assert later.fence != fence


def test_each_goes_on_from_what_ran_of_it(legacy):
    it = legacy("one", "two")
    it.cut_over()
    it.fire(it.keys[0], it.now)
    gate(it).ask(it.now, "d/a")
    it.release_lock()
    answer = gate(it).ask(it.now - SECOND, "d/early")
    # Before what legacy fired, and since the window began: its fire stands for it, and the other's run was still to come.
    assert (answer.mode, answer.without) == ("live", ("one",))
    assert it.switch.call("give_back", *switch_steps.give_back(it.switch.status(), "", "UTC"))[0] == "ok"
    assert [redbeat_bytes.last_run(it.meta(place)) for place in (0, 1)] == [it.now, it.now - SECOND]
    # What was given back is legacy's, of both.
    assert gate(it).ask(it.now, "d/late").mode == "shadow"


def test_what_legacy_ran_of_all_is_nothing_of_the_run(legacy):
    it = legacy("one", "two")
    it.cut_over()
    for key in it.keys:
        it.fire(key, it.now)
    gate(it).ask(it.now, "d/a")
    it.release_lock()
    assert (gate(it).ask(it.now, "d/a").mode, it.claims(0), it.claims(1)) == ("shadow", {}, {})


def test_what_ran_alone_is_known_without_the_switch(legacy):
    it = legacy("one", "two")
    it.cut_over()
    it.fire(it.keys[1], it.now)
    gate(it).ask(it.now, "d/a")
    it.release_lock()
    assert gate(it).ask(it.now, "d/a").without == ("two",)
    it.client.delete(*(f"bailey:switch:{{{key}}}" for key in it.keys))
    assert gate(it).ask(it.now, "d/a").without == ("two",)
