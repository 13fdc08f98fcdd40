"""A legacy stack for the commands that look after switches: several entries that fire every two seconds under a real beat."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from desk import Desk  # noqa: E402

from lab.laboratory import Laboratory  # noqa: E402
from lab.record import Record  # noqa: E402
from testing.entry import Entry  # noqa: E402
from testing.postgres import cluster  # noqa: E402
from testing.server import Server  # noqa: E402
from testing.world import World, fresh_folder  # noqa: E402


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    """A workspace before a real Redis, beat and worker; each test takes an entry of its own."""
    world = World(fresh_folder("commands"), [Entry(f"e{n}", "2", static=False) for n in range(30)])
    try:
        with world.running():
            yield Desk(world)
    finally:
        shutil.rmtree(world.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Record]:
    """The company's live legacy stack, whose Redis carries Celery's messages too."""
    laboratory = Laboratory(tmp_path_factory.mktemp("company") / "lab", lambda text: print(text, file=sys.stderr))
    try:
        yield laboratory.up(speed=600.0, poll_interval=1.0, owner=os.getpid())
    finally:
        laboratory.down()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Redis with nothing in it, that keeps nothing."""
    one = Server(tmp_path_factory.mktemp("discover"), durable=False)
    one.start()
    try:
        yield one
    finally:
        one.stop()


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """A PostgreSQL with nothing in it."""
    with cluster() as url:
        yield url
