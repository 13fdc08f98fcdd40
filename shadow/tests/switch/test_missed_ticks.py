"""Ticks that no scheduler was up for, on either side of a cutover and of a rollback, by each policy, with real beats."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator

import pytest
from dags import Airflow
from ledger import Verdict, judge_interval
from moving import OVERRIDE
from verdicts import run_of

from testing.entry import Entry
from testing.server import wait_until
from testing.world import World, fresh_folder

EVERY = 2.0
MISSED = 4
# A tick that is asked for so late was missed, for the policy `none`.
LATE = 3.0


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    entries = [
        Entry("coalesce", "2", static=True, phase=0.3),
        Entry("every", "2", static=False, phase=0.3, policy="every"),
        Entry("none", "2", static=True, phase=0.3, policy="none", late_after=LATE),
    ]
    folder = fresh_folder("missed")
    world = World(folder, entries)
    with world.running():
        yield world
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def airflow(world: World) -> Iterator[Airflow]:
    began = world.records.llen("runs")
    airflow = Airflow(world, world.entries)
    yield airflow
    airflow.stalled.clear()
    world.wanted_beats = 1
    world.revive_beats()
    for entry in world.entries:
        moved(world, "rollback", entry)
    wait_until("legacy goes on", lambda: legacy_goes_on(world), 20)
    airflow.stop()
    assert [alert for alert in airflow.alerts if alert.startswith(("broken", "undecided"))] == []
    for entry in world.entries:
        found = judged(world, airflow, entry, began)
        assert (found.twice, found.lost) == ([], []), entry.name


def moved(world: World, word: str, entry: Entry, *words: str, status: int = 0) -> None:
    """Runs a command for the entry's pipeline."""
    override = OVERRIDE if word == "cutover" else ()
    ended = world.bailey(word, entry.pipeline, "--execute", *override, *words)
    assert ended.returncode == status, ended.stdout + ended.stderr


def legacy_runs(world: World, entry: Entry, after: float) -> list[float]:
    """When beat fired it since."""
    records = [json.loads(line) for line in world.records.lrange("runs", 0, -1)]
    mine = [record for record in records if record["entry"] == entry.name and record["side"] == "legacy"]
    return [record["fired_at"] for record in mine if record["fired_at"] > after]


def legacy_goes_on(world: World) -> bool:
    since = time.time() - 2 * EVERY
    return all(len(legacy_runs(world, entry, since)) >= 2 for entry in world.entries)


def judged(world: World, airflow: Airflow, entry: Entry, began: int) -> Verdict:
    records = [json.loads(line) for line in world.records.lrange("runs", began, -1)]
    runs = [run_of(record) for record in records if record["entry"] == entry.name]
    decided = airflow.decided(entry)
    return judge_interval(EVERY, entry.phase, runs, decided, [], [], [], time.time())


def window(world: World, entry: Entry) -> float:
    """Where Airflow's window begins."""
    stored = world.server.client().hget(f"bailey:switch:{{{world.prefix}{entry.name}}}", "windows")
    return int(json.loads(stored)[-1][0]) / 1_000_000


def let_ticks_pass(number: int = MISSED) -> None:
    time.sleep(number * EVERY)


def told(airflow: Airflow, entry: Entry, begin: float, end: float) -> list[str]:
    """What the runs of these ticks were told, once all have been."""
    first = int((begin - entry.phase) // EVERY) + 1
    ticks = []
    while (tick := entry.phase + first * EVERY) < end:
        ticks.append(round(tick, 3))
        first += 1
    wait_until("all runs were told", lambda: all(tick in airflow.told[entry.name] for tick in ticks), 20)
    return [airflow.told[entry.name][tick] for tick in ticks]


def test_airflow_stands_still_around_a_cutover(world: World, airflow: Airflow) -> None:
    let_ticks_pass(1)
    airflow.stalled.set()
    stood = time.time()
    let_ticks_pass()
    for entry in world.entries:
        moved(world, "cutover", entry)
    let_ticks_pass()
    airflow.stalled.clear()
    resumed = time.time()
    for entry in world.entries:
        begin = window(world, entry)
        before = told(airflow, entry, stood, begin)
        after = told(airflow, entry, begin, resumed)
        assert len(before) >= MISSED - 1 and set(before) <= {"not-ours", "no-switch"}
        assert len(after) >= MISSED - 1
        if entry.policy == "coalesce":
            # One late run stands for all; the newest, if it was asked for in time, runs beside it.
            late = sum(how == "coalesced" for how in after)
            assert late >= MISSED - 2 and after.count("live") == len(after) - late <= 2, after
            assert airflow.wrongly_dropped(entry) == []
        elif entry.policy == "every":
            assert set(after) == {"live"}
        else:
            late = sum(how == "dropped" for how in after)
            assert late >= 2 and after == ["dropped"] * late + ["live"] * (len(after) - late)
        claims = world.server.client(decode_responses=True).hgetall(f"bailey:claims:{{{world.prefix}{entry.name}}}")
        recorded = [json.loads(claim)["how"] for tick, claim in claims.items() if tick.isdigit()]
        assert all(recorded.count(how) >= after.count(how) for how in set(after))
        assert legacy_runs(world, entry, begin) == []


def test_airflow_stands_still_around_a_rollback(world: World, airflow: Airflow) -> None:
    for entry in world.entries:
        moved(world, "cutover", entry)
    let_ticks_pass(2)
    airflow.stalled.set()
    time.sleep(1.5)
    stood = time.time()
    let_ticks_pass()
    for entry in world.entries:
        moved(world, "rollback", entry)
    back = time.time()
    let_ticks_pass()
    airflow.stalled.clear()
    resumed = time.time()
    for entry in world.entries:
        # Whatever the policy says of Airflow's ticks: these are legacy's again, and beat runs all that it missed as one.
        assert set(told(airflow, entry, stood, resumed)) == {"not-ours"}
        ran = legacy_runs(world, entry, stood)
        assert MISSED - 1 <= len(ran) <= MISSED + 3, (ran, stood, back, resumed)


def test_beat_stands_still_around_a_cutover_and_a_rollback(world: World, airflow: Airflow) -> None:
    let_ticks_pass(1)
    stop_beats(world)
    let_ticks_pass()
    # What legacy has not run yet has to be run by legacy.
    for entry in world.entries:
        moved(world, "cutover", entry, "--patience", "0.5", status=1)
    world.wanted_beats = 1
    world.revive_beats()
    for entry in world.entries:
        moved(world, "cutover", entry)
    stop_beats(world)
    let_ticks_pass()
    for entry in world.entries:
        moved(world, "rollback", entry)
    back = time.time()
    let_ticks_pass()
    assert all(legacy_runs(world, entry, back) == [] for entry in world.entries)
    world.wanted_beats = 1
    world.revive_beats()
    wait_until("beat has run what it missed", lambda: all(legacy_runs(world, e, back) for e in world.entries), 20)
    for entry in world.entries:
        first, *rest = legacy_runs(world, entry, back)
        assert all(at > first + EVERY / 2 for at in rest)


def stop_beats(world: World) -> None:
    world.wanted_beats = 0
    while world.beats:
        world.kill_beat(0, hard=False)
