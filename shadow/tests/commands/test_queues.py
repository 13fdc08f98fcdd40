"""Job types by the command line, on the company's live queue: `watch` looks after them, `retire` takes their switch away."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import psycopg
import pytest
from desk import OVERRIDE
from office import Office

from bailey_runtime import queue as switch
from lab import poller
from lab.record import Record
from testing.server import wait_until

ADD = "INSERT INTO tasks.background_jobs (id, job_id, job_type, job_data, status, created_at) VALUES (%s, %s, %s, '{}', %s, now())"


class Queue:
    """A job type of a test's own in the company's queue."""

    def __init__(self, office: Office, connection: psycopg.Connection[Any]) -> None:
        self.office = office
        self.connection = connection
        self.type = f"probe_{uuid.uuid4().hex[:8]}"
        self.pipeline = f"jobs__{self.type}"
        # A type is known by its jobs.
        self.add("completed")
        assert office.run("import").returncode == 0

    def add(self, status: str = "pending") -> str:
        """Adds a job; its id."""
        job = str(uuid.uuid4())
        self.connection.execute(ADD, (job, f"{self.type}-{job}", self.type, status))
        return job

    def state(self) -> str | None:
        """Who owns the type's jobs, by its switch."""
        installed = self.connection.execute("SELECT to_regclass('bailey.switch') IS NOT NULL").fetchone()
        if installed != (True,):
            return None
        row = self.connection.execute("SELECT state FROM bailey.switch WHERE job_type = %s", (self.type,)).fetchone()
        return None if row is None else str(row[0])

    def cut_over(self) -> None:
        """Moves the type to Airflow."""
        document = self.office.json("cutover", self.pipeline, "--execute", *OVERRIDE)
        assert [queue["outcome"] for queue in document["queues"]] == ["done"]
        assert self.state() == "airflow"

    def fail(self, run: str) -> None:
        """A run takes one job, which fails."""
        self.add()
        jobs = switch.take(self.connection, "jobs", self.type, run, 1)
        assert len(jobs) == 1
        assert switch.finish(self.connection, "jobs", jobs[0]["job"], run, "failed", "no") == "retry"

    def watch_until(self, event: str) -> dict[str, Any]:
        """Looks until something has happened to the pipeline."""
        found: list[dict[str, Any]] = []

        def happened() -> bool:
            events = self.office.json("watch", "--once")["events"]
            found.extend(one for one in events if one["pipeline"] == self.pipeline and one["event"] == event)
            return bool(found)

        wait_until(f"{event} of {self.pipeline}", happened, 60)
        return found[0]


@pytest.fixture
def connection(company: Record) -> Iterator[psycopg.Connection[Any]]:
    """The queue's database."""
    with psycopg.connect(company.postgres_url, autocommit=True) as connection:
        yield connection


def test_what_was_left_closing_is_settled(company: Record, connection: psycopg.Connection[Any], tmp_path: Path) -> None:
    queue = Queue(Office(tmp_path, company), connection)
    for lines in range(1, 20):
        queue.office.run("cutover", queue.pipeline, "--execute", *OVERRIDE, die_at=lines)
        if queue.state() == "closing":
            break
    assert queue.state() == "closing"
    status = queue.office.json("status", queue.pipeline)["pipelines"][0]
    assert (status["stage"], status["owner"]) == ("closing", "closing")
    event = queue.watch_until("settled")
    assert queue.type in event["text"]
    status = queue.office.json("status", queue.pipeline)["pipelines"][0]
    assert (status["stage"], status["waits_for"]) == ("airflow", f"clean jobs, then bailey retire {queue.pipeline}")
    queue.office.json("rollback", queue.pipeline, "--execute")
    assert queue.state() == "legacy"


def test_failed_jobs_give_the_type_back(company: Record, connection: psycopg.Connection[Any], tmp_path: Path) -> None:
    queue = Queue(Office(tmp_path, company, rollback={"failed_runs": 2}), connection)
    queue.cut_over()
    queue.fail("dag/1")
    assert [one for one in queue.office.json("watch", "--once")["events"] if one["pipeline"] == queue.pipeline] == []
    queue.fail("dag/2")
    event = queue.watch_until("rolled-back")
    assert event["level"] == "urgent" and "the newest 2 jobs failed" in event["text"]
    assert queue.state() == "legacy"
    # Both wait for legacy again.
    count = "SELECT count(*) FROM tasks.background_jobs WHERE job_type = %s AND status LIKE 'bailey%%'"
    assert connection.execute(count, (queue.type,)).fetchone() == (0,)


def test_a_job_that_nobody_takes_gives_the_type_back(
    company: Record, connection: psycopg.Connection[Any], tmp_path: Path
) -> None:
    queue = Queue(Office(tmp_path, company, rollback={"late_by": "2s"}), connection)
    queue.cut_over()
    job = queue.add()
    event = queue.watch_until("rolled-back")
    assert f"no run has taken the job {job}" in event["text"]
    assert queue.state() == "legacy"


def test_the_switch_of_a_queue_is_taken_away_with_the_last_type(
    company: Record, connection: psycopg.Connection[Any], tmp_path: Path
) -> None:
    office = Office(tmp_path, company)
    one, two = Queue(office, connection), Queue(office, connection)
    one.cut_over()
    two.cut_over()
    # Nothing proves that Airflow takes the jobs without it, and the company's worker would.
    for words in ((), ("--execute",), ("--execute", *OVERRIDE)):
        document = office.json("retire", one.pipeline, *words, status=1)
        assert document["outcome"] == ("refused" if words else None)
        [afterwards] = document["queues"]
        assert (afterwards["removed"], afterwards["refusal"]) == (False, None)
        assert [use.split()[0] for use in afterwards["used_by"]] == [two.type]
        assert {line["rule"]: line["verdict"] for line in document["policy"]["lines"]} == {
            "owner": "pass",
            "clean-ticks": "not-enough-data",
            "ungated": "fail",
            "deployed": "observer-broken",
            "legacy-worker": "fail",
        }
        assert document["delete_from_code"] == [one.type] and document["archive"] is None
    text = office.run("retire", one.pipeline).stdout
    assert f'delete from the legacy worker: its handler of the job type "{one.type}"' in text, text
    assert one.state() == "airflow"
    assert office.json("retire", one.pipeline, "--undo", "--execute")["outcome"] == "nothing"
    # It stays for another pipeline's jobs too.
    office.json("rollback", one.pipeline, "--execute")
    document = office.json("retire", one.pipeline, "--execute", status=1)
    assert two.type in document["queues"][0]["refusal"]["found"]
    assert two.state() == "airflow"
    # Nor while a run has a job.
    job = two.add()
    assert len(switch.take(connection, "jobs", two.type, "dag/1", 1)) == 1
    office.json("rollback", two.pipeline, "--execute")
    document = office.json("retire", two.pipeline, "--execute", status=1)
    assert "runs have 1 of its jobs" in document["queues"][0]["refusal"]["found"]
    assert switch.finish(connection, "jobs", job, "dag/1", "success") == "success"

    assert "DROP TRIGGER IF EXISTS bailey_arrival" in office.run("retire", two.pipeline, "--sql").stdout
    dry = office.json("retire", two.pipeline)
    assert dry["queues"][0]["installed"] is True and two.state() == "legacy"
    document = office.json("retire", two.pipeline, "--execute")
    assert (document["outcome"], document["queues"][0]["removed"]) == ("done", True)
    assert two.state() is None
    triggers = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'bailey%'"
    assert connection.execute(triggers).fetchone() == (0,)
    assert connection.execute("SELECT to_regnamespace('bailey')").fetchone() == (None,)
    assert office.json("retire", two.pipeline, "--execute")["outcome"] == "nothing"


def test_jobs_that_are_held_for_nobody_are_an_error_of_every_command(
    company: Record, connection: psycopg.Connection[Any], tmp_path: Path
) -> None:
    queue = Queue(Office(tmp_path, company), connection)
    # As a restore without schema bailey leaves them.
    job = queue.add("bailey_held")
    try:
        document = queue.office.json("rollback", queue.pipeline, status=1)
        [report] = document["queues"]
        [refusal] = report["refusals"]
        assert refusal["reason"] == "stranded" and queue.type in refusal["found"]
        assert "UPDATE" in refusal["advice"] and "bailey_held" in refusal["advice"]
        checks = queue.office.json("doctor", status=3)["checks"]
        assert any(check["name"] == "jobs" and not check["ok"] and queue.type in check["detail"] for check in checks)
    finally:
        connection.execute("DELETE FROM tasks.background_jobs WHERE id = %s", (job,))


def test_a_rollback_names_who_has_a_job_locked_and_gives_back_the_others(
    company: Record, connection: psycopg.Connection[Any], tmp_path: Path
) -> None:
    queue = Queue(Office(tmp_path, company), connection)
    queue.cut_over()
    jobs = [queue.add() for _ in range(3)]
    sql = queue.office.run("rollback", queue.pipeline, "--sql").stdout
    assert "UPDATE" in sql and "bailey_held" in sql and queue.type in sql
    status = "SELECT id::text, status FROM tasks.background_jobs WHERE id::text = ANY (%s)"
    with psycopg.connect(company.postgres_url, application_name="the app") as app:
        app.execute("SELECT FROM tasks.background_jobs WHERE id = %s FOR UPDATE", (jobs[0],))
        document = queue.office.json("rollback", queue.pipeline, "--execute", status=1)
        [report] = document["queues"]
        assert (report["outcome"], report["unswept"]) == ("done", [queue.type])
        [blocked] = report["blocked"]
        assert blocked["held"] == 1 and ("the app", app.info.backend_pid) in {
            (by["name"], by["pid"]) for by in blocked["by"]
        }
        assert "bailey_held" not in dict(connection.execute(status, (jobs[1:],)).fetchall()).values()
        pipeline = queue.office.json("status", queue.pipeline)["pipelines"][0]
        assert any("held although the type is legacy" in unknown for unknown in pipeline["unknown"])
    assert queue.office.json("rollback", queue.pipeline, "--execute")["queues"][0]["unswept"] == []
    assert "bailey_held" not in dict(connection.execute(status, (jobs,)).fetchall()).values()


def test_jobs_that_no_run_takes_are_an_alarm_without_any_policy(
    company: Record, connection: psycopg.Connection[Any], tmp_path: Path
) -> None:
    queue = Queue(Office(tmp_path, company), connection)
    queue.cut_over()
    # As a DAG whose connection names another database, or that is paused.
    connection.execute(
        "UPDATE bailey.switch SET settled_at = settled_at - interval '1 hour' WHERE job_type = %s", (queue.type,)
    )
    job = queue.add()
    older = "UPDATE tasks.background_jobs SET created_at = created_at - interval '50 minutes' WHERE id = %s"
    connection.execute(older, (job,))
    event = queue.watch_until("unasked")
    assert event["level"] == "urgent" and job in event["text"] and "names this database" in event["text"]
    assert "nobody runs them" in " ".join(queue.office.json("status", queue.pipeline)["pipelines"][0]["unknown"])
    assert len(switch.take(connection, "jobs", queue.type, "dag/1", 9)) == 1
    assert queue.office.json("status", queue.pipeline)["pipelines"][0]["unknown"] == []
    queue.office.json("rollback", queue.pipeline, "--execute", "--return-claims", "dag/1")


def test_another_installation_of_airflow_is_named_and_may_take_over(
    company: Record, connection: psycopg.Connection[Any], tmp_path: Path
) -> None:
    queue = Queue(Office(tmp_path, company), connection)
    queue.cut_over()

    def taken(installation: str, run: str) -> int:
        queue.add()
        return len(switch.take(connection, "jobs", queue.type, run, 1, installation))

    assert taken("blue", "dag/1") == 1 and taken("green", "dag/1") == 0
    assert queue.watch_until("other-installation")["text"].count("green") == 2
    assert "“green”" in " ".join(queue.office.json("status", queue.pipeline)["pipelines"][0]["unknown"])
    queue.office.json("cutover", queue.pipeline, "--installation", "green", "--execute", *OVERRIDE)
    assert taken("green", "dag/2") == 1 and taken("blue", "dag/2") == 0
    queue.office.json("rollback", queue.pipeline, "--execute", "--return-claims", "dag/1", "--return-claims", "dag/2")


@pytest.fixture
def apart(company: Record, connection: psycopg.Connection[Any]) -> Iterator[Record]:
    """A database of its own, with the company's table and nothing else."""
    name = f"apart_{uuid.uuid4().hex[:8]}"
    connection.execute(f"CREATE DATABASE {name}")
    connection.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
    url = company.postgres_url.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(url, autocommit=True) as made:
        made.execute(poller.TABLE)
    yield replace(company, postgres_url=url)
    connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    for (role,) in connection.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'mover%%'").fetchall():
        connection.execute(f"DROP ROLE {role}")


Grant = tuple[str, str]


class Mover:
    """A workspace whose database user has the rights that are printed and no more."""

    def __init__(self, apart: Record, folder: Path, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self.queue = Queue(Office(folder, apart), connection)
        self.printed = self.queue.office.json("doctor", "--rights")["needs"]
        self.role = f"mover_{uuid.uuid4().hex[:8]}"
        connection.execute(f"CREATE ROLE {self.role} LOGIN PASSWORD 'x'")
        settings = folder / "bailey.yaml"
        url = re.sub("//[^@/]*@", f"//{self.role}:x@", apart.postgres_url)
        settings.write_text(settings.read_text(encoding="utf-8").replace(apart.postgres_url, url), encoding="utf-8")

    def grants(self, command: str) -> list[Grant]:
        """What is printed for a command."""
        [lines] = [
            need["lines"]
            for need in self.printed
            if need["source"] == "jobs" and command in need["commands"].partition("(")[0].split(",")[0].split()
        ]
        found = []
        for line in lines:
            rights, _, rest = line.removeprefix("GRANT ").removesuffix(" TO bailey;").partition(" ON ")
            found += [(right, rest) for right in rights.split(", ")]
        return found

    def grant(self, *grants: Grant) -> None:
        for right, place in grants:
            self.connection.execute(f"GRANT {right} ON {place} TO {self.role}")

    def revoke(self, *grants: Grant) -> None:
        for right, place in grants:
            self.connection.execute(f"REVOKE {right} ON {place} FROM {self.role}")

    def run(self, *words: str) -> tuple[int, str]:
        done = self.queue.office.run(*words)
        return done.returncode, done.stdout + done.stderr

    def picture(self) -> Any:
        """Everything that a step may change."""
        rows = "SELECT id, status FROM tasks.background_jobs ORDER BY id"
        switch = "SELECT job_type, state, fence, swept, retirement FROM bailey.switch"
        return self.connection.execute(rows).fetchall(), self.connection.execute(switch).fetchall()

    def end(self) -> None:
        self.connection.execute("DROP SCHEMA IF EXISTS bailey CASCADE")
        self.connection.execute(f"DROP OWNED BY {self.role}")


@pytest.fixture
def mover(apart: Record, tmp_path: Path) -> Iterator[Mover]:
    with psycopg.connect(apart.postgres_url, autocommit=True) as connection:
        made = Mover(apart, tmp_path, connection)
        yield made
        made.end()


def test_the_printed_rights_move_a_type_and_one_less_is_named(mover: Mover) -> None:
    queue = mover.queue
    queue.add()
    grants = mover.grants("cutover")
    assert len(grants) == 6, grants
    mover.grant(*grants)
    cutover = ("cutover", queue.pipeline, "--execute", *OVERRIDE)
    for grant in grants:
        mover.revoke(grant)
        status, said = mover.run(*cutover)
        mover.grant(grant)
        assert status != 0, f"without {grant}: {said}"
        assert re.search("permission denied|may not|must be|lacks", said), f"without {grant}: {said}"
        assert queue.state() in (None, "legacy"), f"without {grant}: {said}"
    for words in (("status",), cutover, ("status",), ("watch", "--once")):
        status, said = mover.run(*words)
        assert status == 0, f"{words}: {said}"
    assert queue.state() == "airflow"


def test_rights_that_are_taken_away_after_a_cutover_are_named_and_nothing_is_half_done(mover: Mover) -> None:
    queue = mover.queue
    mover.grant(*mover.grants("cutover"))
    status, said = mover.run("cutover", queue.pipeline, "--execute", *OVERRIDE)
    assert status == 0, said
    queue.add()
    queue.add()
    least = mover.grants("rollback")
    assert least == mover.grants("retire") and len(least) == 4, least
    # What only a cutover needs is not needed any more.
    more = [grant for grant in mover.grants("cutover") if grant not in least]
    mover.revoke(*more)
    before = mover.picture()
    steps = (
        ("rollback", queue.pipeline),
        ("rollback", queue.pipeline, "--execute"),
        ("retire", queue.pipeline),
        ("retire", queue.pipeline, "--execute", *OVERRIDE),
        ("watch", "--once"),
        ("status",),
    )
    for grant in least:
        right, place = grant
        mover.revoke(grant)
        for words in steps:
            status, said = mover.run(*words)
            assert status != 0 or words[0] in ("watch", "status"), f"{words} without {grant}: {said}"
            assert re.search(rf"lacks .*{right}|GRANT {right} ON", said), f"{words} without {grant}: {said}"
            assert "the table has changed" not in said and "Nothing to do" not in said, (
                f"{words} without {grant}: {said}"
            )
            assert mover.picture() == before, f"{words} without {grant}: {said}"
        mover.grant(grant)
    # The least is enough, and what is left to the table's owner is said.
    for words in (
        ("status",),
        ("watch", "--once"),
        ("rollback", queue.pipeline),
        ("rollback", queue.pipeline, "--execute"),
    ):
        status, said = mover.run(*words)
        assert status == 0 and "lacks" not in said, f"{words}: {said}"
    assert queue.state() == "legacy"
    status, said = mover.run("retire", queue.pipeline, "--execute")
    assert status == 1 and "retire" in said and "--sql" in said and "administrator" in said, said


def test_who_may_only_call_the_functions_gives_jobs_back(mover: Mover) -> None:
    """The administrator has run what `cutover --sql` prints."""
    queue = mover.queue
    mover.grant(*[grant for grant in mover.grants("cutover") if grant[0] in ("CONNECT", "USAGE", "SELECT")])
    status, said = mover.run("cutover", queue.pipeline, "--execute", *OVERRIDE)
    assert status == 1 and "--sql" in said, said
    mover.connection.execute(queue.office.run("cutover", queue.pipeline, "--sql").stdout)
    for words in (("cutover", queue.pipeline, "--execute", *OVERRIDE), ("status",)):
        status, said = mover.run(*words)
        assert status == 0 and "lacks" not in said, f"{words}: {said}"
    queue.add()
    assert queue.state() == "airflow"
    assert "UPDATE" in queue.office.run("rollback", queue.pipeline, "--sql").stdout
    status, said = mover.run("rollback", queue.pipeline, "--execute")
    assert status == 0 and queue.state() == "legacy", said
    held = "SELECT count(*) FROM tasks.background_jobs WHERE status LIKE 'bailey%'"
    assert mover.connection.execute(held).fetchone() == (0,)


class Answers(BaseHTTPRequestHandler):
    """An Airflow that knows of runs only how they stand."""

    states: ClassVar[dict[str, str]] = {}

    def do_GET(self) -> None:
        run = self.path.rpartition("/")[2]
        body: dict[str, Any] = {"version": "3.1.0"}
        if "/dagRuns/" in self.path and run in self.states:
            body = {"dag_run_id": run, "dag_id": "dag", "state": self.states[run], "end_date": "2026-01-01T00:00:00Z"}
        self.send_response(200 if self.path.endswith("/version") or run in self.states else 404)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_jobs_that_a_run_has_left_behind_are_told(
    company: Record, connection: psycopg.Connection[Any], tmp_path: Path
) -> None:
    queue = Queue(Office(tmp_path, company), connection)
    queue.cut_over()

    def told() -> list[dict[str, Any]]:
        events = queue.office.json("watch", "--once")["events"]
        return [one for one in events if one["pipeline"] == queue.pipeline and one["event"] == "left"]

    def said() -> str:
        return " ".join(queue.office.json("status", queue.pipeline)["pipelines"][0]["unknown"])

    for run in ("killed", "busy", "silent"):
        queue.add()
        assert len(switch.take(connection, "jobs", queue.type, f"dag/{run}", 1)) == 1
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        Answers.states = {"killed": "failed", "busy": "running"}
        Thread(target=server.serve_forever, daemon=True).start()
        settings = json.loads((tmp_path / "bailey.yaml").read_text(encoding="utf-8"))
        settings["target"] = {"airflow": {"url": f"http://127.0.0.1:{server.server_port}"}}
        (tmp_path / "bailey.yaml").write_text(json.dumps(settings), encoding="utf-8")
        # What was taken right now may be ended right now.
        assert told() == [] and "dag/killed" not in said()
        age = "UPDATE bailey.claim SET taken_at = now() - %s::interval WHERE job_type = %s"
        connection.execute(age, ("2 minutes", queue.type))
        (event,) = told()
        assert event["level"] == "urgent" and "dag/killed is over (failed)" in event["text"]
        assert "dag/killed is over (failed)" in said() and "dag/busy" not in said() and "dag/silent" not in said()
        # Longer than a worker of legacy's is believed alive.
        connection.execute(age, ("2 hours", queue.type))
        (event,) = told()
        assert event["level"] == "warning" and "dag/silent has had 1 job of" in event["text"]
        server.shutdown()
    # Also of an Airflow that cannot be asked, and after a rollback: the jobs stay the run's.
    assert "dag/busy has had 1 job of" in told()[0]["text"]
    queue.office.json("rollback", queue.pipeline, "--execute", "--return-claims", "dag/killed")
    assert "dag/killed" not in said() and "dag/busy has had" in said()
    queue.office.json(
        "rollback",
        queue.pipeline,
        "--execute",
        *(word for run in ("busy", "silent") for word in ("--return-claims", f"dag/{run}")),
    )
    assert told() == [] and "dag/" not in said()
