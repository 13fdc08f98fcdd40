"""The switch of django_celery_beat's entries, against the package's own scheduler."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from beat_world import TASK, Beat, Switch, beat, fired, make

from testing.server import wait_until


@pytest.fixture
def one(database: str, switch: Switch, tmp_path: Path) -> Iterator[Beat]:
    make("each", every=2)
    with beat(database, tmp_path) as running:
        fired(running, "each", 240)
        yield running


def test_beat_fires_nothing_of_what_is_moved_and_goes_on_after_the_last_claim(switch: Switch, one: Beat) -> None:
    begun = time.time()
    assert switch.close("p", ["each"], slack=1_000_000)["answer"] == "closed"
    settled = switch.settle("p")
    assert settled["answer"] == "settled", settled
    took = time.time() - begun
    last = one.of("each")[-1]
    row = switch.row("each")
    # The window begins half an interval after what was truly legacy's last fire: beat wrote it, and the message came then.
    fire = datetime.fromisoformat(row["last_run_at"]).timestamp()
    assert settled["from"] / 1e6 == pytest.approx(fire + 1, abs=2e-6)
    assert last - 5 < fire <= last, (fire, last)
    assert took < 60, took
    assert row["enabled"] is False and row["start_time"] is None
    time.sleep(8)  # Longer than a loop of beat.
    assert one.of("each")[-1] == last
    tick = float(int(time.time()))
    assert switch.ask("p", tick, "r1")["mode"] == "live"
    assert switch.ask("p", tick, "r1")["mode"] == "live"
    assert switch.ask("p", tick, "r2")["mode"] == "skip"
    assert switch.give_back("p")["answer"] == "given"
    row = switch.row("each")
    assert row["enabled"] is True and row["start_time"] is None
    at = fired(one, "each", 60)
    assert at >= tick + 1.9
    assert one.of("bailey.witness") == []
    assert switch.connection.execute(f"SELECT count(*) FROM {TASK} WHERE task = 'bailey.witness'").fetchone() == (0,)
    wait_until("it goes on", lambda: len([found for found in one.of("each") if found > at]) >= 2, 60)
