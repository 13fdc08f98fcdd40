"""Switches that are lost while gates ask: nothing is left to a legacy clock that stands, and what Airflow's windows held stays its own."""

from __future__ import annotations

import time

from gates import SECOND, gate
from legacy_redis import Legacy

from bailey_runtime import redbeat_bytes, switch_steps
from bailey_runtime.switch import packed


def lose(it: Legacy, place: int = 0) -> None:
    assert it.client.delete(f"bailey:switch:{{{it.keys[place]}}}") == 1


def give_back(it: Legacy) -> None:
    reply = it.switch.call("give_back", *switch_steps.give_back(it.switch.status(), "", "UTC"))
    assert reply[0] == "ok"


def restore(it: Legacy, last: int) -> list[str]:
    """As `bailey rollback` does where the switch is lost: legacy goes on from an instant."""
    arguments: list[str | bytes] = []
    for entry in it.switch.status():
        opened = redbeat_bytes.opened(entry.definition, b"{}")
        arguments += [packed(entry.definition), packed(entry.meta), opened]
        arguments += [redbeat_bytes.with_last_run(entry.meta, last, "UTC"), "1"]
    return it.switch.call("restore", *arguments)


def test_a_tick_waits_while_the_clock_stands_and_no_switch_says_why(legacy):
    it = legacy("one", "two")
    it.cut_over()
    for place in (0, 1):
        lose(it, place)
    answer = gate(it).ask(it.now, "d/a")
    assert (answer.mode, answer.how) == ("wait", "lost")
    assert "redbeat:one" in answer.note and answer.alerts == (answer.note,)
    assert it.claims() == {}
    # Legacy goes on from here, and no cutover has to wait for it: nobody was told that legacy runs it.
    kept = it.client.hgetall("bailey:claims:{redbeat:one}")
    assert kept[b"unowned"] == str(it.now).encode() and b"shadowed" not in kept
    assert restore(it, it.now - SECOND)[0] == "ok"
    answer = gate(it).ask(it.now, "d/a")
    assert (answer.mode, answer.how) == ("shadow", "not-ours")


def test_a_switch_that_says_legacy_beside_a_clock_that_stands_is_no_answer(legacy):
    it = legacy()
    it.cut_over()
    gate(it).ask(it.now, "d/a")
    it.client.hset("bailey:switch:{redbeat:one}", "state", "legacy")
    it.client.hset("bailey:switch:{redbeat:one}", "windows", "[]")
    assert gate(it).ask(it.now + SECOND, "d/b").how == "lost"
    # What was claimed stays claimed.
    assert gate(it).ask(it.now, "d/a").mode == "live"


def test_the_deciding_switch_of_a_group_is_lost_and_the_others_are_there(legacy):
    it = legacy("one", "two")
    it.cut_over()
    it.client.delete(it.keys[0])
    lose(it)
    answer = gate(it).ask(it.now, "d/a")
    assert (answer.mode, answer.how) == ("wait", "lost")


def test_a_clock_that_runs_without_a_switch_is_legacys(legacy):
    it = legacy()
    it.cut_over()
    lose(it)
    it.fire(it.keys[0], it.now)
    assert gate(it).ask(it.now + SECOND, "d/a").how == "no-switch"


def test_what_stands_in_an_entry_is_read_whatever_it_is(legacy):
    for meta in ("", "no json", "[]", "3", '{"last_run_at": null}', '{"last_run_at": {"year": "x"}}', "[" * 5000):
        it = legacy()
        it.client.hset(it.keys[0], "meta", meta)
        assert gate(it).ask(it.now, "d/a").how == "no-switch", meta


def test_a_late_run_has_its_tick_of_an_ended_window_although_the_switch_is_lost(legacy):
    for restored in (False, True):
        it = legacy("one", "two")
        it.cut_over()
        assert gate(it, installation="blue").ask(it.now, "d/new").mode == "live"
        give_back(it)
        for place in (0, 1):
            lose(it, place)
        if restored:
            assert restore(it, it.now)[0] == "ok"
        late = it.now - 5 * SECOND
        # Legacy went on after the newest claim and never runs these.
        other = gate(it, "every", installation="green").ask(late, "d/late")
        assert (other.mode, other.how) == ("shadow", "other-installation")
        asked = gate(it, "every", installation="blue")
        assert asked.ask(late, "d/late").mode == "live"
        assert asked.ask(late, "d/late").again
        assert asked.ask(late, "d/other").how == "claimed"
        assert it.claims(0)[late]["run"] == it.claims(1)[late]["run"] == "d/late"
        # The run that was late stands for the ticks before it, as ever.
        assert gate(it, installation="blue").ask(late - SECOND, "d/later").how == "coalesced"
        assert asked.ask(it.now + SECOND, "d/next").how == ("not-ours" if restored else "no-switch")
        # Before the window they are legacy's.
        assert asked.ask(it.now - 11 * SECOND, "d/before").mode == "shadow"


def test_trimmed_claims_are_not_run_again_after_the_switch_is_lost(legacy):
    it = legacy()
    it.cut_over()
    it.client.hset("bailey:switch:{redbeat:one}", "claims_from", str(it.now - 3 * SECOND))
    assert gate(it, "every").ask(it.now, "d/a").mode == "live"
    lose(it)
    assert gate(it, "every").ask(it.now - 4 * SECOND, "d/b").how == "trimmed"
    assert gate(it, "every").ask(it.now - 2 * SECOND, "d/c").mode == "live"
    # A gate that did not keep what it trimmed.
    it = legacy()
    it.cut_over()
    record = '{"run":"d/x","at":1,"how":"live","by":""}'
    claims = {str(it.now - 3 * SECOND + at): record for at in range(1000)}
    it.client.hset("bailey:claims:{redbeat:one}", mapping=claims)
    lose(it)
    assert gate(it, "every").ask(it.now - 4 * SECOND, "d/d").how == "trimmed"


def test_a_cutover_after_the_loss_keeps_the_windows_of_before(legacy):
    it = legacy()
    it.cut_over()
    gate(it).ask(it.now, "d/a")
    lose(it)
    assert restore(it, it.now)[0] == "ok"
    it.client.delete("bailey:switch:{redbeat:one}")
    it.cut_over()
    status = it.switch.status()[0]
    windows = status.text("windows")
    assert f'"{it.now + 1}"]' in windows and windows.endswith(f'["{it.now + 1}",null]]')
    assert status.number("last_claim") == it.now
    assert gate(it, "every").ask(it.now - 2 * SECOND, "d/late").mode == "live"
    assert gate(it).ask(it.now + SECOND, "d/b").mode == "live"
    assert gate(it).ask(it.now - 12 * SECOND, "d/before").how == "not-ours"


def test_a_group_of_which_one_switch_was_lost_and_restored_has_one_fence_again(legacy):
    it = legacy("one", "two", "three")
    it.cut_over()
    give_back(it)
    # Two's switch was lost once and restored: it began to count anew.
    it.client.hset("bailey:switch:{redbeat:two}", "fence", "0")
    fence = it.cut_over()
    assert {entry.text("fence") for entry in it.switch.status()} == {fence}
    # So a window that ends is given back by the next gate, all of it.
    claims = [entry.text("last_claim") for entry in it.switch.status()]
    assert it.switch.call("bound", *claims)[0] == "ok"
    late = it.time() + 5_000_000
    assert gate(it).ask(late, "d/late").mode == "shadow"
    limit = time.monotonic() + 10
    while it.state() != "legacy" and time.monotonic() < limit:
        time.sleep(0.1)
        assert gate(it).ask(late, "d/late").alerts == ()
    assert {entry.text("state") for entry in it.switch.status()} == {"legacy"}
