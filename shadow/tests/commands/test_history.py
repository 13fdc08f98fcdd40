"""`bailey history export` of what a real beat fired and who owned it, in a real PostgreSQL."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import Any

import psycopg
from desk import Desk


def rows(url: str, sql: str, *values: Any) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(sql, values).fetchall()


def test_who_owned_and_who_ran_is_told_once(desk: Desk, postgres: str) -> None:
    entry = desk.entry()
    desk.settle()
    watched = desk.world.bailey("shadow", "--for", "8s", entry.pipeline)
    assert watched.returncode in (0, 1), watched.stderr
    desk.cut_over(entry)
    desk.run("rollback", entry.pipeline, "--execute")
    export = ("history", "export", "--to", postgres, "--execute")
    assert desk.run(*export)["unknowns"] == []
    owners = "SELECT owner FROM bailey_history.journal WHERE pipeline = %s AND owner IS NOT NULL ORDER BY number"
    assert rows(postgres, owners, entry.pipeline) == [("closing",), ("airflow",), ("legacy",)]
    # Beat fires it every two seconds.
    name = f"scheduler/{entry.name}"
    fired = rows(postgres, "SELECT tick, fired_at FROM bailey_history.tick WHERE entry = %s ORDER BY tick", name)
    assert len(fired) >= 3
    assert all(abs((at - tick).total_seconds()) < 60 for tick, at in fired)
    ran = "SELECT tick, ran_by FROM bailey_history.tick_runner WHERE pipeline = %s ORDER BY tick"
    assert rows(postgres, ran, entry.pipeline) == [(tick, "legacy") for tick, _ in fired]

    content = (
        "SELECT * FROM bailey_history.journal ORDER BY number",
        "SELECT * FROM bailey_history.tick ORDER BY 1, 2, 5",
    )
    before = [rows(postgres, sql) for sql in content]
    assert desk.run(*export)["rows"] == 0
    assert [rows(postgres, sql) for sql in content] == before
    # What is written down meanwhile comes with the next, beside what is there.
    desk.cut_over(entry)
    desk.run(*export)
    assert rows(postgres, owners, entry.pipeline)[3:] == [("closing",), ("airflow",)]
    assert rows(postgres, content[0])[: len(before[0])] == before[0]
    desk.run("rollback", entry.pipeline, "--execute")

    # What was told of fires is told anew: they are moved, not doubled, also where their hour is empty now.
    with closing(sqlite3.connect(desk.world.folder / ".bailey" / "state.sqlite")) as state, state:
        state.execute("UPDATE fire SET at_us = at_us - 5 * 3600000000 WHERE entry = ?", (name,))
    [line] = [one for one in desk.run(*export)["streams"] if one["name"] == "fired"]
    assert line["changed"] >= len(fired)
    moved = rows(postgres, "SELECT tick, fired_at FROM bailey_history.tick WHERE entry = %s ORDER BY tick", name)
    assert [(tick, at + timedelta(hours=5)) for tick, at in moved] == fired
