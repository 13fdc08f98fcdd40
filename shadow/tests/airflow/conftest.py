"""A laboratory and an Airflow for tests, each started once and removed with the process that runs the tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SHADOW = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SHADOW))
# The cases that are planted in legacy are the same for both engines.
sys.path.append(str(SHADOW / "tests" / "shadowing"))
os.environ["PYTHONPATH"] = str(SHADOW)

from bailey import company_environment  # noqa: E402
from road import Road  # noqa: E402

from lab.airflow import AirflowStack  # noqa: E402
from lab.airflow_settings import VERSIONS  # noqa: E402
from lab.laboratory import Laboratory  # noqa: E402
from lab.record import Record  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--full` adds the tests that only `make test-full` runs."""
    parser.addoption("--full", action="store_true", help="also run the long tests, and those of other versions")


def pytest_configure(config: pytest.Config) -> None:
    """Declares the marks."""
    config.addinivalue_line("markers", "full: runs with --full only")
    config.addinivalue_line("markers", "versions(*names): those of Airflow in which it runs, all if none is named")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A road leads to an Airflow of a version. Pytest groups the tests by it, so that one of each is started."""
    if "road" not in metafunc.fixturenames:
        return
    mark = metafunc.definition.get_closest_marker("versions")
    names = ("33",) if mark is None else mark.args or VERSIONS
    # What says no version goes on being called what it was.
    versions = [
        pytest.param(name, id=pytest.HIDDEN_PARAM) if name == "33" else pytest.param(name, marks=pytest.mark.full)
        for name in names
    ]
    metafunc.parametrize("road", versions, indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what was not asked for."""
    if not config.getoption("--full"):
        for item in items:
            if "full" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="runs with --full"))


def say(text: str) -> None:
    """Where laboratory and Airflow tell what they do."""
    print(text, file=sys.stderr, flush=True)


class Legacy:
    """The company's live legacy stack."""

    def __init__(self, laboratory: Laboratory, record: Record) -> None:
        self.laboratory = laboratory
        self.record = record

    def settings(self) -> dict[str, Any]:
        """The part of `bailey.yaml` that leads to it."""
        return {
            "sources": {
                "scheduler": {"kind": "redbeat", "url": self.record.redis_url},
                "jobs": {"kind": "queue", "profile": "background_jobs", "url": self.record.postgres_url},
            },
            "environments": {"company": company_environment()},
        }


@pytest.fixture(scope="session")
def legacy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Legacy]:
    """The company's legacy stack, running."""
    laboratory = Laboratory(tmp_path_factory.mktemp("legacy") / "lab", say)
    try:
        yield Legacy(laboratory, laboratory.up(speed=600.0, poll_interval=1.0, owner=os.getpid()))
    finally:
        laboratory.down()


@pytest.fixture(scope="session")
def road(request: pytest.FixtureRequest, legacy: Legacy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """The way from the legacy stack to a running Airflow with LocalExecutor, 3.3 if nothing else is said."""
    yield from roads(legacy, tmp_path_factory, request.param, "local")


@pytest.fixture(scope="module")
def celery_road(legacy: Legacy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """The same with CeleryExecutor, on another database of the legacy stack's Redis."""
    yield from roads(legacy, tmp_path_factory, "33", "celery")


def roads(legacy: Legacy, folders: pytest.TempPathFactory, version: str, executor: str) -> Iterator[Road]:
    """An Airflow and a workspace before it, for as long as they are used."""
    folder = folders.mktemp(f"airflow-{version}-{executor}")
    stack = AirflowStack(folder / "airflow", say)
    broker = legacy.record.redis_url.removesuffix("/0") + "/1" if executor == "celery" else ""
    try:
        record = stack.up(version, executor, redis=broker, owner=os.getpid())
        yield Road(folder / "workspace", legacy.laboratory, legacy.record, stack, record)
    finally:
        stack.down()
