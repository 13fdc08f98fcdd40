"""A real PostgreSQL for the tables of other people's queues."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]


@pytest.fixture(scope="session")
def cluster_url() -> Iterator[str]:
    from testing.postgres import cluster

    with cluster() as url:
        yield url


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--full` has the thousands that only `make test-full` moves."""
    parser.addoption("--full", action="store_true", default=False, help="move 3,000 jobs instead of 200")
