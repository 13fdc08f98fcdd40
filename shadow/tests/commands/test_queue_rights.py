"""A right of Bailey's database user is revoked at each step of a cutover and of a rollback of job types: it is named, and the next command completes."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from desk import OVERRIDE
from office import quick

from lab import poller
from testing.postgres import cluster
from testing.world import BAILEY

ADD = "INSERT INTO tasks.background_jobs (id, job_id, job_type, job_data, status, created_at) VALUES (%s, %s, %s, '{}', %s, now())"
TABLE = "tasks.background_jobs"
# What is taken away, and given again.
RIGHTS = [f"UPDATE ON {TABLE}", f"SELECT ON {TABLE}", "USAGE ON SCHEMA tasks"]
STEPS = [(word, line) for word, lines in (("cutover", 7), ("rollback", 2)) for line in range(1, lines + 1)]


class Place:
    """A database with the table, Bailey's user in it, and a workspace."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.admin: psycopg.Connection[Any] = psycopg.connect(url, autocommit=True)
        self.admin.execute(poller.TABLE)
        self.admin.execute("CREATE ROLE bailey LOGIN")
        self.admin.execute("GRANT CREATE ON DATABASE postgres TO bailey")
        for right in (*RIGHTS, f"TRIGGER ON {TABLE}"):
            self.admin.execute(f"GRANT {right} TO bailey")
        settings = {
            "version": 1,
            "sources": {"jobs": {"kind": "queue", "profile": "quick", "url": url.replace("postgres@", "bailey@")}},
        }
        (folder / "bailey.yaml").write_text(json.dumps(settings), encoding="utf-8")
        quick(folder)

    def add(self, job_type: str, status: str = "pending") -> None:
        job = str(uuid.uuid4())
        self.admin.execute(ADD, (job, f"{job_type}-{job}", job_type, status))

    def run(self, *words: str, die_at: int | None = None) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **({} if die_at is None else {"BAILEY_DIE_AT": str(die_at)})}
        return subprocess.run(
            [str(BAILEY), *words, "--json"],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def state(self, job_type: str) -> str:
        if self.admin.execute("SELECT to_regclass('bailey.switch')").fetchone() == (None,):
            return "none"
        row = self.admin.execute("SELECT state FROM bailey.switch WHERE job_type = %s", (job_type,)).fetchone()
        return "none" if row is None else str(row[0])

    def statuses(self, job_type: str) -> dict[str, int]:
        sql = f"SELECT status, count(*) FROM {TABLE} WHERE job_type = %s GROUP BY 1"
        return dict(self.admin.execute(sql, (job_type,)).fetchall())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with cluster() as url:
        one = Place(tmp_path_factory.mktemp("rights"), url)
        yield one
        one.admin.close()


@pytest.mark.parametrize("right", RIGHTS)
def test_a_right_that_is_revoked_half_way_is_named_and_the_next_command_completes(place: Place, right: str) -> None:
    types = {step: f"{step[0]}{step[1]}_{RIGHTS.index(right)}" for step in STEPS}
    for job_type in types.values():
        place.add(job_type, "completed")
    assert place.run("import").returncode == 0
    states = set()
    for (word, line), job_type in types.items():
        for _ in range(2):
            place.add(job_type)
        moved = ("cutover", f"jobs__{job_type}", "--execute", *OVERRIDE)
        if word == "cutover":
            assert place.run(*moved, die_at=line).returncode in (-9, 0), (word, line)
        else:
            assert place.run(*moved).returncode == 0
            assert place.run("rollback", f"jobs__{job_type}", "--execute", die_at=line).returncode in (-9, 0), (
                word,
                line,
            )
        place.add(job_type)
        before = (place.state(job_type), place.statuses(job_type))
        states.add(before[0])
        place.admin.execute(f"REVOKE {right} FROM bailey")
        ended = place.run("rollback", f"jobs__{job_type}", "--execute")
        said = ended.stdout + ended.stderr
        place.admin.execute(f"GRANT {right} TO bailey")
        if before[0] not in ("none", "legacy"):
            # What could not be done is said. New jobs are legacy's already, or nothing has changed at all.
            assert ended.returncode != 0 and "permission denied" in said, (word, line, before, said)
            after = (place.state(job_type), place.statuses(job_type))
            assert after[0] == "legacy" or after == before, (word, line, before, after)
        for words in (("watch", "--once"), ("rollback", f"jobs__{job_type}", "--execute")):
            ended = place.run(*words)
            assert ended.returncode == 0, (word, line, words, ended.stdout, ended.stderr)
        assert place.state(job_type) in ("none", "legacy")
        place.add(job_type)
        assert place.statuses(job_type) == {"completed": 1, "pending": 4}, (word, line)
    assert states == {"none", "closing", "airflow", "legacy"} or states == {"closing", "airflow", "legacy"}
