"""Laboratories for tests; each is taken down whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Lab


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
