"""The application goes on with its table while jobs are held and taken: what it changes is followed, or seen."""

from __future__ import annotations

import psycopg
import pytest
from queue_database import ADD, Database

from bailey_runtime import queue as switch


def test_a_held_job_follows_the_owner_of_its_new_type(database: Database) -> None:
    jobs = database.add(3)
    database.cut_over()
    change = "UPDATE tasks.background_jobs SET job_type = %s WHERE id = %s"
    database.connection.execute(change, ("mail", jobs[0]))
    assert database.statuses() == {"bailey_held": 2, "pending": 1}
    database.connection.execute(change, ("export", jobs[0]))
    assert database.statuses() == {"bailey_held": 3}
    [taken] = switch.take(database.connection, "jobs", "export", "dag/1", 1)
    database.connection.execute(change, ("mail", taken["job"]))
    assert switch.finish(database.connection, "jobs", taken["job"], "dag/1", "success") == "success"


def test_what_others_do_to_held_and_taken_jobs_is_seen(database: Database) -> None:
    jobs = database.add(6)
    database.cut_over()
    taken = {job["job"] for job in switch.take(database.connection, "jobs", "export", "dag/1", 2)}
    held = [job for job in jobs if job not in taken]
    [one, two] = sorted(taken)
    change = "UPDATE tasks.background_jobs SET status = %s WHERE id = %s"
    # A worker that has read a job long ago and writes only its end.
    database.connection.execute(change, ("completed", one))
    assert switch.finish(database.connection, "jobs", one, "dag/1", "success") == "overtaken"
    database.connection.execute(change, ("completed", held[0]))
    # Cancelled by name, purged by a status that held jobs do not have.
    database.connection.execute(change, ("cancelled", held[1]))
    database.connection.execute("DELETE FROM tasks.background_jobs WHERE status <> 'pending'")
    whats = dict(database.rows("SELECT what, count(*) FROM bailey.sighting GROUP BY 1"))
    assert whats == {
        "taken: bailey_claimed to completed": 1,
        "held: bailey_held to completed": 1,
        "deleted while held": 2,
        "deleted while a run had it": 1,
    }
    assert switch.finish(database.connection, "jobs", two, "dag/1", "success") == "overtaken"


@pytest.mark.parametrize(
    "reset",
    [
        "status = 'pending'",
        "status = 'pending', started_at = NULL",
        "status = 'pending', retry_count = retry_count + 1",
    ],
)
@pytest.mark.parametrize("rows", ["status NOT IN ('completed', 'failed')", "true"])
def test_a_janitor_that_lets_all_jobs_wait_again_takes_none_from_a_run(
    database: Database, reset: str, rows: str
) -> None:
    database.add(4)
    database.cut_over()
    [job] = switch.take(database.connection, "jobs", "export", "dag/1", 1)
    database.connection.execute(f"UPDATE tasks.background_jobs SET {reset} WHERE {rows}")
    assert database.statuses() == {"bailey_claimed": 1, "bailey_held": 3}
    others = switch.take(database.connection, "jobs", "export", "dag/2", 10)
    assert len(others) == 3 and job["job"] not in {other["job"] for other in others}
    assert switch.finish(database.connection, "jobs", job["job"], "dag/1", "success") == "success"


def test_a_janitor_that_ends_all_jobs_is_seen(database: Database) -> None:
    database.add(4)
    database.cut_over()
    [job] = switch.take(database.connection, "jobs", "export", "dag/1", 1)
    database.connection.execute("UPDATE tasks.background_jobs SET status = 'failed' WHERE status <> 'completed'")
    assert switch.take(database.connection, "jobs", "export", "dag/2", 10) == []
    assert switch.finish(database.connection, "jobs", job["job"], "dag/1", "success") == "overtaken"
    assert database.one("SELECT count(*) FROM bailey.sighting") == 4


def test_types_change_under_open_sessions(database: Database) -> None:
    database.add(4)
    database.cut_over()
    with psycopg.connect(database.url) as app, psycopg.connect(database.url, autocommit=True) as dag:
        # All functions and triggers are compiled in both sessions.
        app.execute(ADD)
        app.commit()
        [first] = switch.take(dag, "jobs", "export", "dag/1", 1)
        assert switch.finish(dag, "jobs", first["job"], "dag/1", "success") == "success"
        for change in (
            "ALTER COLUMN id TYPE text",
            "ALTER COLUMN status TYPE text",
            "ALTER COLUMN job_type TYPE varchar(200)",
            "ALTER COLUMN created_at TYPE timestamptz",
            "ALTER COLUMN retry_count TYPE bigint",
        ):
            database.connection.execute(f"ALTER TABLE tasks.background_jobs {change}")
            app.execute(ADD)
            app.commit()
            run = f"dag/{change}"
            [job] = switch.take(dag, "jobs", "export", run, 1)
            assert switch.finish(dag, "jobs", job["job"], run, "success") == "success"
    assert database.one("SELECT count(*) FROM bailey.sighting") == 0
    database.roll_back()
    assert database.statuses() == {"completed": 6, "pending": 4}
