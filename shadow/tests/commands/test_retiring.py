"""What `bailey retire` says and refuses without an Airflow; with one, see shadow/tests/airflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from desk import OVERRIDE, Desk

from bailey_runtime.switch import Group, Switch


@pytest.fixture(autouse=True)
def plain(desk: Desk) -> None:
    """No settings but a test's own."""
    desk.settle()


def verdicts(document: Mapping[str, Any]) -> dict[str, str]:
    """The verdicts by rule."""
    return {line["rule"]: line["verdict"] for line in document["policy"]["lines"]}


def test_what_is_not_known_is_never_go(desk: Desk) -> None:
    entry = desk.entry()
    assert verdicts(desk.run("retire", entry.pipeline, status=1))["owner"] == "fail"
    desk.cut_over(entry)
    tick = desk.claim(entry, "r1")
    switch = f"bailey:switch:{{redbeat:{entry.name}}}"
    before = desk.redis.hgetall(switch)
    for words in ((), ("--execute",), ("--execute", *OVERRIDE)):
        document = desk.run("retire", entry.pipeline, *words, status=1)
        assert document["outcome"] == ("refused" if words else None)
        found = verdicts(document)
        # Nobody knows how its runs went, nor what Airflow runs.
        assert (found["owner"], found["code"], found["ungated"]) == ("pass", "pass", "pass")
        assert found["clean-ticks"] == found["deployed"] == "observer-broken"
        assert desk.redis.hgetall(switch) == before
    assert document["archive"] is None
    assert tick > 0
    # A bounded window comes back by itself.
    desk.run("rollback", entry.pipeline, "--execute")
    desk.cut_over(entry, "--ticks", "3")
    document = desk.run("retire", entry.pipeline, status=1)
    assert verdicts(document)["owner"] == "fail"
    assert desk.run("retire", entry.pipeline, "--undo", "--execute")["outcome"] == "nothing"
    desk.run("rollback", entry.pipeline, "--execute")


def test_what_the_code_makes_is_named(desk: Desk) -> None:
    entry = desk.entry()
    desk.cut_over(entry)
    desk.redis.sadd("redbeat::statics", entry.name)
    document = desk.run("retire", entry.pipeline, status=1)
    assert verdicts(document)["code"] == "fail"
    assert document["delete_from_code"] == [entry.name]
    text = desk.world.bailey("retire", entry.pipeline).stdout
    assert f'delete from the application\'s beat_schedule: "{entry.name}"' in text
    desk.redis.srem("redbeat::statics", entry.name)
    desk.run("rollback", entry.pipeline, "--execute")


def test_while_it_is_retired_nothing_gives_it_back(desk: Desk) -> None:
    entry = desk.entry()
    desk.settle(policy={"rollback": {"late_by": "1s"}})
    desk.cut_over(entry)
    switch = Switch(desk.world.server.client(), Group((entry.name,)))
    fence = str(desk.redis.hget(f"bailey:switch:{{redbeat:{entry.name}}}", "fence"))
    assert switch.call("retire", fence, "mark") == ["ok"]
    assert desk.status(entry)["waits_for"].startswith(f"bailey retire {entry.pipeline} --execute")
    document = desk.run("rollback", entry.pipeline, status=1)
    assert any(not check["holds"] for check in document["pipelines"][0]["checks"])
    document = desk.run("rollback", entry.pipeline, "--execute", status=1)
    refusal = document["pipelines"][0]["refusal"]
    assert refusal["reason"] == "retiring" and "--undo" in refusal["advice"]
    # No gate asks any more, which is no delay.
    assert [one for one in desk.watch() if one["pipeline"] == entry.pipeline] == []
    assert desk.world.owner(entry) == "airflow"
    assert switch.call("retire", fence, "clear") == ["ok"]
    desk.run("rollback", entry.pipeline, "--execute")
    desk.legacy_resumes(entry)
