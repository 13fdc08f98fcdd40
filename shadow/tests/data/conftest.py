"""A real PostgreSQL and a real HTTP server for the programs that move data."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from agent import Agent  # noqa: E402


@pytest.fixture(scope="session")
def cluster_url() -> Iterator[str]:
    from testing.postgres import cluster

    with cluster() as url:
        yield url


@pytest.fixture
def agent() -> Iterator[Agent]:
    """An HTTP server of the test's own."""
    server = Agent()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
