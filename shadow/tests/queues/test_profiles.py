"""The profiles that come with Bailey, on the schemas of the projects themselves: what is read is what plain SQL counts, and is only read.

That the jobs of some move is tried with their real software, in tests of their own.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cases import CASES

ROOT = Path(__file__).resolve().parents[3]
BAILEY = ROOT / ".build/debug/bailey"
SCHEMAS = ROOT / "Tests/LegacyTests/Fixtures/queues"
# Those whose jobs can be moved.
MOVED = {"procrastinate", "pgqueuer", "django_tasks_db"}


def made(cluster_url: str, name: str) -> str:
    """A database with a project's own tables, filled; its URL."""
    with psycopg.connect(cluster_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}")
        connection.execute(f"CREATE DATABASE {name}")
    url = cluster_url.rsplit("/", 1)[0] + f"/{name}"
    subprocess.run(
        ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-f", str(SCHEMAS / f"{name}.sql")],
        check=True,
        capture_output=True,
    )
    with psycopg.connect(url) as connection:
        for statement in CASES[name].fill:
            connection.execute(statement)
    return url


def bailey(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(BAILEY), *words], cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def settle(folder: Path, url: str, **source: Any) -> None:
    folder.joinpath("mappings").mkdir(exist_ok=True)
    document = {"version": 1, "sources": {"q": {"kind": "queue", "url": url} | source}}
    folder.joinpath("bailey.yaml").write_text(json.dumps(document), encoding="utf-8")


def counted(connection: psycopg.Connection[Any], jobs: str) -> dict[str, dict[str, int]]:
    """Jobs by type and status."""
    found: dict[str, dict[str, int]] = {}
    for kind, status, number in connection.execute(f"SELECT t, s, count(*) FROM ({jobs}) AS jobs (t, s) GROUP BY 1, 2"):
        found.setdefault(kind, {})[status] = number
    return found


@pytest.mark.parametrize("name", CASES)
def test_a_profile_reads_what_sql_counts_and_nothing_is_written(name: str, cluster_url: str, tmp_path: Path) -> None:
    case = CASES[name]
    url = made(cluster_url, name)
    with psycopg.connect(url, autocommit=True) as connection:
        meant = counted(connection, case.jobs)
        assert meant and sum(sum(states.values()) for states in meant.values()) >= 40
        every = f"SELECT md5(string_agg(j::text, '' ORDER BY j::text)) FROM {case.table} j"
        before = connection.execute(every).fetchone()
        settle(tmp_path, url, profile=name, table=case.table)
        done = bailey(tmp_path, "import", "--json")
        assert done.returncode == 0, done.stderr
        inventory = json.loads(done.stdout)
        entries = {one["name"]: one["history"] for one in inventory["entries"] if one["kind"] == "job-type"}
        assert {kind: history["states"] for kind, history in entries.items()} == meant
        codes = {note["code"]: note["detail"] for note in inventory["sources"][0]["notes"]}
        # Every word is one that the profile knows.
        assert "BLY004" not in codes and "BLY011" not in codes, codes
        assert ("BLY093" in codes) == (name not in MOVED), codes
        if name not in MOVED:
            assert "was not verified" in codes["BLY093"]
        if case.median:
            for kind, history in entries.items():
                row = connection.execute(case.median, (kind,)).fetchone()
                assert row is not None and history["p50_seconds"] == pytest.approx(row[0]), kind
        assert connection.execute(every).fetchone() == before
    assert bailey(tmp_path, "generate").returncode in (0, 1)
    plan = json.loads(bailey(tmp_path, "plan", "--json").stdout)
    pipeline = plan["pipelines"][0]["id"]
    if name in MOVED:
        preview = bailey(tmp_path, "cutover", pipeline)
        assert "was not verified" not in preview.stdout + preview.stderr
        with psycopg.connect(url) as connection:
            assert connection.execute(every).fetchone() == before
        return
    refused = bailey(tmp_path, "cutover", pipeline, "--execute", "--override", "a test", "--reason", "it must refuse")
    said = refused.stdout + refused.stderr
    assert refused.returncode not in (0, 70) and "was not verified" in said, said
    with psycopg.connect(url) as connection:
        assert connection.execute(every).fetchone() == before


@pytest.mark.parametrize("name", CASES)
def test_a_table_is_detected_whatever_it_is_called(name: str, cluster_url: str, tmp_path: Path) -> None:
    url = made(cluster_url, name)
    schema, table = CASES[name].table.split(".")
    with psycopg.connect(url) as connection:
        connection.execute(f"ALTER TABLE {schema}.{table} RENAME TO jobs_of_ours")
    settle(tmp_path, url, profile="background_jobs")
    done = bailey(tmp_path, "import")
    assert done.returncode != 0
    assert f"{schema}.jobs_of_ours (profile {name})" in done.stderr, done.stderr
    # And no other table of the project is taken for one.
    assert done.stderr.count("(profile ") == 1, done.stderr
