"""Makes this checkout's runtime the one that is tested, and a Redis server for each module."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from legacy_redis import Legacy, Server  # noqa: E402


@pytest.fixture(scope="module")
def server():
    it = Server()
    yield it
    it.stop()
    it.folder.cleanup()


@pytest.fixture
def legacy(server: Server):
    return lambda *names: Legacy(server, *(names or ("one",)))
