"""Brokers that the tests of a session share; each test has databases or a virtual host of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from stack import rabbitmq_server, redis_server, sentinel


@pytest.fixture(scope="session")
def redis_port() -> Iterator[int]:
    with redis_server() as port:
        yield port


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[str]:
    with rabbitmq_server() as url:
        yield url


@pytest.fixture(scope="session")
def sentinel_port(redis_port: int) -> Iterator[int]:
    with sentinel(redis_port) as port:
        yield port


@pytest.fixture
def clean(redis_port: int) -> int:
    """The Redis server, with nothing in it."""
    import redis

    redis.Redis(port=redis_port).flushall()
    return redis_port


@pytest.fixture
def vhost(rabbitmq: str) -> str:
    """A RabbitMQ broker whose queues are gone."""
    from kombu import Connection

    with Connection(rabbitmq) as connection:
        for name in ("celery", "work", "heavy", "light", "odd", "even", "main", "ml"):
            with connection.channel() as channel:
                channel.queue_delete(name)
        for name in ("celery", "main", "company", "work", "heavy", "light", "odd", "even"):
            with connection.channel() as channel:
                channel.exchange_delete(name)
    return rabbitmq


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "full: runs with BAILEY_FULL=1 only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not os.environ.get("BAILEY_FULL"):
        for item in items:
            if item.get_closest_marker("full"):
                item.add_marker(pytest.mark.skip(reason="runs with BAILEY_FULL=1"))
