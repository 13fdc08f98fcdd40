"""What the gate makes of each state of a switch. `CutoverEngine` is tested from the same table: two that decide differently lose work.

`steps` make the state, `decide` is how often somebody looks; between two looks the fence passes. `gate_only`: the engine would go on waiting;
`gate_idle`: the gate leaves it to others, because nothing can fire. `answer`: what the gate is told at the last look.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from legacy_redis import Legacy

from bailey_runtime import redbeat_bytes
from bailey_runtime.gate import Gate

CASES = json.loads((Path(__file__).parent / "switch_cases.json").read_text(encoding="utf-8"))
SECOND = 1_000_000


def made(it: Legacy, step: str) -> None:
    """One step of a case."""
    word, *rest = step.split(" ")
    if word == "no-lock":
        it.client.delete("redbeat::lock")
    elif word == "close":
        it.close(
            longest=0 if not it.client.exists("redbeat::lock") else 300 * SECOND,
            proof="" if "unproven" in rest else "fired",
        )
    elif word == "own":
        it.cut_over()
    elif word == "pass-fence":
        it.client.pexpire("redbeat::lock", it.client.pttl("redbeat::lock") + 30_000)
    elif word == "wait":
        pass
    else:
        place = int(rest[0]) - 1
        key = it.keys[place]
        definition = json.loads(it.client.hget(key, "definition") or b"{}")
        if word == "fire":
            it.fire(key, it.now)
        elif word == "enable":
            it.client.hset(key, "definition", it.original[place])
        elif word == "redefine":
            changed = {**definition, "options": {"priority": 3}, "enabled": rest[1] == "open"}
            it.client.hset(key, "definition", json.dumps(changed))
        elif word == "recreate":
            it.client.hset(key, "definition", json.dumps({**definition, "enabled": True}))
            it.client.hset(key, "meta", redbeat_bytes.with_last_run(None, it.now, "UTC"))
        elif word == "stop":
            it.client.hset(
                key, "meta", redbeat_bytes.with_last_run(it.meta(place), it.now + 30 * 86_400 * SECOND, "UTC")
            )
        elif word == "lose":
            it.client.delete(f"bailey:switch:{{{key}}}")
        elif word == "delete":
            it.client.delete(key)
            it.client.zrem("redbeat::schedule", key)
        else:
            raise AssertionError(step)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_gate_decides_as_the_table_says(legacy, case) -> None:
    it = legacy(*[f"e{number}" for number in range(1, case["entries"] + 1)])
    it.original = [it.client.hget(key, "definition") for key in it.keys]
    for step in case["steps"]:
        made(it, step)
    for look in range(case["decide"]):
        if look:
            made(it, "pass-fence")
        answer = Gate(it.client, it.group).ask(it.now + SECOND, f"d/{look}")
    if "answer" in case:
        assert f"{answer.mode} {answer.how}" == case["answer"]
    states = {it.state(place) for place in range(case["entries"])}
    assert states == {case["state"]}
    parked = [redbeat_bytes.last_run(it.meta(place)) == redbeat_bytes.PARKED_AT for place in range(case["entries"])]
    assert parked == case["parked"]
    if not case.get("gate_idle"):
        enabled = [
            it.definition(place)["enabled"] if it.client.hexists(key, "definition") else None
            for place, key in enumerate(it.keys)
        ]
        assert enabled == case["enabled"]
