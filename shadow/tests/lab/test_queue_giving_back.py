"""Jobs that no run has taken go back to legacy as they were, whatever transactions are open meanwhile."""

from __future__ import annotations

import os
import time
import uuid

import psycopg
import pytest
from commands import wait_until
from queue_database import ADD, Database

from bailey_runtime import queue as switch


def test_what_no_run_has_taken_goes_back_as_it_was(database: Database) -> None:
    database.add(20)
    database.add(5, "other")
    database.connection.execute(
        "UPDATE tasks.background_jobs SET next_retry_at = '2099-01-01' WHERE job_type = 'other'"
    )
    picture = "SELECT * FROM tasks.background_jobs ORDER BY id"
    before = database.rows(picture)
    database.cut_over()
    assert database.statuses() == {"bailey_held": 20, "pending": 5}
    late = database.add(3)
    taken = switch.take(database.connection, "jobs", "export", "dag/1", 4)
    for job in taken[:2]:
        assert switch.finish(database.connection, "jobs", job["job"], "dag/1", "success") == "success"
    database.roll_back()
    after = {row[0]: row for row in database.rows(picture)}
    untouched = {row[0]: row for row in before if str(row[0]) not in {job["job"] for job in taken}}
    assert {key: after[key] for key in untouched} == untouched
    assert all(after[uuid.UUID(job)][4] == "pending" for job in late)
    # Two are the run's own to finish still; it may be told so by its gate.
    assert switch.mode(database.connection, "jobs", "export") == "shadow"
    assert switch.mode(database.connection, "jobs", "export", "dag/1") == "live"
    assert [job["job"] for job in switch.take(database.connection, "jobs", "export", "dag/1", 9)] == [
        job["job"] for job in taken[2:]
    ]
    assert switch.finish(database.connection, "jobs", taken[2]["job"], "dag/1", "failed", "no") == "released"
    assert switch.finish(database.connection, "jobs", taken[3]["job"], "dag/1", "success") == "success"
    assert database.statuses() == {"completed": 3, "pending": 25}


def test_rows_of_transactions_that_had_not_seen_the_change(database: Database) -> None:
    add = "INSERT INTO tasks.background_jobs (id, job_type, job_data, created_at) VALUES (gen_random_uuid(), 'export', '{}', now())"
    with psycopg.connect(database.url) as old:
        old.execute(add)
        fence = database.close()
        assert database.settle(fence) == ("waiting", "transactions", 0)
        old.commit()
        assert database.settle(fence)[0] == "ok"
        assert database.statuses() == {"bailey_held": 1}
        old.execute(add)
        database.one("SELECT answer FROM bailey.release('jobs', 'export', 'p', 'test')")
        assert database.rows("SELECT * FROM bailey.sweep('jobs', 'export')") == [(False, 0)]
        old.commit()
        assert database.statuses() == {"bailey_held": 1, "pending": 1}
        # A gate that asks does it too, if Bailey was killed meanwhile.
        assert switch.mode(database.connection, "jobs", "export") == "shadow"
        assert database.statuses() == {"pending": 2}
        assert database.rows("SELECT * FROM bailey.sweep('jobs', 'export')") == [(True, 0)]


def test_a_gate_settles_what_was_left_closing(database: Database) -> None:
    database.add(3)
    database.close()
    assert switch.mode(database.connection, "jobs", "export") == "live"
    assert database.statuses() == {"bailey_held": 3}


def test_no_switch_means_legacy(server: str) -> None:
    with psycopg.connect(f"{server}/postgres") as connection:
        assert switch.mode(connection, "jobs", "export", "dag/1") == "shadow"


@pytest.mark.parametrize("prepared", [False, True])
def test_a_snapshot_from_before_the_rollback_holds_nothing_for_ever(database: Database, prepared: bool) -> None:
    database.cut_over()
    old = psycopg.connect(database.url)
    old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    old.execute("SELECT 1")
    database.one("SELECT answer FROM bailey.release('jobs', 'export', 'p', 'test')")
    sweep = "SELECT done FROM bailey.sweep('jobs', 'export')"
    assert [database.one(sweep) for _ in range(3)] == [False] * 3
    # It decides by what it saw, after the rollback.
    old.execute(ADD)
    if prepared:
        old.execute("PREPARE TRANSACTION 'late'")
        old.close()
        assert database.one(sweep) is False
        database.connection.execute("COMMIT PREPARED 'late'")
    else:
        assert database.one(sweep) is False
        old.commit()
    assert database.statuses() == {"bailey_held": 1}
    wait_until("swept", lambda: database.one(sweep))
    assert database.statuses() == {"pending": 1}
    old.close()


def test_snapshots_that_began_afterwards_are_not_waited_for(database: Database) -> None:
    database.cut_over()
    with psycopg.connect(database.url) as other:
        # Its snapshot holds back the horizon of every later one.
        other.execute(ADD)
        database.one("SELECT answer FROM bailey.release('jobs', 'export', 'p', 'test')")
        assert database.one("SELECT done FROM bailey.sweep('jobs', 'export')") is False
        with psycopg.connect(database.url) as reader:
            reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            reader.execute("SELECT 1")
            other.commit()
            wait_until("swept", lambda: database.one("SELECT done FROM bailey.sweep('jobs', 'export')"))


def test_a_frozen_take_and_a_locked_row_hold_up_no_other(database: Database) -> None:
    database.add(20)
    database.cut_over()
    frozen, locker = psycopg.connect(database.url), psycopg.connect(database.url, application_name="the app")
    taken = frozen.execute("SELECT job FROM bailey.take('jobs', 'export', 'dag/1', 3)").fetchall()
    assert len(taken) == 3
    lock = "SELECT id FROM tasks.background_jobs WHERE status = 'bailey_held' LIMIT 1 FOR UPDATE SKIP LOCKED"
    locked = locker.execute(lock).fetchall()
    answer = database.rows("SELECT * FROM bailey.release('jobs', 'export', 'p', 'test')")[0]
    assert answer[:2] == ("released", 16)
    assert database.statuses() == {"pending": 16, "bailey_held": 4}
    blockers = database.rows("SELECT pid, name, state, query, since IS NOT NULL FROM bailey.blockers('jobs', 'export')")
    assert {row[0] for row in blockers} == {frozen.info.backend_pid, locker.info.backend_pid}
    assert ("the app", "idle in transaction", lock, True) in {row[1:] for row in blockers}
    # What the take had when it commits is its run's; the locked row goes back as soon as it may.
    frozen.commit()
    locker.rollback()
    wait_until("swept", lambda: database.one("SELECT done FROM bailey.sweep('jobs', 'export')"))
    assert database.statuses() == {"pending": 17, "bailey_claimed": 3}
    assert str(locked[0][0]) not in {row[0] for row in taken}
    frozen.close()
    locker.close()


def test_many_held_rows_go_back_in_bounded_transactions(database: Database) -> None:
    count = int(os.environ.get("BAILEY_HELD_ROWS", "50000"))
    database.cut_over()
    database.connection.execute(
        "INSERT INTO tasks.background_jobs (id, job_type, job_data, created_at)"
        " SELECT gen_random_uuid(), 'export', '{}', now() FROM generate_series(1, %s)",
        (count,),
    )
    assert database.statuses() == {"bailey_held": count}
    began = time.monotonic()
    given = [int(database.one("SELECT amount FROM bailey.release('jobs', 'export', 'p', 'test')"))]
    while given[-1] > 0:
        given.append(int(database.one("SELECT bailey.give_back('jobs', 'export', 10000)")))
    print(f"\n{count} rows in {time.monotonic() - began:.1f} s, {len(given)} transactions")
    assert sum(given) == count and max(given) == 10_000
    assert database.statuses() == {"pending": count}
