"""Laboratories for tests; each is taken down whatever happens."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from commands import Lab
from queue_database import Database

from testing.postgres import cluster


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A laboratory's folder that does not exist yet; whatever is started there is taken down."""
    lab = Lab(tmp_path / "a lab")
    yield lab
    down = lab.run("down")
    assert down.returncode == 0, down.stderr


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A laboratory that runs; tests only look at it."""
    lab = Lab(tmp_path_factory.mktemp("running") / "lab")
    up = lab.run("up")
    try:
        assert up.returncode == 0, up.stderr
        yield lab
    finally:
        lab.run("down")


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A PostgreSQL for queues; its URL without a database."""
    with cluster("max_prepared_transactions=5") as url:
        yield url.removesuffix("/postgres")


@pytest.fixture
def database(server: str) -> Iterator[Database]:
    """A new database."""
    name = f"q{uuid.uuid4().hex[:8]}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    database = Database(f"{server}/{name}")
    yield database
    database.connection.close()
