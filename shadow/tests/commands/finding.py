"""`bailey discover` as a user runs it, and databases for it to look at."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import psycopg

from testing.world import BAILEY

ROOT = Path(__file__).resolve().parents[3]
SCHEMAS = ROOT / "Tests/LegacyTests/Fixtures/queues"


def bailey(folder: Path, *words: str, stdin: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    return subprocess.run(
        [str(BAILEY), *words],
        cwd=folder,
        env={**clean, **env},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def discovered(folder: Path, *words: str, status: int = 0, **env: str) -> Any:
    done = bailey(folder, "discover", *words, "--json", **env)
    assert done.returncode == status, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout)


def imported(folder: Path, found: Any, **env: str) -> Any:
    """What an import with the settings that were printed reads."""
    (folder / "mappings").mkdir(exist_ok=True)
    (folder / "bailey.yaml").write_text(found["settings"], encoding="utf-8")
    done = bailey(folder, "import", "--json", **env)
    assert done.returncode == 0, f"{found['settings']}\n{done.stderr}"
    return json.loads(done.stdout)


def database(postgres: str, name: str, *statements: str, schemas: tuple[str, ...] = ()) -> str:
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}")
        connection.execute(f"CREATE DATABASE {name}")
    url = postgres.rsplit("/", 1)[0] + f"/{name}"
    for schema in schemas:
        words = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-f", str(SCHEMAS / f"{schema}.sql")]
        subprocess.run(words, check=True, capture_output=True)
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)
    return url


def entry(name: str, every: float | None = None) -> str:
    hour = {"minute": "0", "hour": "2", "day_of_week": "*", "day_of_month": "*", "month_of_year": "*"}
    schedule = {"__type__": "interval", "every": every, "relative": False} if every else {"__type__": "crontab", **hour}
    return json.dumps(
        {"name": name, "task": "t", "args": [], "kwargs": {}, "options": {}, "enabled": True} | {"schedule": schedule}
    )
