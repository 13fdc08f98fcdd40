"""A rollback in the second pass of the hour that is repeated when summer time ends: a real beat under a moved clock goes on at the right moments."""

from __future__ import annotations

import json
import mmap
import shutil
import struct
import subprocess
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest
import redis
from moving import OVERRIDE

import testing
from bailey_runtime.gate import Gate, Group
from testing.entry import Entry
from testing.server import wait_until
from testing.world import World, fresh_folder

ROOT = Path(__file__).resolve().parents[3]
# The zone, when its clocks were turned back, and a wall time right after the repeated part.
CHANGES = {
    "Europe/Berlin": ("2026-10-25T01:00:00", 60, "10 3"),
    "America/New_York": ("2026-11-01T06:00:00", 60, "10 2"),
    "Australia/Lord_Howe": ("2026-04-04T15:00:00", 30, "10 2"),
}
# RedBeat 2.2 with Celery 5.4, 2.3, and 2.4 with 5.7, 5.6 and 5.4, where their environments are there (`make test-full`).
PYTHONS = [
    name for name in ("lab", "redbeat22", "redbeat23", "celery56", "celery54") if (ROOT / f".env-{name}").exists()
]


class Clock:
    """The time of all servers and programs that are started from now on; only this process goes by the machine's."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        library = folder / "moved_clock.so"
        source = Path(testing.__file__).with_name("moved_clock.c")
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
        file = folder / "clock"
        file.write_bytes(bytes(8))
        with file.open("r+b") as opened:
            self._ahead = mmap.mmap(opened.fileno(), 8)
        monkeypatch.setenv("MOVED_CLOCK", str(file))
        monkeypatch.setenv("LD_PRELOAD", str(library))

    def now(self) -> float:
        return time.time() + struct.unpack("=q", self._ahead[:])[0] / 1e9

    def set(self, to: float) -> None:
        self._ahead[:] = struct.pack("=q", round((to - time.time()) * 1e9))

    def wait(self, until: float) -> None:
        time.sleep(max(0.0, until - self.now()))


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(tmp_path, monkeypatch)


def fires(world: World, entry: Entry, since: float) -> list[float]:
    records = [json.loads(line) for line in world.records.lrange("runs", 0, -1)]
    return sorted(
        record["fired_at"]
        for record in records
        if record["entry"] == entry.name and record["side"] == "legacy" and record["fired_at"] > since
    )


def minutes(world: World, entry: Entry, since: float) -> list[int]:
    """In which minutes after an instant beat has run it."""
    return [int(at - since) // 60 for at in fires(world, entry, since)]


def jump(world: World, clock: Clock, to: float) -> None:
    """No beat outlives its lock by hours."""
    world.wanted_beats = 0
    while world.beats:
        world.kill_beat(0, hard=False)
    clock.set(to)
    world.wanted_beats = 1
    world.revive_beats()


@pytest.mark.parametrize("zone", CHANGES)
@pytest.mark.parametrize("python", PYTHONS)
def test_beat_goes_on_in_the_second_pass(clock: Clock, zone: str, python: str, monkeypatch: pytest.MonkeyPatch) -> None:
    turned, repeated, after = CHANGES[zone]
    change = datetime.fromisoformat(turned).replace(tzinfo=timezone.utc).timestamp()
    minutely = Entry("minutely", "cron", static=False)
    # At this wall time the repeated part is over; its offset is known once, and the hour before it had two.
    daily = Entry("daily", f"cron {after}", static=True)
    monkeypatch.setenv("LEGACY_TIMEZONE", zone)
    # Before the hour that is there twice.
    clock.set(change - 2 * 3600 - 30)
    # What legacy does by itself in that hour, which is not what its crontab says: Celery reckons with wall times.
    control = Entry("control", "cron", static=False)
    world = World(
        fresh_folder("hour"), [minutely, daily, control], python=str(ROOT / f".env-{python}" / "bin" / "python")
    )
    with world.running():
        for entry in (minutely, daily):
            ended = world.bailey("cutover", entry.pipeline, "--execute", "--patience", "70", *OVERRIDE)
            assert ended.returncode == 0, ended.stdout + ended.stderr
        jump(world, clock, change + 570)
        # Airflow runs two ticks of the one that is due each minute.
        client = redis.Redis(port=world.network.port)
        last = 0.0
        for _ in range(2):
            last = (clock.now() // 60 + 1) * 60
            clock.wait(last + 0.2)
            gate = Gate(client, Group((minutely.name,)), now=clock.now, timezone=zone)
            assert gate.wait(round(last * 1_000_000), f"{minutely.pipeline}/{last}", 5).how == "live"
        clock.wait(last + 20)
        for entry in (minutely, daily):
            ended = world.bailey("rollback", entry.pipeline, "--execute")
            assert ended.returncode == 0, ended.stdout + ended.stderr
            meta = json.loads(world.server.client().hget(f"redbeat:{entry.name}", "meta"))
            print(zone, python, entry.name, meta["last_run_at"])
        clock.wait(last + 150)
        mine, alone = (minutes(world, entry, last) for entry in (minutely, control))
        print(zone, python, "in the second pass", mine, alone)
        # Celery 5.7 fires such an entry at every wake-up until the hour is over, whoever had it before.
        assert mine == [1, 2] or len(alone) > len(set(alone)), (mine, alone)
        assert fires(world, daily, 0) == []
        # The repeated part is over, and the other one is due: nothing before, once then, and nothing after.
        due = change + repeated * 60 + 600
        jump(world, clock, due - 45)
        wait_until("beat runs it", lambda: fires(world, daily, 0), 120)
        clock.wait(due + 65)
        assert minutes(world, minutely, due - 1) == minutes(world, control, due - 1) == [0, 1]
        (at,) = fires(world, daily, 0)
        assert 0 <= at - due < 3
    shutil.rmtree(world.folder, ignore_errors=True)
