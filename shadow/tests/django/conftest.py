"""A real Django with django-celery-beat and django-celery-results in a real PostgreSQL."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    """The URL of a database with the packages' own tables."""
    with prepared() as url:
        yield url


@contextmanager
def prepared() -> Iterator[str]:
    """A database with the packages' own tables, as their migrations make them."""
    import django
    from django.conf import settings
    from django.core.management import call_command

    from testing.postgres import cluster

    with cluster() as url:
        parts = urlsplit(url)
        place = {"ENGINE": "django.db.backends.postgresql", "NAME": parts.path.strip("/"), "USER": parts.username}
        settings.configure(
            DATABASES={"default": place | {"HOST": parts.hostname, "PORT": parts.port}},
            INSTALLED_APPS=["django.contrib.contenttypes", "django_celery_beat", "django_celery_results"],
            USE_TZ=True,
            TIME_ZONE="Europe/Paris",
            SECRET_KEY="not secret",
        )
        django.setup()
        call_command("migrate", verbosity=0)
        yield url
        from django.db import connections

        connections.close_all()


@pytest.fixture
def switch(database: str) -> Iterator[Any]:
    """The switch, installed in a database without entries."""
    from beat_world import Switch, install
    from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS bailey_beat CASCADE")
    for model in (PeriodicTask, CrontabSchedule, IntervalSchedule):
        model.objects.all().delete()
    install(database)
    install(database)
    yield Switch(database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP SCHEMA bailey_beat CASCADE")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--full` has the thousands that only `make test-full` moves."""
    parser.addoption("--full", action="store_true", default=False, help="move 3,000 tasks instead of 200")
