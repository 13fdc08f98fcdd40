"""A queue of somebody else's software whose jobs move to Airflow and back by the built program, while its own workers and DAG runs work on it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
BAILEY = ROOT / ".build/debug/bailey"
OVERRIDE = ("--override", "a test", "--reason", "nothing was compared here")
# One line for each time that a job's body ran to its end.
EFFECTS = """CREATE TABLE effects (place bigint GENERATED ALWAYS AS IDENTITY, n integer, by text, failed boolean NOT NULL DEFAULT false)"""


def wait_until(what: str, condition: Any, limit: float = 60.0) -> None:
    """Waits for a condition; the test fails if it does not hold within the limit (seconds)."""
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit:g} s: {what}"
        time.sleep(0.05)


class Moving:
    """A database with a queue of one job type, and a workspace of Bailey's before it."""

    def __init__(self, folder: Path, url: str, profile: str, table: str, job_type: str) -> None:
        self.folder, self.url, self.profile, self.table, self.type = folder, url, profile, table, job_type
        self.connection = psycopg.connect(url, autocommit=True)
        self.connection.execute(EFFECTS)
        folder.joinpath("mappings").mkdir(exist_ok=True)
        self.settle()

    def settle(self, **source: Any) -> None:
        """Writes the workspace's settings."""
        document = {
            "version": 1,
            "sources": {"q": {"kind": "queue", "url": self.url, "profile": self.profile} | source},
            "policy": {"compared_ticks": 0, "in_a_row": 0},
        }
        self.folder.joinpath("bailey.yaml").write_text(json.dumps(document), encoding="utf-8")

    def repeat(self, limit: int) -> None:
        """The profile of the workspace's own, by which a failed job is repeated at once."""
        folder = self.folder / "mappings" / "profiles"
        folder.mkdir(exist_ok=True)
        text = (ROOT / f"mappings/profiles/{self.profile}.yaml").read_text(encoding="utf-8")
        before = text
        text = text.replace("  retries: {", f"  retries: {{delay: 0.01s, limit: {limit}, ")
        assert text != before
        folder.joinpath(f"{self.profile}.yaml").write_text(text, encoding="utf-8")

    def run(self, *words: str, limit: float = 120) -> subprocess.CompletedProcess[str]:
        """A command to its end."""
        return subprocess.run(
            [str(BAILEY), *words], cwd=self.folder, capture_output=True, text=True, timeout=limit, check=False
        )

    def json(self, *words: str, status: int = 0) -> Any:
        """A command's document."""
        done = self.run(*words, "--json")
        assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    def begin(self) -> None:
        """Reads the queue and plans, so that its type has a pipeline."""
        self.json("import")
        plan = self.json("plan")
        [self.pipeline] = [p["id"] for p in plan["pipelines"] if f"q/{self.type}" in json.dumps(p)]

    def cut_over(self, *words: str) -> None:
        """Moves the type to Airflow by the command."""
        document = self.json("cutover", self.pipeline, "--execute", *OVERRIDE, *words)
        assert [queue["outcome"] for queue in document["queues"]] == ["done"], document

    def roll_back(self) -> None:
        """Gives the type back by the command."""
        self.json("rollback", self.pipeline, "--execute")

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """All rows of a statement."""
        return self.connection.execute(sql, values or None).fetchall()

    def one(self, sql: str, *values: Any) -> Any:
        """The only value of a statement."""
        return self.rows(sql, *values)[0][0]

    def table_now(self) -> list[tuple[Any, ...]]:
        """Every row of the queue's table, byte for byte."""
        return self.rows(f"SELECT j::text FROM {self.table} j ORDER BY j::text")

    def take(self, run: str, most: int = 100) -> list[Any]:
        """What a run takes."""
        from bailey_runtime import queue as switch

        return list(switch.take(self.connection, "q", self.type, run, most))

    def finish(self, job: str, run: str, state: str, error: str | None = None) -> str:
        """Ends a job of a run; what became of it."""
        from bailey_runtime import queue as switch

        return switch.finish(self.connection, "q", job, run, state, error)

    def each_once(self, jobs: int) -> dict[str, int]:
        """Every job's body ran once, whoever ran it; how many each side ran."""
        counts = self.rows("SELECT n, count(*) FROM effects WHERE NOT failed GROUP BY n HAVING count(*) <> 1")
        assert counts == [], f"ran more than once: {counts[:10]}"
        ran = self.one("SELECT count(DISTINCT n) FROM effects WHERE NOT failed")
        assert ran == jobs, f"{jobs - ran} of {jobs} jobs were lost"
        return dict(self.rows("SELECT by, count(*) FROM effects GROUP BY by"))


class Crew:
    """Processes of a test: the software's own workers, and runs of a DAG."""

    def __init__(self, moving: Moving, folder: Path) -> None:
        self.moving, self.folder = moving, folder
        self.members: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, kind: str, *words: str) -> None:
        """Starts a member, or starts it again."""
        command = [sys.executable, str(HERE / "real_workers.py"), kind, self.moving.url, *words]
        if kind == "dag":
            command += ["--type", self.moving.type, "--backlog", str(self.folder / f"{name}.run")]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.members[name] = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self, name: str) -> None:
        """Kills a member by SIGKILL."""
        self.members[name].kill()
        self.members[name].wait()

    def stop(self, name: str) -> None:
        """Asks a member to end, as a deployment does."""
        self.members[name].terminate()
        self.members[name].wait(timeout=30)

    def said(self) -> str:
        """What members that ended by themselves have said last."""
        ended = [name for name, member in self.members.items() if member.poll() not in (None, -9, -15)]
        return "\n".join((self.folder / f"{name}.log").read_text(encoding="utf-8")[-4000:] for name in ended)

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for name in self.members:
            self.kill(name)


@contextmanager
def database(cluster_url: str) -> Iterator[str]:
    """A new database's URL."""
    name = f"q{uuid.uuid4().hex[:8]}"
    with psycopg.connect(cluster_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield cluster_url.rsplit("/", 1)[0] + f"/{name}"


def move_over_and_back(moving: Moving, crew: Crew, add: Any, unfinished: Any, jobs: int) -> str:
    """Jobs arrive while their type moves over, back and by share, and runs of the DAG are killed, until all have ended; what was done."""
    seed = int(os.environ.get("BAILEY_SEED") or random.randrange(1 << 30))
    chance = random.Random(seed)
    moves = kills = added = 0
    wait_until("legacy is at it", lambda: moving.one("SELECT count(*) FROM effects") > 0)
    while added < jobs or moves < 4:
        if added < jobs:
            more = min(max(jobs // 40, 20), jobs - added)
            add(added, more)
            added += more
        step = chance.choice(("over", "share", "back", "kill")) if moves >= 2 else ("over", "back")[moves]
        if step == "over":
            moving.cut_over()
        elif step == "share":
            moving.cut_over("--share", f"{chance.randrange(10, 100, 10)}%")
        elif step == "back":
            moving.roll_back()
        else:
            name = f"dag-{chance.randrange(2)}"
            crew.kill(name)
            crew.start(name, "dag")
            kills += 1
        moves += step != "kill"
    moving.roll_back()
    wait_until("all jobs have ended", lambda: unfinished() == 0, 120)
    said = crew.said()
    assert not said, said[:3000]
    return f"seed {seed}: {jobs} jobs, {moves} moves, {kills} runs killed"
