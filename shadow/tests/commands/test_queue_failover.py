"""The primary of a queue is gone and a standby that lagged is promoted: what it has forgotten is told and mended."""

from __future__ import annotations

import json
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from desk import OVERRIDE
from office import quick

from bailey_runtime import queue as switch
from lab import poller
from testing.network import Network
from testing.postgres import Cluster
from testing.server import wait_until
from testing.world import BAILEY

ADD = "INSERT INTO tasks.background_jobs (id, job_id, job_type, job_data, status, created_at) VALUES (%s, %s, %s, '{}', %s, now())"
HELD = "SELECT count(*) FROM tasks.background_jobs WHERE job_type = %s AND status LIKE 'bailey_held%%'"


class Pair:
    """A primary and its standby, reached through a network that leads to whichever is the primary; a workspace before it."""

    def __init__(self, folder: Path, clusters: Path) -> None:
        self.folder = folder
        self.primary = Cluster(made(clusters / "primary")).make().start()
        with psycopg.connect(self.primary.url, autocommit=True) as connection:
            connection.execute(poller.TABLE)
        self.link = Network(self.primary.port)
        self.network = Network(self.primary.port)
        self.standby = Cluster(made(clusters / "standby")).copy(self.link.port).start()
        settings = {
            "version": 1,
            "sources": {
                "jobs": {
                    "kind": "queue",
                    "profile": "quick",
                    "url": f"postgresql://postgres@127.0.0.1:{self.network.port}/postgres",
                }
            },
        }
        (folder / "bailey.yaml").write_text(json.dumps(settings), encoding="utf-8")
        quick(folder)

    def end(self) -> None:
        self.primary.kill()
        self.standby.kill()
        self.link.close()
        self.network.close()

    def connect(self) -> psycopg.Connection[Any]:
        """As an application or an Airflow does."""
        return psycopg.connect(f"postgresql://postgres@127.0.0.1:{self.network.port}/postgres", autocommit=True)

    def add(self, job_type: str, count: int = 1, status: str = "pending") -> None:
        with self.connect() as connection:
            for _ in range(count):
                job = str(uuid.uuid4())
                connection.execute(ADD, (job, f"{job_type}-{job}", job_type, status))

    def held(self, job_type: str) -> int:
        with self.connect() as connection:
            [(count,)] = connection.execute(HELD, (job_type,)).fetchall()
        return int(count)

    def state(self, job_type: str) -> str:
        sql = "SELECT state FROM bailey.switch WHERE job_type = %s"
        with self.connect() as connection:
            installed = connection.execute("SELECT to_regclass('bailey.switch') IS NOT NULL").fetchone()
            row = connection.execute(sql, (job_type,)).fetchone() if installed == (True,) else None
        return str(row[0]) if row else "none"

    def in_step(self) -> None:
        """Waits until the standby has everything."""
        with self.connect() as connection:
            [(at,)] = connection.execute("SELECT pg_current_wal_flush_lsn()::text").fetchall()

        def has_it() -> bool:
            with psycopg.connect(self.standby.url) as standby:
                [(far,)] = standby.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (at,)).fetchall()
            return bool(far)

        wait_until("the standby has everything", has_it)

    def fail_over(self) -> None:
        """The primary is gone, and the standby takes its place with what it knows."""
        self.primary.kill()
        with psycopg.connect(self.standby.url, autocommit=True) as standby:
            assert standby.execute("SELECT pg_promote()").fetchone() == (True,)
        self.network.lead_to(self.standby.port)

    def run(self, *words: str, status: int = 0) -> Any:
        done = subprocess.run(
            [str(BAILEY), *words, "--json"], cwd=self.folder, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    def cut_over(self, job_type: str) -> Any:
        [queue] = self.run("cutover", f"jobs__{job_type}", "--execute", *OVERRIDE)["queues"]
        assert queue["outcome"] == "done" and self.state(job_type) == "airflow"
        return queue

    def roll_back(self, job_type: str) -> None:
        [queue] = self.run("rollback", f"jobs__{job_type}", "--execute")["queues"]
        assert queue["outcome"] == "done" and self.state(job_type) == "legacy"

    def unknown(self, job_type: str) -> str:
        return " ".join(self.run("status", f"jobs__{job_type}")["pipelines"][0]["unknown"])

    def forgotten(self) -> dict[str, Any]:
        """What one look of `watch` says was forgotten, by pipeline."""
        events = self.run("watch", "--once")["events"]
        return {one["pipeline"]: one for one in events if one["event"] == "forgotten"}


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    # PostgreSQL's own account has to enter it.
    with tempfile.TemporaryDirectory(prefix="bailey-postgres-") as clusters:
        Path(clusters).chmod(0o755)
        one = Pair(tmp_path, Path(clusters))
        try:
            for job_type in ("kept", "returned", "taken", "untouched"):
                one.add(job_type, status="completed")
            one.run("import")
            yield one
        finally:
            one.end()


def test_what_a_standby_that_lagged_has_forgotten_is_told_and_mended(pair: Pair) -> None:
    pair.cut_over("kept")
    pair.cut_over("returned")
    pair.add("returned", 3)
    pair.add("kept", 3)
    pair.in_step()
    pair.link.stall()
    pair.cut_over("taken")
    pair.add("taken", 2)
    pair.roll_back("returned")
    with pair.connect() as connection:
        jobs = switch.take(connection, "jobs", "kept", "dag/lost", 1)
    assert [pair.held(one) for one in ("kept", "returned", "taken")] == [2, 0, 2]

    pair.fail_over()
    assert [pair.state(one) for one in ("kept", "returned", "taken")] == ["airflow", "airflow", "none"]
    assert [pair.held(one) for one in ("kept", "returned", "taken")] == [3, 3, 0]
    # A run asks before each body whether it has the job still: of a take that was forgotten nothing more is run.
    with pair.connect() as connection:
        assert switch.claim(connection, "jobs", jobs[0]["job"], "dag/lost") == "unknown"
    assert "forgotten a rollback" in pair.unknown("returned")
    assert "forgotten a cutover" in pair.unknown("taken")
    assert "forgotten" not in pair.unknown("kept") + pair.unknown("untouched")
    told = pair.forgotten()
    assert told.keys() == {"jobs__returned", "jobs__taken"}
    assert all(one["level"] == "urgent" and "database of jobs" in one["text"] for one in told.values())
    assert (pair.state("returned"), pair.held("returned")) == ("legacy", 0)
    assert pair.forgotten() == {}
    assert "forgotten" not in pair.unknown("returned") + pair.unknown("taken")
    # What both knew goes on, and everything can be moved again.
    with pair.connect() as connection:
        assert len(switch.take(connection, "jobs", "kept", "dag/2", 9)) == 3
    pair.cut_over("taken")
    pair.cut_over("returned")
    for job_type in ("taken", "returned"):
        pair.roll_back(job_type)


@pytest.mark.parametrize("mend", ["cutover", "rollback"])
def test_the_next_command_completes_what_was_forgotten(pair: Pair, mend: str) -> None:
    pair.cut_over("returned")
    pair.add("returned", 2)
    pair.in_step()
    pair.link.stall()
    pair.roll_back("returned")
    pair.fail_over()
    assert pair.held("returned") == 2
    if mend == "rollback":
        pair.roll_back("returned")
        assert pair.held("returned") == 0
    else:
        pair.cut_over("returned")
        with pair.connect() as connection:
            assert len(switch.take(connection, "jobs", "returned", "dag/1", 9)) == 2
        assert pair.forgotten() == {}
        pair.roll_back("returned")
    assert pair.forgotten() == {}
    assert "forgotten" not in pair.unknown("returned")


def test_a_standby_from_before_the_switch_knows_nothing_of_it_and_legacy_goes_on(pair: Pair) -> None:
    pair.in_step()
    pair.link.stall()
    pair.cut_over("taken")
    pair.add("taken", 2)
    pair.fail_over()
    assert (pair.state("taken"), pair.held("taken")) == ("none", 0)
    assert "forgotten a cutover" in pair.unknown("taken")
    done = pair.run("rollback", "jobs__taken", "--execute")
    notes = json.dumps(done)
    assert "has come back older than the journal" in notes
    assert "forgotten" not in pair.unknown("taken")
    pair.cut_over("taken")
    pair.roll_back("taken")


def test_a_standby_that_is_not_waited_for_is_named_before(pair: Pair) -> None:
    with psycopg.connect(pair.primary.url, autocommit=True) as connection:
        wait_until("it follows", lambda: connection.execute("SELECT FROM pg_stat_replication").rowcount == 1)
    [queue] = pair.run("cutover", "jobs__taken", status=1)["queues"]
    assert "a failover may forget the newest moves" in " ".join(queue["notes"])
