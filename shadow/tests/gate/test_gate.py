"""The gate against a real Redis: what it says of a tick, by what the switch holds."""

from __future__ import annotations

import json

import pytest
import redis
from gates import SECOND, gate

from bailey_runtime import switch_steps
from bailey_runtime.gate import SwitchError


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


def test_a_run_that_an_older_database_of_airflow_made_anew_is_another_one(legacy):
    it = legacy()
    it.cut_over()
    began = it.now + 1000
    first = gate(it).ask(it.now, "d/a", began)
    assert (first.mode, first.again) == ("live", False)
    # The same run asks again, as after its worker died, or on an Airflow that does not say when it began.
    for since in (began, began - 1, None):
        assert (gate(it).ask(it.now, "d/a", since).mode, gate(it).ask(it.now, "d/a", since).again) == ("live", True)
    assert gate(it).wait(it.now, "d/a", 1, since=began).again
    made_anew = gate(it).ask(it.now, "d/a", began + 3600 * SECOND)
    assert (made_anew.mode, made_anew.how) == ("skip", "claimed") and "clear this run" in made_anew.note
    assert made_anew.alerts == (made_anew.note,)
    # That of another installation is another one, whenever it began.
    other = gate(it, installation="green").ask(it.now, "d/a", began + 3600 * SECOND)
    assert (other.mode, other.how, other.alerts) == ("skip", "claimed", ()) and "d/a has this tick" in other.note
    # A person had it run again.
    again = gate(it).ask(it.now, "d/a", began + 3600 * SECOND, cleared=True)
    assert (again.mode, again.again) == ("live", True)
    assert gate(it).wait(it.now, "d/a", 1, since=began + 3600 * SECOND, cleared=True).again
    # What an earlier Bailey has recorded does not tell when its run began.
    key = f"bailey:claims:{{{it.keys[0]}}}"
    old = {name: value for name, value in it.claims()[it.now].items() if name != "began"}
    it.client.hset(key, str(it.now), json.dumps(old))
    assert gate(it).ask(it.now, "d/a", began + 3600 * SECOND).again
