"""Makes this checkout's runtime and plugin the ones that Airflow finds."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, Callable

import pytest

ROOT = Path(__file__).resolve().parents[3]
SHADOW = ROOT / "shadow"
FIXTURES = ROOT / "Tests" / "SchedulesTests" / "Fixtures"

# Airflow reads these when it is first imported, so they cannot wait for a fixture.
sys.path.insert(0, str(SHADOW))
_HOME = tempfile.TemporaryDirectory(prefix="bailey-airflow-")
os.environ.update(
    AIRFLOW_HOME=_HOME.name,
    AIRFLOW__CORE__DAGS_FOLDER=str(Path(_HOME.name) / "dags"),
    AIRFLOW__CORE__PLUGINS_FOLDER=str(SHADOW / "plugins"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__UNIT_TEST_MODE="False",
)


@pytest.fixture(scope="session")
def dags_folder() -> Path:
    """The folder that this Airflow reads DAG files from."""
    folder = Path(_HOME.name) / "dags"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def oracle() -> Callable[[str], list[dict[str, Any]]]:
    """Reads the lines that Celery or dateutil computed, by the name of the file."""

    def read(name: str) -> list[dict[str, Any]]:
        text = (FIXTURES / f"{name}.jsonl").read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text.splitlines()]
        assert lines, f"{name}.jsonl is empty"
        return lines

    return read
