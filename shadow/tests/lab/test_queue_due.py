"""Whether a run would find a job: told without taking one, as taking would have it."""

from __future__ import annotations

import psycopg
import pytest
from queue_database import ADD, Database

from bailey_runtime import queue as switch


def is_due(database: Database, run: str = "dag/1", installation: str = "") -> bool | None:
    """What a run is told that waits for jobs."""
    return switch.is_due(database.connection, "jobs", ["export"], run, installation)


def test_it_is_what_taking_would_find(database: Database) -> None:
    assert is_due(database) is False
    database.add(1)
    assert is_due(database) is False  # Legacy's.
    database.cut_over()
    before = database.rows("SELECT * FROM tasks.background_jobs ORDER BY id")
    assert is_due(database) is True and is_due(database) is True
    assert database.rows("SELECT * FROM tasks.background_jobs ORDER BY id") == before
    assert database.one("SELECT count(*) FROM bailey.claim") == 0

    # One that is locked is passed over, by both.
    with psycopg.connect(database.url) as other:
        other.execute("SELECT id FROM tasks.background_jobs FOR UPDATE")
        assert is_due(database) is False
        assert switch.take(database.connection, "jobs", "export", "dag/0", 9) == []

    # What a run has is its own to finish; another one finds nothing.
    [job] = switch.take(database.connection, "jobs", "export", "dag/1", 9)
    assert is_due(database) is True and is_due(database, "dag/2") is False
    # A job that is repeated later is not due before that.
    database.connection.execute(
        "UPDATE bailey.claim SET finished_at = NULL WHERE job = %s",
        (job["job"],),
    )
    assert switch.finish(database.connection, "jobs", job["job"], "dag/1", "failed", "busy") == "retry"
    database.connection.execute("UPDATE tasks.background_jobs SET next_retry_at = now() + interval '1 hour'")
    assert is_due(database) is False
    database.connection.execute("UPDATE tasks.background_jobs SET next_retry_at = now() - interval '1 second'")
    assert is_due(database) is True

    database.roll_back()
    assert is_due(database) is False


def test_one_that_slipped_in_counts_where_taking_holds_it(database: Database) -> None:
    database.cut_over()
    with psycopg.connect(database.url) as quiet:
        quiet.execute("SET session_replication_role = replica")
        quiet.execute(ADD)
    assert is_due(database) is True
    assert len(switch.take(database.connection, "jobs", "export", "dag/1", 9)) == 1


def test_a_worker_that_locks_nothing_keeps_what_slipped_in(database: Database) -> None:
    database.cut_over(drain=True)
    with psycopg.connect(database.url) as quiet:
        quiet.execute("SET session_replication_role = replica")
        quiet.execute(ADD)
    assert is_due(database) is False
    assert switch.take(database.connection, "jobs", "export", "dag/1", 9) == []


def test_another_installation_and_another_type_are_told_nothing(database: Database) -> None:
    database.add(1)
    database.add(1, "mail")
    database.cut_over()
    assert switch.is_due(database.connection, "jobs", ["mail"], "dag/1") is False
    assert switch.is_due(database.connection, "jobs", ["mail", "export"], "dag/1") is True
    switch.take(database.connection, "jobs", "export", "dag/9", 9, "blue")
    database.add(1)
    assert is_due(database, installation="green") is False and is_due(database, installation="blue") is True


def test_a_look_brings_on_what_was_left_half_done(database: Database) -> None:
    database.add(3)
    database.close()
    # The command that closed the type has been killed.
    assert is_due(database) in (True, False)
    assert is_due(database) is True
    assert database.one("SELECT state FROM bailey.switch") == "airflow"


@pytest.mark.parametrize("gone", ["bailey.is_due(text, text, text)", "schema"])
def test_what_is_not_there_gives_no_go(database: Database, gone: str) -> None:
    database.add(1)
    database.cut_over()
    what = "SCHEMA bailey CASCADE" if gone == "schema" else f"FUNCTION {gone}"
    database.connection.execute(f"DROP {what}")
    assert is_due(database) is (False if gone == "schema" else None)
