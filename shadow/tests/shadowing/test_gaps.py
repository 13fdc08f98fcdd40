"""Gaps in watching, made on purpose: what was seen is what was produced, less what is said to be lost."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from stage import Stage, wait_until

from lab.poller import TABLE
from testing.postgres import cluster
from testing.server import Server

SECONDS = 0.5


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """An entry every half second, under a real beat, and a pipeline that does the same."""
    stage = Stage(tmp_path / "stage", durable=True)
    with stage.running():
        stage.entry("tick", "planted.count", [7], SECONDS)
        stage.map("tick", {"command": ["sh", "-c", "echo 7"]})
        stage.beat()
        wait_until("beat fires", lambda: stage.fires("tick") > 2, 60)
        stage.json("import")
        yield stage


def watched(stage: Stage, seconds: int, *, status: int = 0) -> list[str]:
    return list(stage.json("shadow", "--for", f"{seconds}s", status=(status,))["losses"])


def observer(stage: Stage) -> Mapping[str, str]:
    """The policy's line about the observing itself."""
    [row] = stage.json("report", "tick", status=(0, 1))["pipelines"]
    [line] = [line for line in row["policy"]["lines"] if line["rule"] == "observer"]
    return line  # type: ignore[no-any-return]


def lost_results(stage: Stage) -> None:
    """What the backend forgets while nobody watches."""
    client = stage.server.client()
    for key in client.scan_iter("celery-task-meta-*", count=1000):
        client.delete(key)


def adds_up(stage: Stage) -> dict[str, int]:
    coverage = stage.coverage("tick")
    assert coverage["fired"] == coverage["seen"] + coverage["lost"] + coverage["pending"] + coverage["ambiguous"], (
        coverage
    )
    assert coverage["unseen"] == 0, coverage
    return coverage


def test_nothing_is_lost_while_it_watches(stage: Stage) -> None:
    watched(stage, 8)
    coverage = adds_up(stage)
    assert coverage["compared"] >= 10 and coverage["lost"] == 0, coverage


def test_what_is_fired_while_shadows_are_still_under_way_is_not_lost(stage: Stage) -> None:
    # The last bodies end long after the watching; what beat fires meanwhile nobody watches, and the next watching finds it.
    stage.map("tick", {"command": ["sh", "-c", "sleep 9; echo 7"]})
    stage.json("import")
    assert watched(stage, 4) == []
    assert adds_up(stage)["lost"] == 0


def test_a_dropped_client_misses_nothing_that_is_stored(stage: Stage) -> None:
    watching = stage.start("shadow", "--for", "10s")
    time.sleep(3)
    stage.server.client().execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    assert watching.wait(60) == 0
    coverage = adds_up(stage)
    assert coverage["lost"] == 0 and coverage["compared"] >= 12, coverage


def test_what_is_stored_no_more_after_a_pause_is_said_to_be_lost(stage: Stage) -> None:
    stage.settle(policy={"in_a_row": 24})
    watched(stage, 4)
    first = adds_up(stage)
    time.sleep(6)
    lost_results(stage)
    losses = watched(stage, 8, status=1)
    coverage = adds_up(stage)
    assert coverage["lost"] >= 5, coverage
    assert losses == [
        f"scheduler/tick: {coverage['lost']} runs that legacy fired were not seen and are not kept any more"
    ]
    assert observer(stage)["verdict"] == "observer-broken" and "lost to a gap" in observer(stage)["evidence"]
    # What was lost counts no more once the newest row is made of later ones.
    watched(stage, 12)
    assert observer(stage)["verdict"] == "pass", observer(stage)
    assert coverage["compared"] > first["compared"]
    [gap] = coverage["gaps"][-1:]
    assert gap["from"] < gap["until"] and gap["reason"]


def test_killed_in_the_middle_it_goes_on_from_where_it_was(stage: Stage) -> None:
    for _ in range(3):
        watching = stage.start("shadow", "--for", "60s")
        time.sleep(4)
        os.killpg(watching.pid, signal.SIGKILL)
        watching.wait()
    watched(stage, 4)
    coverage = adds_up(stage)
    assert coverage["lost"] == 0, coverage
    assert coverage["compared"] >= 20 and coverage["unpaired"] == 0, coverage


def test_interrupted_while_bodies_wait_it_compares_them_later(stage: Stage) -> None:
    stage.map("tick", {"command": ["sh", "-c", "sleep 3; echo 7"]})
    watching = stage.start("shadow", "--for", "60s")
    time.sleep(6)
    os.killpg(watching.pid, signal.SIGINT)
    watching.wait(30)
    seen = stage.coverage("tick")
    assert seen["seen"] > seen["compared"], seen
    stage.map("tick", {"command": ["sh", "-c", "echo 7"]})
    watched(stage, 3)
    coverage = adds_up(stage)
    assert coverage["unpaired"] == 0 and coverage["lost"] == 0, coverage


def test_stopped_for_a_while_it_knows_its_own_pause(stage: Stage) -> None:
    watching = stage.start("shadow", "--for", "20s")
    time.sleep(3)
    os.killpg(watching.pid, signal.SIGSTOP)
    time.sleep(8)
    os.killpg(watching.pid, signal.SIGCONT)
    assert watching.wait(60) == 0, watching.stderr.read() if watching.stderr else ""
    assert "stood still" in (watching.stderr.read() if watching.stderr else "")
    assert adds_up(stage)["lost"] == 0


def test_a_redis_that_is_away_for_seconds_is_a_gap_that_is_filled(stage: Stage) -> None:
    watching = stage.start("shadow", "--for", "35s", "--json")
    time.sleep(4)
    stage.server.stop()
    time.sleep(3)
    stage.server.start()
    # Beat does not outlive its Redis.
    stage.beat()
    output, errors = watching.communicate(timeout=120)
    assert watching.returncode == 0, errors
    assert "a gap from" in errors and "does not answer" in errors, errors
    assert json.loads(output)["losses"] == []
    coverage = adds_up(stage)
    assert coverage["lost"] == 0 and coverage["compared"] >= 20, coverage


def test_what_redis_forgot_while_it_was_away_is_said_to_be_lost(stage: Stage) -> None:
    watching = stage.start("shadow", "--for", "25s", "--json")
    time.sleep(4)
    # Neither heard nor kept: what its socket has buffered would be heard afterwards.
    os.killpg(watching.pid, signal.SIGSTOP)
    stage.server.client().execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    time.sleep(7)
    lost_results(stage)
    os.killpg(watching.pid, signal.SIGCONT)
    output, errors = watching.communicate(timeout=120)
    assert watching.returncode == 1, errors
    coverage = adds_up(stage)
    assert coverage["lost"] > 0 and coverage["gaps"], coverage
    assert json.loads(output)["losses"], output
    assert f"{coverage['lost']} lost to a gap" in stage.text("report", "tick")


def test_a_result_that_nobody_can_read_is_told(stage: Stage) -> None:
    watching = stage.start("shadow", "--for", "8s", "--json")
    assert watching.stderr and watching.stderr.readline() == "watching scheduler\n"
    client = stage.server.client()
    for number in range(3):
        key, value = f"celery-task-meta-unreadable-{number}", b"\x80\x04\x95 a pickle"
        client.set(key, value)
        client.publish(key, value)
    output, errors = watching.communicate(timeout=120)
    assert watching.returncode == 1, errors
    assert json.loads(output)["losses"] == ["scheduler: 3 records cannot be read"]
    coverage = adds_up(stage)
    assert coverage["unreadable"] == 3 and coverage["lost"] == 0, coverage
    stage.settle(policy={"in_a_row": 24})
    assert observer(stage)["verdict"] == "observer-broken" and "could not be read" in observer(stage)["evidence"]
    # They are told once.
    assert watched(stage, 6) == []


def test_a_source_that_does_not_answer_does_not_end_the_watching_of_another(stage: Stage) -> None:
    other = Server(stage.folder / "other", durable=False)
    other.start()
    definition = {
        "name": "away",
        "task": "planted.count",
        "args": [8],
        "kwargs": {},
        "options": {},
        "schedule": {"__type__": "interval", "every": 60, "relative": False},
        "enabled": True,
    }
    other.client().hset("redbeat:away", "definition", json.dumps(definition))
    other.client().zadd("redbeat::schedule", {"redbeat:away": 1})
    stage.settle(other={"kind": "redbeat", "url": other.url, "max_interval": 1})
    stage.map("away", {"command": ["sh", "-c", "echo 8"]}, source="other")
    stage.json("import")
    other.stop()
    watching = stage.start("shadow", "--for", "10s")
    _, errors = watching.communicate(timeout=120)
    assert watching.returncode == 3 and "other does not answer" in errors, errors
    coverage = adds_up(stage)
    assert coverage["compared"] >= 12 and coverage["lost"] == 0, coverage


def with_jobs(stage: Stage, url: str) -> None:
    """A job type beside the entry, and one job of it that the application has run."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLE)
    end_job(url, "now()")
    stage.settle(jobs={"kind": "queue", "url": url, "profile": "background_jobs", "timezone": "UTC"})
    mapping = {
        "pipeline": "jobs",
        "schedule": {"crontab": "* * * * *", "timezone": "UTC"},
        "tasks": {"run": {"entry": "jobs/mail", "shadow": "pure", "command": ["true"]}},
    }
    (stage.folder / "mappings" / "jobs.yaml").write_text(json.dumps(mapping), encoding="utf-8")
    stage.json("import", status=(0, 1))


def end_job(url: str, ended: str, status: str = "completed") -> None:
    """A job that a worker ends now, or at a moment that it makes up; `ended` is SQL."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO tasks.background_jobs (id, job_type, job_data, status, created_at, started_at, completed_at) "
            f"VALUES (gen_random_uuid(), 'mail', '{{}}', %s, now(), now(), {ended})",
            (status,),
        )


def test_a_postgres_that_goes_away_does_not_end_the_watching_of_a_redis(stage: Stage) -> None:
    with ExitStack() as stack:
        url = stack.enter_context(cluster())
        with_jobs(stage, url)
        watching = stage.start("shadow", "--for", "14s")
        wait_until("it watches", lambda: stage.coverage("tick")["compared"] > 2, 60)
        with psycopg.connect(url) as connection:
            backend = connection.info.backend_pid
            # Its parent is the server, which goes at once and leaves its sessions.
            parent = re.search(
                r"^PPid:\s+(\d+)$", Path(f"/proc/{backend}/status").read_text(encoding="ascii"), re.MULTILINE
            )
        assert parent
        os.kill(int(parent[1]), signal.SIGQUIT)
        output, errors = watching.communicate(timeout=180)
    # What the queue did since is not known, and said to be lost or unseen; never a zero.
    assert watching.returncode in (1, 3) and "jobs" in errors + output, (watching.returncode, output, errors)
    coverage = adds_up(stage)
    assert coverage["compared"] >= 14 and coverage["lost"] == 0, coverage


def test_a_row_whose_end_is_no_time_is_compared_like_the_others(stage: Stage) -> None:
    with cluster() as url:
        with_jobs(stage, url)
        # What no time finds is looked for every 15 s, and once more at the end of a watching that is shorter.
        watching = stage.start("shadow", "--for", "12s")
        wait_until("it watches", lambda: stage.coverage("tick")["compared"] > 2, 60)
        for ended in ["now()", "'infinity'", "'0044-03-15 BC'", "'294276-12-31'", "now()"]:
            end_job(url, ended)
        output, errors = watching.communicate(timeout=180)
    assert watching.returncode == 0, (output, errors)
    jobs = stage.coverage("jobs")
    assert jobs["compared"] == 5 and jobs["lost"] == 0, (jobs, output, errors)
    assert adds_up(stage)["lost"] == 0


def test_a_job_that_is_repeated_is_compared_by_its_last_end(stage: Stage) -> None:
    with cluster() as url:
        with_jobs(stage, url)
        watching = stage.start("shadow", "--for", "16s")
        wait_until("it watches", lambda: stage.coverage("tick")["compared"] > 2, 60)
        end_job(url, "now()", status="failed")
        wait_until("its failure is compared", lambda: stage.coverage("jobs")["compared"] == 1, 60)
        with psycopg.connect(url, autocommit=True) as connection:
            for change in ("status = 'pending'", "status = 'completed', completed_at = clock_timestamp()"):
                connection.execute(f"UPDATE tasks.background_jobs SET {change} WHERE status <> 'completed'")
        output, errors = watching.communicate(timeout=180)
    assert watching.returncode == 0, (output, errors)
    jobs = stage.coverage("jobs")
    assert (jobs["seen"], jobs["compared"], jobs["again"]) == (1, 1, 1), (jobs, output, errors)
    [row] = stage.json("report", "jobs", status=(0, 1))["pipelines"]
    # The body succeeds: its failure differed, and is history now.
    assert (row["match"], row["mismatch"]) == (1, 0), row


def test_an_application_in_another_database_of_the_same_redis_is_not_this_one(stage: Stage) -> None:
    stage.celery("worker", "--pool", "threads", "--loglevel", "WARNING", database=1)
    watching = stage.start("shadow", "--for", "16s")
    wait_until("it watches", lambda: stage.coverage("tick")["compared"] > 2, 60)
    stage.call("for _ in range(5): count.delay(7).get(timeout=30)", database=1)
    _, errors = watching.communicate(timeout=120)
    assert watching.returncode == 0 and "5 runs left out: their results are not in the source's database" in errors
    coverage = adds_up(stage)
    assert (coverage["not_scheduled"], coverage["ambiguous"], coverage["lost"]) == (0, 0, 0), coverage


def test_calls_by_hand_and_by_other_tasks_are_no_ticks(stage: Stage) -> None:
    watching = stage.start("shadow", "--for", "20s")
    wait_until("it watches", lambda: stage.coverage("tick")["compared"] > 2, 60)
    stage.call("[count.delay(7) for _ in range(5)]")
    assert watching.wait(90) == 0
    coverage = adds_up(stage)
    # Calls that came in the very moment of a fire make it ambiguous; none is taken for a tick of its own.
    assert coverage["not_scheduled"] > 0, coverage
    assert coverage["seen"] + coverage["ambiguous"] <= coverage["fired"], coverage
    assert coverage["compared"] <= coverage["fired"], coverage
