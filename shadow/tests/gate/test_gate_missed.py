"""Ticks that come late: which of them run, by the pipeline's policy and whatever clocks say."""

from __future__ import annotations

import pytest
from gates import SECOND, gate


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


def test_a_tick_that_was_coalesced_names_the_run_that_stands_for_it(legacy):
    it = legacy()
    it.cut_over()
    asked = gate(it)
    ticks = [it.now - step * SECOND for step in (8, 7, 5, 3, 2)]
    first, second = it.now - 6 * SECOND, it.now - SECOND
    # A run that began six seconds ago stands for the tick before that, and not for the next, whose own run stands for the last.
    told = [
        asked.ask(tick, f"d/{number}", since=since)
        for number, (tick, since) in enumerate(zip(ticks, (first, None, second, None, None)))
    ]
    assert [(answer.how, answer.into) for answer in told] == [
        ("live", ""),
        ("coalesced", "d/0"),
        ("live", ""),
        ("coalesced", "d/2"),
        ("coalesced", "d/2"),
    ]
    assert "d/2" in told[4].note and it.claims()[ticks[4]]["into"] == "d/2"
    # The same run is told the same again, whatever has run since.
    assert asked.ask(it.now, "d/5").how == "live"
    again = asked.ask(ticks[1], "d/1")
    assert (again.how, again.into, again.again) == ("coalesced", "d/0", True)
    # What a gate of before this was kept has written names nobody.
    it.client.hdel("bailey:switch:{redbeat:one}", "last_live_run")
    assert asked.ask(it.now - 4 * SECOND, "d/6").into == ""


def test_a_tick_that_only_waited_for_the_switch_was_not_missed(legacy):
    it = legacy()
    it.cut_over()
    asked = gate(it, "none", late_after=2)
    began = it.now - 7 * SECOND
    assert asked.ask(it.now - 8 * SECOND, "d/a", since=began).how == "live"
    assert asked.ask(it.now - 6 * SECOND, "d/b").how == "dropped"
