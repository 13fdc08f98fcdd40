"""Jobs that a run takes are its own: whatever is repeated, crashes, or was called dead."""

from __future__ import annotations

import contextlib
import json
import time

import psycopg
import pytest
from commands import SHADOW, wait_until
from queue_database import Database

from bailey_runtime import json_value
from bailey_runtime import queue as switch


def test_a_worker_cannot_begin_what_a_run_has(database: Database) -> None:
    [job] = database.add(1)
    database.cut_over()
    run = switch.take(database.connection, "jobs", "export", "dag/1", 5)
    assert [item["job"] for item in run] == [job]
    begin = "UPDATE tasks.background_jobs SET status = 'running', started_at = now() WHERE id = %s"
    with pytest.raises(psycopg.errors.LockNotAvailable, match="was taken by the Airflow run dag/1"):
        database.connection.execute(begin, (job,))
    assert switch.finish(database.connection, "jobs", job, "dag/1", "success") == "success"
    with pytest.raises(psycopg.errors.LockNotAvailable):
        database.connection.execute(begin, (job,))
    assert database.statuses() == {"completed": 1}


def test_a_take_may_be_repeated_and_ends_once(database: Database) -> None:
    database.add(5, limit=1)
    database.cut_over()
    first = switch.take(database.connection, "jobs", "export", "dag/1", 3)
    assert switch.take(database.connection, "jobs", "export", "dag/1", 3) == first
    assert len(switch.take(database.connection, "jobs", "export", "dag/2", 9)) == 2
    assert [(job["payload"], job["attempt"]) for job in first] == [('{"limit":1}', 1)] * 3
    job = first[0]["job"]
    assert switch.finish(database.connection, "jobs", job, "dag/2", "success") == "unknown"
    for _ in range(2):
        assert switch.finish(database.connection, "jobs", job, "dag/1", "failed", "busy") == "retry"
    assert switch.take(database.connection, "jobs", "export", "dag/1", 3) == first[1:]
    time.sleep(0.15)
    [again] = switch.take(database.connection, "jobs", "export", "dag/3", 3)
    assert (again["job"], again["attempt"]) == (job, 2)
    for attempt in (2, 3, 4):
        run = f"dag/{attempt + 1}"
        wait_until("due", lambda: switch.take(database.connection, "jobs", "export", run, 3) != [] or attempt == 2)
        said = (
            switch.finish(database.connection, "jobs", job, run, "failed")
            if attempt > 2
            else switch.finish(database.connection, "jobs", job, "dag/3", "failed")
        )
    assert said == "failed"
    database.connection.execute("DELETE FROM tasks.background_jobs WHERE id = %s", (first[1]["job"],))
    assert switch.finish(database.connection, "jobs", first[1]["job"], "dag/1", "success") == "overtaken"


@pytest.mark.parametrize("column", ["text", "json"])
def test_a_payload_is_taken_as_its_row_holds_it(database: Database, column: str) -> None:
    """And read as Bailey reads it in the history, by the same table of cases."""
    database.connection.execute(
        f"ALTER TABLE tasks.background_jobs ALTER job_data TYPE {column} USING job_data::{column}"
    )
    lines = (SHADOW.parent / "Tests/LegacyTests/Fixtures/payloads.jsonl").read_text(encoding="utf-8").splitlines()
    kept: dict[str, dict[str, str]] = {}
    for case in map(json.loads, lines):
        [job] = database.add(1)
        # What a column of JSON refuses stands in none.
        with contextlib.suppress(psycopg.errors.InvalidTextRepresentation, psycopg.errors.StatementTooComplex):
            database.connection.execute(
                "UPDATE tasks.background_jobs SET job_data = %s WHERE id = %s", (case["text"], job)
            )
            kept[job] = case
    assert len(kept) == len(lines) if column == "text" else len(kept) > 20
    database.cut_over()
    for attempt in range(2):
        taken = {job["job"]: job["payload"] for job in switch.take(database.connection, "jobs", "export", "dag/1", 200)}
        for job, case in kept.items():
            read = json_value.read(case["text"]) if case["kind"] == "json" else case["text"]
            assert taken[job] == json_value.write(read), case
        # A repeated take tells the same.
        assert attempt == 0 or len(taken) >= len(kept)
    # What an older Bailey has installed keeps what the server makes of it, and is used all the same.
    database.connection.execute("ALTER TABLE bailey.claim DROP COLUMN stored")
    [first, *_] = switch.take(database.connection, "jobs", "export", "dag/1", 200)
    assert first["payload"] is not None and json_value.read(first["payload"]) is not None


def test_a_dead_runs_claims_come_back_on_a_persons_word_only(database: Database) -> None:
    database.add(3)
    database.cut_over()
    taken = switch.take(database.connection, "jobs", "export", "dag/dead", 2)
    assert len(switch.take(database.connection, "jobs", "export", "dag/2", 9)) == 1
    assert switch.take(database.connection, "jobs", "export", "dag/3", 9) == []
    give_up = "SELECT bailey.give_up('jobs', 'export', %s, 'test')"
    assert database.one(give_up, ["dag/dead"]) == 2
    assert (
        database.one("SELECT count(*) FROM tasks.background_jobs WHERE status = 'bailey_held' AND started_at IS NULL")
        == 2
    )
    assert switch.finish(database.connection, "jobs", taken[0]["job"], "dag/dead", "success") == "returned"
    assert switch.take(database.connection, "jobs", "export", "dag/dead", 9) == []
    assert len(switch.take(database.connection, "jobs", "export", "dag/4", 9)) == 2
    database.roll_back()
    assert database.one(give_up, ["dag/4"]) == 2
    assert database.statuses() == {"bailey_claimed": 1, "pending": 2}


def test_a_run_that_was_called_dead_is_told_so(database: Database) -> None:
    [job] = database.add(1)
    database.cut_over()
    assert switch.claim(database.connection, "jobs", job, "dag/1") == "unknown"
    switch.take(database.connection, "jobs", "export", "dag/1", 1)
    assert switch.claim(database.connection, "jobs", job, "dag/1") == "open"
    assert database.one("SELECT bailey.give_up('jobs', 'export', %s, 'test')", ["dag/1"]) == 1
    assert switch.claim(database.connection, "jobs", job, "dag/1") == "returned"
    switch.take(database.connection, "jobs", "export", "dag/2", 1)
    assert switch.claim(database.connection, "jobs", job, "dag/1") == "returned"
    assert switch.claim(database.connection, "jobs", job, "dag/2") == "open"


def test_a_take_outlives_a_crash_and_not_a_silence(database: Database) -> None:
    database.add(2)
    database.cut_over()
    with psycopg.connect(database.url) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.commit()
        show = "SELECT current_setting('synchronous_commit'), current_setting('idle_in_transaction_session_timeout')"
        for call in (
            "SELECT * FROM bailey.take('jobs', 'export', 'dag/1', 1)",
            "SELECT bailey.finish('jobs', (SELECT job FROM bailey.claim), 'dag/1', 'success', NULL)",
            "SELECT * FROM bailey.close('jobs', 'mail', 100, 'p', 'x', false, '0')",
            "SELECT * FROM bailey.settle('jobs', 'mail', 1)",
            "SELECT * FROM bailey.release('jobs', 'export', 'p', 'x')",
            "SELECT bailey.give_up('jobs', 'export', '{dag/2}', 'x')",
        ):
            connection.execute(call)
            assert connection.execute(show).fetchone() == ("on", "1min"), call
            connection.commit()
            assert connection.execute(show).fetchone() == ("off", "0")
            connection.commit()


def test_a_claim_belongs_to_its_row_and_not_to_an_id(database: Database) -> None:
    [one, two] = database.add(2)
    database.cut_over()
    assert len(switch.take(database.connection, "jobs", "export", "dag/1", 2)) == 2
    again = "INSERT INTO tasks.background_jobs (id, job_type, job_data, created_at) VALUES (%s, 'export', '{}', now())"
    # An upsert is no new row.
    database.connection.execute(again + " ON CONFLICT DO NOTHING", (one,))
    assert switch.claim(database.connection, "jobs", one, "dag/1") == "open"
    assert switch.finish(database.connection, "jobs", one, "dag/1", "success") == "success"
    database.connection.execute("TRUNCATE tasks.background_jobs RESTART IDENTITY")
    assert switch.claim(database.connection, "jobs", two, "dag/1") == "overtaken"
    database.connection.execute(again, (one,))
    database.connection.execute(again, (two,))
    assert database.statuses() == {"bailey_held": 2}
    assert switch.finish(database.connection, "jobs", two, "dag/1", "success") == "overtaken"
    assert len(switch.take(database.connection, "jobs", "export", "dag/2", 2)) == 2
    assert switch.finish(database.connection, "jobs", two, "dag/2", "failed") == "retry"
    assert switch.finish(database.connection, "jobs", one, "dag/2", "success") == "success"
    assert database.one("SELECT count(*) FROM bailey.sighting WHERE what = 'emptied'") == 1
    # Deleted and made anew with triggers that were off meanwhile.
    assert len(switch.take(database.connection, "jobs", "export", "dag/3", 2)) == 0
    time.sleep(0.15)
    assert len(switch.take(database.connection, "jobs", "export", "dag/4", 1)) == 1
    with database.connection.transaction():
        database.connection.execute("SET LOCAL session_replication_role = replica")
        database.connection.execute("DELETE FROM tasks.background_jobs")
    database.connection.execute(again, (two,))
    assert switch.claim(database.connection, "jobs", two, "dag/4") == "overtaken"
    database.roll_back()
    begin = "UPDATE tasks.background_jobs SET status = 'running', started_at = now() WHERE id = %s"
    database.connection.execute(begin, (two,))
    assert database.statuses() == {"running": 1}


def test_another_installation_of_airflow_gets_none_of_the_jobs(database: Database) -> None:
    """Two that have the same DAG give its runs the same ids."""
    database.add(3)
    database.cut_over()

    def taken(installation: str, most: int = 9, run: str = "dag/1") -> int:
        return len(switch.take(database.connection, "jobs", "export", run, most, installation))

    def told(installation: str) -> str:
        return switch.mode(database.connection, "jobs", "export", "dag/1", installation)

    # Before one takes, none is named.
    assert [told("green"), told("blue")] == ["live", "live"]
    assert taken("blue", 2) == 2
    assert [taken("green"), taken("green", run="dag/2")] == [0, 0]
    assert [told("green"), told("blue")] == ["shadow", "live"]
    seen = database.rows("SELECT what FROM bailey.sighting")
    assert seen == [("installation: green",)]
    # A runtime of before says nothing of itself.
    assert taken("") == 2 and taken("blue") == 2
    assert taken("blue", run="dag/2") == 1
    # A first take that is frozen before it commits keeps nobody from giving the type back.
    database.connection.execute("DELETE FROM bailey.named")
    with psycopg.connect(database.url) as frozen:
        frozen.execute(
            "SELECT set_config('bailey.installation', 'blue', true), bailey.take('jobs', 'export', 'dag/4', 9)"
        )
        assert database.one("SELECT answer FROM bailey.release('jobs', 'export', 'p', 'test')") == "released"
    database.roll_back()
    # What its run has taken it finishes, and no other one does.
    assert told("green") == "shadow" and told("blue") == "live"
    assert [taken("green"), taken("blue")] == [0, 2]
    database.add(1)
    database.cut_over()
    assert [taken("green", run="dag/3"), taken("blue", run="dag/3")] == [1, 0]
