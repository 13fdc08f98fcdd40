"""Whatever happens, down leaves no process, no folder and no shared memory."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import psycopg
from commands import Lab, segments, wait_until

from lab.record import Record


def up(lab: Lab) -> Record:
    done = lab.run("up")
    assert done.returncode == 0, done.stderr
    return lab.record


def assert_gone(lab: Lab, record: Record) -> None:
    assert not lab.folder.exists()
    assert not Path(record.postgres_data).exists()
    assert segments(record.pids["postgres"]) == []


def test_down_leaves_nothing_and_is_harmless_twice(lab: Lab) -> None:
    record, processes = up(lab), lab.processes()
    assert len(processes) >= 5 + 4
    assert lab.run("down").returncode == 0
    assert [process for process in processes if process.alive] == []
    assert_gone(lab, record)
    again = lab.run("down")
    assert again.returncode == 0
    assert "no laboratory" in again.stderr


def test_members_killed_and_down_still_cleans(lab: Lab) -> None:
    record, processes = up(lab), lab.processes()
    for name in ("worker", "postgres", "redis"):
        record.member(name).send(signal.SIGKILL)
    wait_until("the killed are gone", lambda: not any(record.member(name).alive for name in ("worker", "redis")))
    status = lab.run("status")
    assert status.returncode == 1
    assert status.stdout.count("gone") >= 3
    refused = lab.run("up")
    assert refused.returncode == 1
    assert "without redis, postgres, worker" in refused.stderr
    assert lab.run("down").returncode == 0
    assert [process for process in processes if process.alive] == []
    assert_gone(lab, record)


def test_interrupted_up_leaves_nothing(lab: Lab) -> None:
    starting = lab.begin("up")
    assert starting.stderr is not None
    assert "redis: ready" in starting.stderr.readline()
    assert "postgres: ready" in starting.stderr.readline()
    wait_until("the worker is starting", lambda: "worker" in lab.record.pids)
    record, processes = lab.record, lab.processes()
    starting.send_signal(signal.SIGINT)
    assert "nothing is left" in starting.communicate(timeout=60)[1]
    assert starting.returncode == 130
    assert [process for process in processes if process.alive] == []
    assert_gone(lab, record)


def test_killed_up_is_cleared_by_the_next(lab: Lab) -> None:
    starting = lab.begin("up")
    wait_until("PostgreSQL was started", lambda: (lab.folder / "lab.json").exists() and "postgres" in lab.record.pids)
    broken, processes = lab.record, lab.processes()
    starting.kill()
    starting.communicate(timeout=60)
    record = up(lab)
    assert record.token != broken.token
    assert [process for process in processes if process.alive] == []
    assert not Path(broken.postgres_data).exists() or broken.postgres_data == record.postgres_data


def test_killed_up_is_cleared_without_another(lab: Lab) -> None:
    starting = lab.begin("up")
    wait_until("PostgreSQL was started", lambda: (lab.folder / "lab.json").exists() and "postgres" in lab.record.pids)
    record, processes = lab.record, lab.processes()
    starting.kill()
    starting.communicate(timeout=60)
    wait_until("the guardian has cleared up", lambda: not lab.folder.exists())
    assert [process for process in processes if process.alive] == []
    assert_gone(lab, record)


def test_it_goes_when_its_owner_is_killed(lab: Lab) -> None:
    owner = subprocess.Popen(["sleep", "600"])
    try:
        assert lab.run("up", "--owner", str(owner.pid)).returncode == 0
        record, processes = lab.record, lab.processes()
        assert lab.run("status").returncode == 0
    finally:
        owner.kill()
        owner.wait()
    wait_until("the guardian has cleared up", lambda: not lab.folder.exists())
    assert [process for process in processes if process.alive] == []
    assert_gone(lab, record)


def test_down_while_up_is_at_it(lab: Lab) -> None:
    starting = lab.begin("up")
    wait_until("Redis was started", lambda: (lab.folder / "lab.json").exists() and "redis" in lab.record.pids)
    assert lab.run("down").returncode == 0
    starting.communicate(timeout=60)
    assert starting.returncode == 130
    assert not lab.folder.exists()


def test_a_long_query_does_not_hold_up_down(lab: Lab) -> None:
    record = up(lab)
    with psycopg.connect(record.postgres_url) as connection:
        connection.execute("SELECT count(*) FROM tasks.background_jobs")
        assert lab.run("down").returncode == 0
        connection.close()
    assert_gone(lab, record)


def test_a_folder_of_somebody_else_is_refused(lab: Lab) -> None:
    lab.folder.mkdir()
    (lab.folder / "thesis.txt").write_text("mine", encoding="utf-8")
    refused = lab.run("up")
    assert refused.returncode == 1
    assert "not empty" in refused.stderr
    assert lab.run("down").returncode == 0
    assert [entry.name for entry in lab.folder.iterdir()] == ["thesis.txt"]
