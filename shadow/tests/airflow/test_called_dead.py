"""A run whose workers are frozen is called dead, its jobs are run by somebody else, and then it revives: it runs none of them."""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path
from urllib.parse import quote

import pytest
from line import Line
from rest import eventually
from road import Road

from bailey_runtime import queue as switch
from lab.processes import session_of

JOBS = 3


@pytest.mark.full
@pytest.mark.parametrize("whose", ["legacy", "another run"])
def test_a_run_that_was_called_dead_revives_and_runs_nothing(road: Road, tmp_path: Path, whose: str) -> None:
    line = Line(road, tmp_path / "workspace", f"revived-{whose.split()[0]}")
    line.add()
    line.cut_over()
    eventually("a run does it", lambda: set(line.statuses()) == {"completed"})
    for _ in range(JOBS):
        line.add()
    claims = "SELECT DISTINCT run FROM bailey.claim WHERE finished_at IS NULL"
    deadline = time.monotonic() + 120
    while len(taken := line.connection.execute(claims).fetchall()) == 0:
        assert time.monotonic() < deadline, "no run has taken the jobs"
        time.sleep(0.01)
    # Between the task that takes the jobs and those that run them.
    frozen = session_of(road.stack.running().pids["scheduler"])
    for process in frozen:
        process.send(signal.SIGSTOP)
    try:
        ((run,),) = taken
        assert line.by("airflow") == 1
        words = ("rollback", line.pipeline, "--execute", "--return-claims", run)
        assert line.workspace.json(*words)["queues"][0]["outcome"] == "done"
        if whose == "legacy":
            line.work()
            eventually("legacy runs them", lambda: line.by("legacy") == JOBS)
        else:
            line.workspace.run("cutover", line.pipeline, "--execute", "--override", "a test", "--reason", "again")
            with line.connect("another worker") as other:
                jobs = switch.take(other, line.source, line.type, "elsewhere/1", 9)
                assert len(jobs) == JOBS
                for number, job in enumerate(jobs, 2):
                    other.execute("INSERT INTO effects (number, by, failed) VALUES (%s, 'other', false)", (number,))
                    assert switch.finish(other, line.source, job["job"], "elsewhere/1", "success") == "success"
    finally:
        for process in frozen:
            process.send(signal.SIGCONT)
    dag, _, name = run.partition("/")
    road.airflow.ended(dag, name, 180.0)
    # The tasks of its jobs were begun, and each was told that its job is this run's no more.
    outcome = "SELECT outcome, count(*) FROM bailey.claim WHERE run = %s GROUP BY 1"
    assert line.connection.execute(outcome, (run,)).fetchall() == [("returned", JOBS)]
    path = f"/dags/{dag}/dagRuns/{quote(name)}/taskInstances?limit=100"
    tasks = road.airflow.call("GET", path)["task_instances"]
    states = Counter(task["state"] for task in tasks if task["task_id"].startswith("work") and task["map_index"] >= 0)
    assert states == {"skipped": JOBS}
    line.each_once()
    assert line.by("airflow") == 1
    if whose == "legacy":
        line.stop()
    road.airflow.pause(line.pipeline, True)
