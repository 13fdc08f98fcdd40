"""Job types of a queue prove themselves in a real Airflow, and the bridge is taken away while jobs are queued all the time."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from bailey import PROGRAM
from line import Line
from rest import eventually
from road import Road


def verdicts(document: dict[str, Any]) -> dict[str, str]:
    """The policy's verdicts by rule."""
    return {line["rule"]: line["verdict"] for line in document["policy"]["lines"]}


@pytest.mark.full
@pytest.mark.versions()
def test_each_job_is_run_once_before_during_and_after(road: Road, tmp_path: Path) -> None:
    line = Line(road, tmp_path / "workspace", "export")
    line.work()
    line.add()
    eventually("legacy runs jobs", lambda: line.by("legacy") >= 1)
    line.cut_over()
    line.feed(3.0)
    assert "BaileyGate" in line.file
    proved = eventually(
        "enough jobs were clean",
        lambda: (
            (found := line.workspace.json("retire", line.pipeline, status=(0, 1)))
            and verdicts(found)["clean-ticks"] == "pass"
            and found
        ),
    )
    # The company's worker still looks for jobs, and would take these once they wait again.
    found = verdicts(proved)
    assert found.pop("legacy-worker") == "fail" and set(found.values()) == {"pass"}
    refused = line.workspace.json("retire", line.pipeline, "--execute", status=1)
    assert refused["outcome"] == "refused" and "BaileyGate" in line.file
    words = ("--override", "Ada", "--reason", "it leaves exports alone")
    assert line.workspace.json("retire", line.pipeline, *words)["holds"] is True
    feeder = line.threads.pop()
    line.stop()
    line.threads.append(feeder)
    dry = line.workspace.json("retire", line.pipeline)
    assert set(verdicts(dry).values()) == {"pass"} and dry["delete_from_code"] == ["export"]
    assert dry["queues"][0]["installed"] is True and line.schema()

    done = line.workspace.json("retire", line.pipeline, "--execute", "--wait", "4m")
    assert (done["outcome"], done["queues"][0]["removed"]) == ("done", True)
    assert not line.schema()
    assert "bailey_runtime" not in line.file and "gate" not in line.file
    assert done["archive"]["queues"][0]["claims"]
    count = line.by("airflow")
    # A job that fails is repeated by Airflow, then as the profile says; one whose worker dies is found again.
    line.add(busy_for=2)
    line.add(kills=True)
    eventually("it runs on", lambda: line.by("airflow") >= count + 5)
    assert set(line.statuses()) <= {"pending", "running", "completed"}
    line.stop()
    line.each_once()
    failed = line.connection.execute("SELECT count(*) FROM effects WHERE failed").fetchone()
    assert failed == (3,)
    retried = line.connection.execute("SELECT retry_count, count(*) FROM tasks.background_jobs GROUP BY 1").fetchall()
    assert sorted(retried) == [(0, line.number - 1), (1, 1)]

    # What a later inventory finds does not bring the gate back, nor the switch.
    file = line.file
    line.workspace.run("import", status=(0, 1))
    line.workspace.run("generate")
    assert (line.workspace.dags / f"{line.pipeline}.py").read_text(encoding="utf-8") == file
    over = line.workspace.json("cutover", line.pipeline, "--execute", *words, status=1)
    assert over["queues"][0]["refusals"][0]["reason"] == "retired" and not line.schema()
    again = line.workspace.json("retire", line.pipeline, "--execute")
    assert (again["outcome"], again["archive"]) == ("already", done["archive"])
    assert line.workspace.json("status", line.pipeline)["pipelines"][0]["stage"] == "retired"
    road.airflow.pause(line.pipeline, True)


@pytest.mark.full
def test_killed_at_each_step_it_is_completed_or_undone(road: Road, tmp_path: Path) -> None:
    line = Line(road, tmp_path / "workspace", "report")
    line.add()
    line.cut_over()
    line.feed(5.0)
    eventually("it is proved", lambda: line.workspace.json("retire", line.pipeline, status=(0, 1))["holds"])
    lines, marked, undone = 1, 0, False
    while True:
        # From here on each run goes on from where the one before died.
        environment = {**line.workspace.environment, "BAILEY_DIE_AT": str(lines)}
        words = [PROGRAM, "retire", line.pipeline, "--execute"]
        ended = subprocess.run(
            words, cwd=line.workspace.folder, env=environment, capture_output=True, timeout=500, check=False
        )
        if ended.returncode == 0:
            break
        assert ended.returncode < 0, ended.stderr[-2000:]
        if line.schema():
            row = line.connection.execute("SELECT retirement FROM bailey.switch").fetchone()
            if row == ("begun",):
                marked += 1
                refused = line.workspace.json("rollback", line.pipeline, "--execute", status=1)
                assert refused["queues"][0]["refusals"][0]["reason"] == "retiring"
                if marked == 2:
                    undo = line.workspace.json("retire", line.pipeline, "--undo", "--execute")
                    assert undo["outcome"] == "undone"
                    assert "BaileyGate" in road.airflow.found(f"/dagSources/{line.pipeline}")["content"]
                    assert line.workspace.json("rollback", line.pipeline)["queues"][0]["refusals"] == []
                    undone = True
            elif row == ("finished",):
                refused = line.workspace.json("retire", line.pipeline, "--undo", "--execute", status=(0, 1))
                assert refused["outcome"] in ("refused", "already")
        lines += 1
        assert lines < 60
    assert marked >= 2 and undone
    assert line.workspace.json("retire", line.pipeline, "--execute")["outcome"] in ("done", "already")
    assert not line.schema() and "bailey_runtime" not in line.file
    assert os.path.exists(line.workspace.dags / f"{line.pipeline}.py")
    count = line.by("airflow")
    eventually("it runs on", lambda: line.by("airflow") >= count + 2)
    line.stop()
    line.each_once()
    road.airflow.pause(line.pipeline, True)
