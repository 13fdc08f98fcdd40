"""The four verdicts of a policy, as `bailey cutover` gives them, and that what does not hold moves nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from desk import OVERRIDE, Desk

from bailey_runtime.switch import Group, Switch
from testing.entry import Entry
from testing.server import free_port, wait_until


@pytest.fixture(autouse=True)
def plain(desk: Desk) -> None:
    """No settings but a test's own."""
    desk.settle()


def lines(desk: Desk, entry: Entry, status: int) -> dict[str, Mapping[str, Any]]:
    """The policy's lines for a pipeline, by rule; nothing may have been moved."""
    document = desk.run("cutover", entry.pipeline, "--execute", status=status)
    [policy] = document["policies"]
    return {line["rule"]: line for line in policy["lines"]}


def gate_asks(desk: Desk, entry: Entry) -> None:
    """The DAG's gate asks for the newest tick."""
    switch = Switch(desk.world.server.client(), Group((entry.name,)))
    seconds = int(desk.redis.time()[0])
    tick = str((seconds - seconds % 2) * 1_000_000)
    switch.call("claim", tick, f"{entry.pipeline}/r0", "coalesce", "", tick, "", "")


def compare(desk: Desk, entry: Entry, count: int, *, same: bool = True, name: bool = True) -> None:
    """Has so many recorded runs shadowed by a body of the workspace's own."""
    body = {"n": 1} if same else {"n": 2}
    mapping = {
        "pipeline": entry.pipeline,
        "clock": f"scheduler/{entry.name}",
        "tasks": {
            "run": {
                "entry": f"scheduler/{entry.name}",
                "command": ["sh", "-c", f"echo '{json.dumps(body)}'"],
                "shadow": "pure",
            }
        },
    }
    (desk.world.folder / "mappings" / f"{entry.name}.yaml").write_text(json.dumps(mapping), encoding="utf-8")
    wait_until("beat has fired it so often", lambda: desk.fires(entry) > count)
    meta = json.loads(desk.redis.hget(f"{desk.world.prefix}{entry.name}", "meta"))["last_run_at"]
    parts = [meta[name] for name in ("year", "month", "day", "hour", "minute", "second", "microsecond")]
    last = datetime(*parts, tzinfo=timezone.utc)
    for number in range(count):
        # As beat fired it, backwards from the last time.
        ended = last - timedelta(seconds=2 * (count - 1 - number)) + timedelta(milliseconds=10)
        record = {
            "status": "SUCCESS",
            "result": {"n": 1},
            "traceback": None,
            "date_done": ended.isoformat(),
            "retries": 0,
            "task_id": f"{entry.name}-{number}",
        }
        if name:
            record |= {"name": "legacy.run", "args": [entry.name], "kwargs": {}}
        desk.redis.set(f"celery-task-meta-{entry.name}-{number}", json.dumps(record))
    desk.run("shadow", "--from-history", entry.pipeline)


def test_pass(desk: Desk) -> None:
    entry = desk.entry()
    compare(desk, entry, 6)
    gate_asks(desk, entry)
    found = lines(desk, entry, 0)
    assert {line["verdict"] for line in found.values()} == {"pass"}, found
    assert desk.world.owner(entry) == "airflow"
    desk.run("rollback", entry.pipeline, "--execute")


def test_fail_and_an_override_that_is_journaled(desk: Desk) -> None:
    entry = desk.entry()
    compare(desk, entry, 6, same=False)
    gate_asks(desk, entry)
    found = lines(desk, entry, 1)
    assert (
        found["in-a-row"]["verdict"] == "fail" and "differs: the result differs at $.n" in found["in-a-row"]["evidence"]
    )
    assert found["compared-ticks"]["verdict"] == "pass"
    assert desk.redis.hget(f"bailey:switch:{{redbeat:{entry.name}}}", "state") is None
    # Neither a name nor a reason alone is a decision.
    for words in (("--override", "Ada"), ("--reason", "it is fine"), ("--override", " ", "--reason", "x")):
        done = desk.world.bailey("cutover", entry.pipeline, "--execute", *words)
        assert done.returncode == 2 and "--override NAME and --reason TEXT go together" in done.stderr, done.stderr
    document = desk.run("cutover", entry.pipeline, "--execute", *OVERRIDE)
    assert document["policies"][0]["override"] == {"by": "a test", "reason": "nothing was compared here"}
    assert document["policies"][0]["holds"] is False and document["holds"] is True
    desk.run("rollback", entry.pipeline, "--execute")


def test_not_enough_data_with_the_date_when_there_will_be(desk: Desk) -> None:
    entry = desk.entry()
    compare(desk, entry, 2)
    gate_asks(desk, entry)
    found = lines(desk, entry, 1)
    line = found["compared-ticks"]
    assert (line["verdict"], line["evidence"].split(";")[0]) == (
        "not-enough-data",
        f"2 of 5 ticks of scheduler/{entry.name} compared",
    )
    assert line["when"] is not None
    assert desk.redis.hget(f"bailey:switch:{{redbeat:{entry.name}}}", "state") is None


def test_observer_broken_because_shadowing_broke_off(desk: Desk) -> None:
    entry = desk.entry()
    compare(desk, entry, 6)
    gate_asks(desk, entry)
    settings = (desk.world.folder / "bailey.yaml").read_text(encoding="utf-8")
    broken = settings.replace(f":{desk.world.server.port}/", f":{free_port()}/")
    (desk.world.folder / "bailey.yaml").write_text(broken, encoding="utf-8")
    assert desk.world.bailey("shadow", "--from-history", entry.pipeline).returncode == 3
    (desk.world.folder / "bailey.yaml").write_text(settings, encoding="utf-8")
    found = lines(desk, entry, 1)
    assert found["observer"]["verdict"] == "observer-broken"
    assert "shadowing broke off at" in found["observer"]["evidence"]
    assert desk.redis.hget(f"bailey:switch:{{redbeat:{entry.name}}}", "state") is None
    # Once it has gone through, what was compared counts again.
    desk.run("shadow", "--from-history", entry.pipeline)
    assert lines(desk, entry, 0)["observer"]["verdict"] == "pass"
    desk.run("rollback", entry.pipeline, "--execute")


def test_observer_broken_because_runs_cannot_be_told_apart(desk: Desk) -> None:
    one, two = desk.entry(), desk.entry()
    # The application makes both do the same.
    desk.world.application(
        f"e = entry({one.name!r}, '2'); e.args = [{two.name!r}]; e.save()",
    )
    desk.run("import")
    found = lines(desk, one, 1)
    assert found["observer"]["verdict"] == "observer-broken"
    assert f"scheduler/{one.name} and scheduler/{two.name} make the same call" in found["observer"]["evidence"]
