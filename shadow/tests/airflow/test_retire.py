"""A pipeline of a real beat proves itself in a real Airflow, and the bridge is taken away: its DAG runs on by itself."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest
from bailey import PROGRAM
from rest import eventually
from road import Road, probe

# Long enough that a run ends before the next one begins, on a busy machine too.
EVERY = 30.0


def build(road: Road, name: str, **policy: Any) -> tuple[str, str]:
    """An entry and its pipeline, cut over to Airflow; the DAG's id and the entry's name."""
    dag, entry = f"retire-{name}", f"retire-{name}-entry"
    clock = road.entry(entry, EVERY, task="company.ops.refresh_cache", args=[entry])
    road.pipeline(dag, clock, {"work": probe("nothing", entry=clock)}, policy={"clean_ticks": 2, **policy})
    road.build(dag)
    road.workspace.run("cutover", dag, "--execute", "--override", "a test", "--reason", "nothing was compared here")
    return dag, entry


def verdicts(document: dict[str, Any]) -> dict[str, str]:
    """The policy's verdicts by rule."""
    return {line["rule"]: line["verdict"] for line in document["policy"]["lines"]}


def kill(road: Road, lines: int, *words: str) -> int:
    """Runs a command that is killed right after so many lines of the journal; how it ended."""
    environment = {**road.workspace.environment, "BAILEY_DIE_AT": str(lines)}
    return subprocess.run(
        [PROGRAM, *words], cwd=road.workspace.folder, env=environment, capture_output=True, timeout=300, check=False
    ).returncode


def runs(road: Road, dag: str) -> dict[str, str]:
    """The scheduled runs by tick, with their states; two of one tick are a failure."""
    found: dict[str, str] = {}
    for run in road.airflow.runs(dag):
        if run["run_type"] == "scheduled":
            assert run["logical_date"] not in found
            found[run["logical_date"]] = run["state"]
    return found


@pytest.mark.full
@pytest.mark.versions()
def test_the_bridge_is_taken_away(road: Road) -> None:
    dag, entry = build(road, "whole")
    before = road.redis.hgetall(f"bailey:switch:{{redbeat:{entry}}}")
    early = road.workspace.json("retire", dag, status=1)
    assert verdicts(early)["clean-ticks"] == "not-enough-data" and early["outcome"] is None
    assert road.workspace.json("retire", dag, "--execute", status=1)["outcome"] == "refused"
    dry = eventually(
        "enough ticks were clean",
        lambda: (found := road.workspace.json("retire", dag, status=(0, 1)))["holds"] and found,
    )
    assert set(verdicts(dry).values()) == {"pass"}
    assert road.redis.hgetall(f"bailey:switch:{{redbeat:{entry}}}")[b"state"] == before[b"state"]
    assert "BaileyGate" in (road.stack.folder / "dags" / f"{dag}.py").read_text(encoding="utf-8")

    # Whoever is at work on it is not disturbed.
    words = [PROGRAM, "cutover", dag, "--execute", "--claims", "1000"]
    other = subprocess.Popen(
        words, cwd=road.workspace.folder, env=road.workspace.environment, stderr=subprocess.PIPE, text=True
    )
    assert other.stderr is not None
    try:
        while "claimed" not in other.stderr.readline():
            pass
        refused = road.workspace.json("retire", dag, "--execute", status=1)
        assert refused["refusal"]["reason"] == "at-work"
    finally:
        other.kill()
        other.wait()

    # A static entry keeps everything as it is until the code is rid of it.
    road.redis.sadd("redbeat::statics", entry)
    waiting = road.workspace.json("retire", dag, "--execute", status=1)
    assert (waiting["outcome"], waiting["delete_from_code"]) == ("waiting", [entry])
    assert "BaileyGate" in (road.stack.folder / "dags" / f"{dag}.py").read_text(encoding="utf-8")
    road.redis.srem("redbeat::statics", entry)

    done = road.workspace.json("retire", dag, "--execute", "--wait", "2m")
    assert done["outcome"] == "done"
    file = (road.stack.folder / "dags" / f"{dag}.py").read_text(encoding="utf-8")
    assert "bailey_runtime" not in file and "gate" not in file
    assert [key for key in road.redis.scan_iter(count=1000) if entry.encode() in key and b"result" not in key] == []
    assert road.redis.zscore("redbeat::schedule", f"redbeat:{entry}") is None
    kept = done["archive"]["entries"][0]
    assert kept["definition"] and kept["claims"]
    again = road.workspace.json("retire", dag, "--execute")
    assert (again["outcome"], again["archive"]) == ("already", done["archive"])
    assert road.workspace.json("status", dag)["pipelines"][0]["stage"] == "retired"
    # What the old inventory knows does not bring the gate back.
    road.workspace.run("generate", dag)
    assert (road.workspace.dags / f"{dag}.py").read_text(encoding="utf-8") == file
    # It runs on by itself, each tick once, and none was left out.
    count = len(runs(road, dag))
    eventually("it runs on", lambda: list(runs(road, dag).values())[count:].count("success") >= 2)
    assert "failed" not in runs(road, dag).values()
    road.remove(dag, entry)


@pytest.mark.full
def test_a_file_that_was_edited_by_hand_is_left_alone(road: Road) -> None:
    dag, entry = build(road, "edited")
    eventually("it is proved", lambda: road.workspace.json("retire", dag, status=(0, 1))["holds"])
    mapping = road.workspace.folder / "mappings" / f"{dag}.yaml"
    right = mapping.read_text(encoding="utf-8")
    place = road.stack.folder / "dags" / f"{dag}.py"
    gated = place.read_text(encoding="utf-8")
    place.write_text(gated + "# an edit\n", encoding="utf-8")
    refused = road.workspace.json("retire", dag, "--execute", status=1)
    assert refused["outcome"] == "refused" and "edited by hand" in refused["refusal"]["found"]
    place.write_text(gated, encoding="utf-8")
    assert mapping.read_text(encoding="utf-8") == right
    assert road.workspace.json("rollback", dag, "--execute")["pipelines"][0]["outcome"] == "done"
    road.remove(dag, entry)


@pytest.mark.full
def test_killed_at_each_step_it_is_completed_or_undone(road: Road) -> None:
    dag, entry = build(road, "killed")
    eventually("it is proved", lambda: road.workspace.json("retire", dag, status=(0, 1))["holds"])
    lines, marked = 1, 0
    while True:
        # From here on each run goes on from where the one before died.
        if kill(road, lines, "retire", dag, "--execute") == 0:
            break
        switch = road.redis.hgetall(f"bailey:switch:{{redbeat:{entry}}}")
        if switch.get(b"retiring") == b"1":
            marked += 1
            refused = road.workspace.json("rollback", dag, "--execute", status=1)
            assert refused["pipelines"][0]["refusal"]["reason"] == "retiring"
            if marked == 2:
                assert road.workspace.json("retire", dag, "--undo", "--execute")["outcome"] == "undone"
                source = road.airflow.found(f"/dagSources/{dag}")["content"]
                assert "BaileyGate" in source
                assert road.workspace.json("rollback", dag)["pipelines"][0]["refusal"] is None
        elif not switch:
            break
        lines += 1
        assert lines < 60
    assert marked >= 2
    assert road.workspace.json("retire", dag, "--execute")["outcome"] in ("done", "already")
    assert road.redis.keys(f"*{entry}*") == [] or all(
        b"celery-task-meta" in key for key in road.redis.keys(f"*{entry}*")
    )
    assert json.loads(json.dumps(runs(road, dag)))
    assert os.path.exists(road.stack.folder / "dags" / f"{dag}.py")
    road.remove(dag, entry)
