"""In which zone schedules are read: what live workers say, what a running beat has written, and what contradicts what."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from server import Server, wait_until
from world import BAILEY

APPLICATION = """
import os
from zoneinfo import ZoneInfo
from celery import Celery
from celery.schedules import crontab, schedule

zone = os.environ["ZONE"]
app = Celery("zones", broker=os.environ["REDIS"])
app.conf.update(
    timezone=ZoneInfo(zone[1:]) if zone.startswith("=") else zone or None,
    enable_utc=os.environ.get("ENABLE_UTC") != "no",
    redbeat_redis_url=os.environ["REDIS"], beat_max_loop_interval=1, redbeat_lock_timeout=5,
    worker_hijack_root_logger=False,
)

@app.task(name="tick")
def tick():
    pass
"""
SAVE = """
from zones import app
from celery.schedules import crontab, schedule
from redbeat import RedBeatSchedulerEntry
for name, when in (("fast", schedule(1.0, app=app)), ("yearly", crontab("0", "9", month_of_year="1", day_of_month="1"))):
    RedBeatSchedulerEntry(name, "tick", when, app=app).save()
"""


class Application:
    """A Celery application with RedBeat on a Redis of its own, whose zone each process may see otherwise."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = Server(folder / "redis", durable=False)
        self.server.start()
        self.redis = self.server.client(decode_responses=True)
        (folder / "zones.py").write_text(APPLICATION, encoding="utf-8")

    def environment(self, zone: str, **more: str) -> dict[str, str]:
        return {**os.environ, "ZONE": zone, "REDIS": self.server.url, "PYTHONPATH": str(self.folder), **more}

    def save(self, zone: str) -> None:
        """The application creates its entries."""
        words = [sys.executable, "-c", SAVE]
        subprocess.run(words, cwd=self.folder, env=self.environment(zone), check=True, timeout=60)

    @contextmanager
    def process(self, zone: str, *words: str, **more: str) -> Iterator[subprocess.Popen[bytes]]:
        """`celery` with these words for as long as this lasts."""
        with (self.folder / "celery.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "zones", *words],
                cwd=self.folder,
                env=self.environment(zone, **more),
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    @contextmanager
    def worker(self, zone: str, name: str = "one", **more: str) -> Iterator[None]:
        """A live worker that listens for questions."""
        count = self._listeners()
        with self.process(zone, "worker", "-P", "solo", "-n", f"{name}@here", "--without-gossip", **more):
            wait_until("the worker listens", lambda: self._listeners() > count, 60)
            yield
        wait_until("the worker is gone", lambda: self._listeners() == count)

    def _listeners(self) -> int:
        return int(self.redis.pubsub_numsub("/0.celery.pidbox")[0][1])

    def fire(self, zone: str) -> None:
        """A beat runs until it has fired in its zone."""

        def fired() -> bool:
            meta = self.redis.hget("redbeat:fast", "meta") or "{}"
            written = json.loads(meta)
            return bool(written.get("total_run_count")) and written["last_run_at"].get("timezone") == zone.lstrip("=")

        with self.process(zone, "beat", "-S", "redbeat.RedBeatScheduler"):
            wait_until(f"beat has fired in {zone}", fired, 60)
        self.redis.delete("redbeat::lock", "celery")

    def zones(self, *words: str, timezone: str | None = None) -> tuple[dict[str, str | None], set[str], str]:
        """Each entry's zone, the entries whose plan is stopped for it, and all that was said."""
        source = {"kind": "redbeat", "url": self.server.url, "timezone": timezone}
        settings = {"version": 1, "sources": {"s": {key: value for key, value in source.items() if value}}}
        (self.folder / "mappings").mkdir(exist_ok=True)
        (self.folder / "bailey.yaml").write_text(json.dumps(settings), encoding="utf-8")
        inventory = json.loads(self._bailey("import", "--json", *words).stdout)
        planned = json.loads(self._bailey("plan", "--json").stdout)
        stopped = {one["entry"] for one in planned["findings"] if one["code"] == "BLY025" and one.get("entry")}
        said = json.dumps([inventory["sources"], planned["findings"]], ensure_ascii=False)
        return {one["id"]: one["timezone"] for one in inventory["entries"]}, stopped, said

    def _bailey(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(BAILEY), *words], cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
        )


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """Entries that the application made and beat has fired in Kolkata."""
    made = Application(tmp_path_factory.mktemp("zones"))
    try:
        made.save("Asia/Kolkata")
        made.fire("Asia/Kolkata")
        yield made
    finally:
        made.server.stop()


BOTH = {"s/fast", "s/yearly"}


def test_workers_confirm_what_beat_wrote(application: Application) -> None:
    # An object is a zone that `inspect conf` tells in some words of its own, or not at all: never UTC.
    for zone in ("Asia/Kolkata", "=Asia/Kolkata"):
        with application.worker(zone):
            zones, stopped, said = application.zones("--ask-workers")
        assert zones == dict.fromkeys(BOTH, "Asia/Kolkata"), (zone, said)
        assert stopped == set(), (zone, said)


def test_workers_of_another_zone_than_beats_stop_the_entries(application: Application) -> None:
    # Not asked, nobody knows of them.
    zones, stopped, said = application.zones()
    assert (zones, stopped) == (dict.fromkeys(BOTH, "Asia/Kolkata"), set()), said
    for zone, name in (("Europe/Berlin", "Europe/Berlin"), ("", "UTC")):
        with application.worker(zone):
            _, stopped, said = application.zones("--ask-workers")
        assert stopped == BOTH and name in said and "Asia/Kolkata" in said, said


def test_a_worker_that_tells_no_zone_decides_nothing(application: Application) -> None:
    # Without UTC and a zone an application runs in that of its machine.
    with application.worker("", ENABLE_UTC="no"):
        zones, stopped, said = application.zones("--ask-workers")
    assert (zones, stopped) == (dict.fromkeys(BOTH, "Asia/Kolkata"), set()), said


def test_the_configuration_and_workers_contradict_each_other(application: Application) -> None:
    with application.worker("Asia/Kolkata"):
        _, stopped, said = application.zones("--ask-workers", timezone="Europe/Berlin")
        assert stopped == BOTH and "bailey.yaml says Europe/Berlin" in said and "one@here" in said, said
        with application.worker("Europe/Berlin", "two"):
            _, stopped, said = application.zones("--ask-workers")
            assert stopped == BOTH and "live workers disagree" in said, said
            # One clock under two names is no contradiction.
        with application.worker("Asia/Calcutta", "two"):
            _, stopped, said = application.zones("--ask-workers", timezone="Asia/Kolkata")
            assert stopped == set(), said


def test_a_zone_that_was_changed_is_told_and_not_stopped(application: Application) -> None:
    application.fire("Europe/Berlin")
    with application.worker("Europe/Berlin"):
        zones, stopped, said = application.zones("--ask-workers")
    # What is due once a year says the old zone still.
    assert (
        "Asia/Kolkata" in json.loads(application.redis.hget("redbeat:yearly", "meta") or "{}")["last_run_at"].values()
    )
    assert (zones, stopped) == (dict.fromkeys(BOTH, "Europe/Berlin"), set()), said
    assert "the application's zone was changed" in said
