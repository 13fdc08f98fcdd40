"""The same with a row of django_celery_beat, which a real beat with the package's own scheduler runs."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from rest import eventually
from road import Road, probe
from test_switch_by_scheduler import legacy_runs, live_ticks

from testing.server import wait_until

HERE = Path(__file__).resolve().parent
DJANGO = HERE.parent / "django"
PYTHON = HERE.parents[2] / ".env-django/bin/python"
SOURCE = "django"
DAG = "django-over-and-back"
NAME = "over-and-back-entry"
EVERY = 20
TICKS = 2
# The application's migrations, and a row by its own models.
APPLICATION = f"""
import beat_app
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django_celery_beat.models import IntervalSchedule, PeriodicTask
every = IntervalSchedule.objects.create(every={EVERY}, period="seconds")
PeriodicTask.objects.create(name="{NAME}", task="company.ops.refresh_cache", args='["{NAME}"]', interval=every)
"""

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="make django-env")


@contextmanager
def beat(road: Road, url: str, folder: Path) -> Iterator[None]:
    """The application's beat, whose messages the company's workers take."""
    environment = os.environ | {
        "BEAT_DATABASE": url,
        "BEAT_BROKER": road.legacy.redis_url,
        "PYTHONPATH": str(DJANGO),
    }
    subprocess.run([str(PYTHON), "-c", APPLICATION], cwd=folder, env=environment, check=True, timeout=300)
    words = [str(PYTHON), "-m", "celery", "-A", "beat_app", "beat", "-l", "INFO", "--max-interval", "1"]
    with (folder / "beat.log").open("ab") as log:
        process = subprocess.Popen(
            [*words, "--pidfile", "", "-s", str(folder / "schedule")],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


@pytest.mark.full
def test_each_tick_has_one_owner(road: Road, tmp_path: Path) -> None:
    import test_switch_by_scheduler as switch

    url = road.legacy.postgres_url.rsplit("/", 1)[0] + "/company_django"
    with psycopg.connect(road.legacy.postgres_url, autocommit=True) as server:
        server.execute("CREATE DATABASE company_django")
    clock = f"{SOURCE}/{NAME}"

    def more(settings: dict[str, dict[str, object]]) -> None:
        source = {"kind": "django_celery_beat", "url": url, "broker_url": road.legacy.redis_url, "max_interval": 1}
        settings["sources"][SOURCE] = source | {"celery": {"settings": {}}}

    with beat(road, url, tmp_path), road.settings(more), pytest.MonkeyPatch.context() as patch:
        patch.setattr(switch, "DAG", DAG)
        patch.setattr(switch, "ENTRY", NAME)
        eventually("legacy runs it", lambda: legacy_runs(road))
        road.pipeline(DAG, clock, {"work": probe("nothing", entry=clock)})
        road.build(DAG)
        with psycopg.connect(url, autocommit=True) as database:
            move(road, database)


def move(road: Road, database: psycopg.Connection[tuple[object, ...]]) -> None:
    """Over and back."""
    words = ("cutover", DAG, "--execute", "--override", "tester", "--reason", "the gate is on trial")
    first = road.workspace.run(*words, status=1)
    assert "has asked the switch" in first.stdout + first.stderr
    asked = "SELECT 1 FROM bailey_beat.asked WHERE pipeline = %s"
    eventually("a gate asks there", lambda: database.execute(asked, (DAG,)).fetchone())
    road.cut_over(DAG)
    moved = time.time()
    eventually("Airflow runs ticks", lambda: len(live_ticks(road)) >= TICKS)
    road.roll_back(DAG)
    back = time.time()
    between = [at for at in legacy_runs(road) if moved + 1 < at.timestamp() < back - 5]
    assert between == [], "legacy ran while Airflow owned every tick"
    count = len(legacy_runs(road))
    eventually("legacy runs again", lambda: len(legacy_runs(road)) > count)
    row = database.execute("SELECT enabled, start_time FROM django_celery_beat_periodictask WHERE name = %s", (NAME,))
    assert row.fetchone() == (True, None)
    # Every claim was run, once, and every live run had a claim.
    claims = database.execute("SELECT tick, run FROM bailey_beat.claim WHERE pipeline = %s AND how = 'live'", (DAG,))
    claimed = {round(tick.timestamp() * 1_000_000): run for tick, run in claims.fetchall()}  # type: ignore[attr-defined]
    assert len(claimed) >= TICKS
    ran = eventually("what was claimed has run", lambda: set(claimed) <= set(live_ticks(road)) and live_ticks(road))
    assert {tick: f"{DAG}/{run}" for tick, run in ran.items()} == claimed
    road.airflow.pause(DAG, True)
    (road.workspace.folder / "mappings" / f"{DAG}.yaml").unlink()
    wait_until("nothing of Bailey's is among the rows", lambda: witnesses(database) == 0)


def witnesses(database: psycopg.Connection[tuple[object, ...]]) -> object:
    """How many rows of Bailey's own lie there."""
    found = database.execute("SELECT count(*) FROM django_celery_beat_periodictask WHERE task = 'bailey.witness'")
    row = found.fetchone()
    assert row is not None
    return row[0]
