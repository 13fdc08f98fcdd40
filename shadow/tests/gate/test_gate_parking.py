"""Entries that the application changes while Airflow owns them: legacy's clock is parked again before a tick is claimed."""

from __future__ import annotations

from gates import SECOND, gate

from bailey_runtime import redbeat_bytes


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
