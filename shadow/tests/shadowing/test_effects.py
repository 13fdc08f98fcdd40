"""Rows that a body changes beside those that legacy changed: from the mapping to the report."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from stage import Stage, wait_until

from testing.postgres import cluster

TOTALS = (
    "CREATE TABLE totals (day int, city text, amount numeric, at timestamptz DEFAULT now(), PRIMARY KEY (day, city))"
)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """An entry that legacy has run, and a PostgreSQL with what it left."""
    stage = Stage(tmp_path / "stage")
    with stage.running(), cluster() as url:
        stage.entry("tick", "planted.count", [7], 3600)
        beat = stage.beat()
        wait_until("legacy has run", lambda: stage.results() > 0, 60)
        stage.end(beat)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(TOTALS)
            connection.execute("INSERT INTO totals VALUES (7, 'Bonn', 1.50), (7, 'Ulm', 3), (8, 'Bonn', 9)")
        settings = stage.folder / "bailey.yaml"
        text = settings.read_text(encoding="utf-8").removesuffix("}")
        settings.write_text(text + f', "connections": {{"shop": {{"url": "{url}"}}}}}}', encoding="utf-8")
        stage.url = url  # type: ignore[attr-defined]
        yield stage


def shadowed(stage: Stage, task: dict[str, Any]) -> Any:
    stage.map("tick", task)
    mapping = stage.folder / "mappings" / "tick.yaml"
    mapping.write_text(mapping.read_text(encoding="utf-8").replace('"shadow": "pure", ', ""), encoding="utf-8")
    stage.json("import")
    stage.json("shadow", "--from-history", status=(0, 1))
    [row] = stage.json("report", "tick", status=(0, 1))["pipelines"]
    return row["comparisons"][-1]


def test_a_program_on_a_copy_of_a_database(stage: Stage) -> None:
    url = stage.url  # type: ignore[attr-defined]
    place = url.rpartition("/")[0]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE before")
    with psycopg.connect(f"{place}/before", autocommit=True) as connection:
        connection.execute(TOTALS)
    code = (
        "import os, psycopg, sys\n"
        "with psycopg.connect(os.environ['SHOP']) as c:\n"
        "    c.execute(\"INSERT INTO totals VALUES (7, 'Bonn', 1.5), (7, 'Ulm', 3.01), (7, 'Aachen', 2)\")\n"
        "print(7)\n"
    )
    found = shadowed(
        stage,
        {
            "command": [sys.executable, "-c", code],
            "effects": {
                "copy": {"connection": "shop", "template": "before", "variable": "SHOP"},
                "tables": [
                    {
                        "connection": "shop",
                        "table": "totals",
                        "key": ["day", "city"],
                        "ignore": ["at"],
                        "where": "day = 7",
                    }
                ],
            },
        },
    )
    assert found["verdict"] == "mismatch", found
    assert [(d["kind"], d["path"]) for d in found["differences"]] == [
        ("effects", "totals"),
        ("effects", "totals[*]"),
        ("effects", "totals[*].amount"),
    ], found["differences"]
    assert "1 differ, 0 are only in legacy, 1 only in shadow" in found["differences"][0]["text"]
    assert "differs in “amount” of the row" in stage.text("report", "tick")
    with psycopg.connect(f"{place}/postgres") as connection:
        [(left,)] = connection.execute("SELECT count(*) FROM pg_database WHERE datname LIKE 'bailey%'").fetchall()
    assert left == 0


SEEN = "CREATE TABLE seen (what text PRIMARY KEY, value text, lasts interval, ratio float8)"
SETTINGS = {
    "timezone": "'Asia/Tokyo'",
    "intervalstyle": "'iso_8601'",
    "extra_float_digits": "-3",
    "search_path": '"odd, one", public',
    "app.mode": "'it''s \\'",
}


def test_a_copy_has_the_settings_of_legacys_database(stage: Stage) -> None:
    url = stage.url  # type: ignore[attr-defined]
    place = url.rpartition("/")[0]
    looks = [f"('{name}', current_setting('{name}'), '1 day 2 hours', 1.0/3)" for name in SETTINGS]
    looks.append("('now', date_trunc('day', '2026-01-01 20:00Z'::timestamptz)::timestamp::text, '-1 month', 1e-300)")
    statement = f"INSERT INTO seen VALUES {', '.join(looks)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE before")
        for name, value in SETTINGS.items():
            connection.execute(f"ALTER DATABASE postgres SET {name} TO {value}")
        connection.execute("ALTER ROLE postgres IN DATABASE postgres SET app.own TO 'mine'")
    for database in ("postgres", "before"):
        with psycopg.connect(f"{place}/{database}", autocommit=True) as connection:
            connection.execute(SEEN)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement + ", ('own', current_setting('app.own'), NULL, NULL)")
    code = "import os, psycopg, sys\nwith psycopg.connect(os.environ['SHOP']) as c: c.execute(sys.argv[1])\nprint(7)\n"
    found = shadowed(
        stage,
        {
            "command": [sys.executable, "-c", code, statement + ", ('own', current_setting('app.own'), NULL, NULL)"],
            "effects": {
                "copy": {"connection": "shop", "template": "before", "variable": "SHOP"},
                "tables": [{"connection": "shop", "table": "seen", "key": ["what"]}],
            },
        },
    )
    assert found["verdict"] == "match", found
    assert "seen: 7 rows in legacy, 7 in shadow, all alike" in found["reason"], found


def test_sql_in_a_transaction_that_is_rolled_back(stage: Stage) -> None:
    url = stage.url  # type: ignore[attr-defined]
    tables = [{"table": "totals", "key": ["day", "city"], "ignore": ["at"], "where": "day = :n"}]
    text = "DELETE FROM totals WHERE day = :n; INSERT INTO totals VALUES (:n, 'Bonn', 1.5), (:n, 'Ulm', 3)"
    sql = {"connection": "shop", "text": text, "params": {"n": 7}, "environment": "planted"}
    found = shadowed(stage, {"sql": sql, "effects": {"tables": tables}})
    assert not [d for d in found["differences"] if d["kind"] == "effects"], found
    assert "totals: 2 rows in legacy, 2 in shadow, all alike" in found["reason"], found["reason"]
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT day, city, amount FROM totals ORDER BY 1, 2").fetchall()
    assert [(day, city, float(amount)) for day, city, amount in rows] == [
        (7, "Bonn", 1.5),
        (7, "Ulm", 3),
        (8, "Bonn", 9),
    ]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"tables": []}, "names no “tables”"),
    ({"tables": [{"connection": "shop", "table": "t"}]}, "“key” is missing"),
    ({"tables": [{"connection": "shop", "table": "t", "key": ["id"]}]}, "cannot be rolled back"),
    ({"tables": [{"connection": "shop", "table": "a.b.c", "key": ["id"]}]}, "write schema.table"),
    ({"tables": [{"connection": "shop", "table": "t", "key": ["id"], "ignore": ["id"]}]}, "part of the key"),
    ({"tables": [{"connection": "shop", "table": "t", "key": ["id"]}], "copy": {"connection": "shop"}}, "“template”"),
    ({"table": []}, "tables"),
]


def test_what_is_wrong_in_a_mapping_is_said_with_its_line(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "stage")
    with stage.running():
        stage.entry("tick", "planted.count", [7], 3600)
        stage.json("import")
        for effects, words in WRONG:
            stage.map("tick", {"command": ["true"], "effects": effects, "shadow": "observe"})
            said = stage.text("plan")
            assert words in said and "mappings/tick.yaml:1" in said, said
