"""`profile init`: what it proposes for tables of public shapes imports at the first try, with the counts that SQL of our own gives."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from testing.world import BAILEY

TABLES = Path(__file__).resolve().parents[3] / "Tests/LegacyTests/Fixtures/forty_tables.sql"
NUMBERS = range(1, 41)
# How many of forty must import at the first try, right in every count.
WANTED = 35


def bailey(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BAILEY), *words],
        cwd=folder,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def forty() -> Iterator[str]:
    from testing.postgres import cluster

    with cluster() as url:
        subprocess.run(
            ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-f", str(TABLES)], check=True, capture_output=True
        )
        yield url


def comments() -> dict[int, str]:
    """What the file says of each table."""
    return {
        int(number): text for number, text in re.findall(r"^-- (\d+): (.*)$", TABLES.read_text(encoding="utf-8"), re.M)
    }


def proposed(folder: Path, url: str, table: str) -> Any:
    done = bailey(folder, "profile", "init", table, "--url", url, "--write", "--json")
    assert done.returncode in (0, 1), f"{table}: {done.stderr}"
    return json.loads(done.stdout)


def fault(folder: Path, url: str, number: int, comment: str) -> str | None:
    """What is wrong with the import of what was proposed for a table; nothing if it is right."""
    folder.mkdir()
    proposal = proposed(folder, url, f"f.t{number:02}")
    if proposal["failure"]:
        return str(proposal["failure"])
    source = {"kind": "queue", "url": url, "profile": proposal["name"], "timezone": "UTC"}
    (folder / "bailey.yaml").write_text(json.dumps({"version": 1, "sources": {"q": source}}), encoding="utf-8")
    done = bailey(folder, "import", "--json")
    if done.returncode != 0:
        return done.stdout[-300:] + done.stderr
    inventory = json.loads(done.stdout)
    if any(note["code"] == "BLY004" for note in inventory["sources"][0]["notes"]) or inventory["unread"]:
        return str(inventory["sources"][0]["notes"]) + str(inventory["unread"])
    with psycopg.connect(url) as connection:
        rows = connection.execute(f"SELECT count(*) FROM f.t{number:02}").fetchone()
    assert rows is not None
    histories = [entry["history"] for entry in inventory["entries"]]
    types = [entry["name"] for entry in inventory["entries"]]
    kinds = 1 if "one type" in comment else 2
    failed = 0 if "no failed" in comment else 1
    succeeded = 0 if "no ended" in comment else 5 - failed
    found = (
        sum(sum(history["states"].values()) for history in histories),
        len(types),
        sum(history["succeeded"] for history in histories),
        sum(history["failed"] for history in histories),
    )
    meant = (rows[0], kinds, succeeded, failed)
    if found != meant:
        return f"(jobs, types, succeeded, failed) is {found}, not {meant}; types {types}"
    if kinds == 2 and number != 39 and sorted(types) != ["mail", "report"]:
        return f"types {types}"
    return None


def test_at_least_thirty_five_of_forty_tables_import_at_the_first_try(forty: str, tmp_path: Path) -> None:
    said = comments()
    assert sorted(said) == list(NUMBERS)
    faults = {number: fault(tmp_path / str(number), forty, number, said[number]) for number in NUMBERS}
    wrong = {number: text for number, text in faults.items() if text}
    print(f"profile init: {40 - len(wrong)} of 40 tables import at the first try; {wrong}", file=sys.stderr)
    assert 40 - len(wrong) >= WANTED, wrong


def test_each_guess_has_evidence_and_what_cannot_be_known_is_said(forty: str, tmp_path: Path) -> None:
    proposal = proposed(tmp_path, forty, "f.t03")
    guesses = {guess["meaning"]: guess for guess in proposal["guesses"]}
    assert all(guess["evidence"] and guess["confidence"] in ("low", "medium", "high") for guess in guesses.values())
    assert "its comment says what the numbers mean" in guesses["status"]["evidence"]
    assert guesses["id"]["evidence"] == ["it is the primary key"]
    unknown = "\n".join(proposal["unknown"])
    for words in (
        "when a job began",
        "the zone of its times",
        "how often and when a failed job is repeated",
        "pg_stat_statements",
    ):
        assert words in unknown, unknown
    # What its rows alone explain is doubtful, and says so.
    doubtful = proposed(tmp_path, forty, "f.t34")
    assert any("“kaput” of status means" in text and "failed" in text for text in doubtful["unknown"])
    assert {guess["meaning"]: guess["confidence"] for guess in doubtful["guesses"]}["status failed"] == "medium"


def test_a_profile_that_is_there_is_left_alone(forty: str, tmp_path: Path) -> None:
    assert bailey(tmp_path, "profile", "init", "f.t01", "--url", forty, "--write").returncode == 0
    file = tmp_path / "mappings/profiles/t01.yaml"
    file.write_text("mine", encoding="utf-8")
    done = bailey(tmp_path, "profile", "init", "f.t01", "--url", forty, "--write")
    assert done.returncode == 2 and "was left as it is" in done.stderr and file.read_text(encoding="utf-8") == "mine"


def test_what_is_no_table_or_cannot_be_read_is_a_clear_error(forty: str, tmp_path: Path) -> None:
    with psycopg.connect(forty, autocommit=True) as connection:
        connection.execute("CREATE TABLE f.keyless (a int, b int); INSERT INTO f.keyless VALUES (1, 1), (1, 1)")
        connection.execute('CREATE TABLE f."do.t" (id int)')
        connection.execute("DO $$ BEGIN CREATE ROLE poor LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
        connection.execute("CREATE TABLE f.nothing (id int PRIMARY KEY, job_type text, status text)")
    for table, url, status, words in (
        ("f.nowhere", forty, 2, "there is no table f.nowhere"),
        ("f.keyless", forty, 2, "no column by which a row is found again"),
        ("a.b.c", forty, 2, "names no table"),
        ("f.t01'; DROP TABLE f.t02; --", forty, 2, "names no table"),
        ("f.t01", forty.replace("postgres@", "poor@"), 3, "permission denied"),
        ("f.t01", "postgresql://u:hidden-word@127.0.0.1:1/d", 3, "connecting"),
    ):
        done = bailey(tmp_path, "profile", "init", table, "--url", url)
        assert done.returncode == status and words in done.stderr, f"{table}: {done.returncode} {done.stderr}"
        assert "hidden-word" not in done.stdout + done.stderr
    # A table without rows shows only what its catalogue says, and that is told.
    empty = proposed(tmp_path, forty, "f.nothing")
    assert any("no rows that this role sees" in text for text in empty["unknown"])
