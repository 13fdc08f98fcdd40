"""Moves entries between legacy and Airflow at random moments while everything around them breaks, and counts what ran.

python torture.py --cutovers 200 --seed 1
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2])]

from dags import Airflow  # noqa: E402
from ledger import Run, Verdict, judge_interval, judge_minutes  # noqa: E402
from witness import Witness  # noqa: E402

from testing.entry import Entry  # noqa: E402
from testing.world import World, fresh_folder  # noqa: E402

Item = TypeVar("Item")

# What may happen around one cutover and rollback of one entry.
FAULTS = (
    "none",
    "die",
    "die-undo",
    "die-in-rollback",
    "save",
    "recreate",
    "delete",
    "bounded",
    "save-while-closing",
    "edit",
    "lose",
)
# What must have happened by the end, or the run proves less than it says: the beginnings of what is counted.
EVENTS = (
    "fault bailey killed",
    "fault beat-killed",
    "fault beat-ended",
    "fault one more beat",
    "fault redis restarted",
    "fault redis restarted without its last second",
    "fault network cut",
    "fault scheduler stalled",
    "fault entry saved",
    "fault entry re-created",
    "fault entry deleted",
    "fault window bounded",
    "fault entry edited",
    "fault switch lost",
    "fault beat's clock",
    "fault airflow's clock",
)
# The lines that a cutover and a rollback write into the journal, in order: policy, then each step before and after, then the end.
CUTOVER_LINES, ROLLBACK_LINES = 10, 5
# What is tried here is the switch, not the policy.
OVERRIDE = ("--override", "torture", "--reason", "no shadowing here")
# What may happen to everything at once.
CALAMITIES = (
    "beat-killed",
    "beat-ended",
    "second-beat",
    "redis",
    "redis-loses-a-second",
    "network",
    "airflow",
    "beat-clock",
    "airflow-clock",
)


@dataclass
class Tally:
    """What was tried and what came of it."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    # Where each thing that befalls is written with its time.
    log: Path | None = None

    def add(self, what: str, number: int = 1, detail: str = "") -> None:
        with self.lock:
            self.counts[what] += number
            if self.log is not None and what.startswith("fault"):
                with self.log.open("a", encoding="utf-8") as log:
                    log.write(f"{time.time():.3f} {what} {detail}\n")

    def problem(self, text: str) -> None:
        with self.lock:
            self.problems.append(text)


class Bag(Generic[Item]):
    """Draws at random, and each thing once before any comes again: nothing of the list is left out by chance."""

    def __init__(self, things: Iterable[Item], chance: random.Random) -> None:
        self._things = list(things)
        self._chance = chance
        self._left: list[Item] = []
        self._lock = threading.Lock()

    def draw(self) -> Item:
        with self._lock:
            if not self._left:
                self._left = self._chance.sample(self._things, len(self._things))
            return self._left.pop()


class Torture:
    """One run of it."""

    def __init__(self, world: World, seed: int, cutovers: int, at_once: int, calm: bool) -> None:
        self._world = world
        self._random = random.Random(seed)
        self._wanted = cutovers
        # One that never succeeds must end, too.
        self._tries = 3 * cutovers + 20
        self._lock = threading.Lock()
        self._tally = Tally(log=world.folder / "faults.log")
        self._programs = threading.Semaphore(at_once)
        self._calm = calm
        self._over = threading.Event()
        # Held while Redis may not lose what it was told.
        self._no_loss = threading.Lock()
        self._faults = Bag(FAULTS, self._random)
        self._deaths = Bag(range(1, CUTOVER_LINES + 1), self._random)
        self._rollback_deaths = Bag(range(1, ROLLBACK_LINES + 1), self._random)
        self._beat_clock = Bag((-2.0, 2.0), self._random)
        self._airflow_clock = Bag((-2.0, 2.0), self._random)
        self._beats = world.wanted_beats
        # Beats that keep no lock fire twice what two of them fire, with or without Bailey.
        without = {"second-beat"} if world.lock == "none" else set()
        self._calamity = Bag([what for what in CALAMITIES if what not in without], self._random)
        self._events = [event for event in EVENTS if not (without and event == "fault one more beat")]

    def run(self) -> tuple[Tally, dict[str, Verdict]]:
        world = self._world
        airflow = Airflow(world, world.entries, twin=True)
        calamities = threading.Thread(target=self._calamities, args=(airflow,), daemon=True)
        witness = Witness(world)
        calamities.start()
        with ThreadPoolExecutor(max_workers=len(world.entries)) as pool:
            seeds = [self._random.randrange(1 << 30) for _ in world.entries]
            list(pool.map(self._entry, world.entries, seeds))
        self._over.set()
        calamities.join()
        world.revive_beats()
        for entry in world.entries:
            self._bailey("rollback", entry.pipeline, "--execute", "--recreate")
        # Legacy takes over; then everything that was asked is decided.
        time.sleep(max(entry.seconds for entry in world.entries if entry.every != "cron") + 3)
        airflow.stop()
        time.sleep(2)
        witness.stop()
        until = time.time()
        for text in airflow.alerts:
            if text.startswith(("broken", "undecided")):
                self._tally.problem(text)
        self._tally.problems += witness.problems
        self._tally.add("looks of a witness at all switches", witness.looks)
        for event in self._missing():
            self._tally.problem(f"never happened: {event}")
        for text in airflow.alerts:
            self._tally.add(f"alert {text.split(':')[0]}")
        self._tally.add("connections cut", world.network.broken)
        self._tally.add("connections refused while cut", world.network.refused)
        return self._tally, self._judge(airflow, witness, until)

    # One entry

    def _entry(self, entry: Entry, seed: int) -> None:
        chance = random.Random(seed)
        while self._take():
            try:
                self._move(entry, chance)
            except Exception as error:
                self._tally.problem(f"{entry.name}: {type(error).__name__}: {error}")

    def _take(self) -> bool:
        with self._lock:
            self._tries -= 1
            done = min(self._tally.counts["cutovers"], self._tally.counts["rollbacks"])
            return (done < self._wanted or bool(self._missing())) and self._tries >= 0

    def _missing(self) -> list[str]:
        """What has not happened yet."""
        happened = list(self._tally.counts)
        return (
            []
            if self._calm
            else [event for event in self._events if not any(one.startswith(event) for one in happened)]
        )

    def _move(self, entry: Entry, chance: random.Random) -> None:
        world = self._world
        dwell = min(entry.seconds, 5.0)
        time.sleep(chance.uniform(0, 2 * dwell))
        fault = "none" if self._calm else self._faults.draw()
        words = ["cutover", entry.pipeline, "--execute", "--patience", "15", "--installation", "airflow", *OVERRIDE]
        if fault == "bounded":
            words += ["--ticks", str(chance.randint(1, 3))]
        if fault == "save-while-closing":
            threading.Thread(target=self._save_soon, args=(entry, chance.uniform(0, 2)), daemon=True).start()
        status = self._bailey(*words, die_at=self._deaths.draw() if fault in ("die", "die-undo") else None)
        if status == -9:
            time.sleep(chance.uniform(0, 1.5 * dwell))
            if fault == "die-undo":
                self._bailey("rollback", entry.pipeline, "--execute")
                self._tally.add("undone")
                return
            status = self._bailey(*words)
        if status != 0:
            self._tally.add(f"cutover refused ({status})")
            self._bailey("rollback", entry.pipeline, "--execute", "--recreate")
            return
        self._tally.add("cutovers")
        time.sleep(chance.uniform(0, 3 * dwell))
        one = chance.choice(entry.everyone)
        if fault == "save":
            world.application(f"entry({one.name!r}, {one.every!r}).save()")
            self._tally.add("fault entry saved", detail=one.name)
        elif fault == "recreate":
            world.application(f"e = entry({one.name!r}, {one.every!r})\ne.delete()\ne.save()")
            self._tally.add("fault entry re-created", detail=one.name)
        elif fault == "delete":
            # Of what Redis forgets in between, legacy would own an entry that the application then deletes: nobody is to run that.
            with self._no_loss:
                if world.owner(one) == "airflow":
                    world.application(f"entry({one.name!r}, {one.every!r}).delete()")
                    self._tally.add("fault entry deleted", detail=one.name)
        elif fault == "bounded":
            self._tally.add("fault window bounded")
        elif fault == "edit":
            # As an application does: it loads the entry, with Bailey's own `enabled` false, changes an option, saves.
            world.application(
                "from redbeat.schedulers import RedBeatSchedulerEntry as E\n"
                f"e = E.from_key({world.prefix + one.name!r}, app=app)\ne.options['priority'] = 3\ne.save()"
            )
            self._tally.add("fault entry edited", detail=one.name)
        elif fault == "lose":
            with self._no_loss:
                world.server.client().delete(f"bailey:switch:{{{world.prefix}{one.name}}}")
            self._tally.add("fault switch lost", detail=one.name)
        if fault in ("save", "recreate", "delete", "edit"):
            time.sleep(chance.uniform(0, 2 * dwell))
        die = self._rollback_deaths.draw() if fault == "die-in-rollback" else None
        for _ in range(20):
            status = self._bailey("rollback", entry.pipeline, "--execute", "--recreate", die_at=die)
            die = None
            if status == 0:
                self._tally.add("rollbacks")
                break
            time.sleep(0.5)
        else:
            self._tally.problem(f"{entry.name}: twenty rollbacks failed")
        if fault == "edit":
            # The next cutover is of what was planned.
            world.application(f"entry({one.name!r}, {one.every!r}).save()")
        time.sleep(chance.uniform(0, 2 * dwell))

    def _save_soon(self, entry: Entry, wait: float) -> None:
        time.sleep(wait)
        self._world.application(f"entry({entry.name!r}, {entry.every!r}).save()")
        self._tally.add("fault entry saved during cutover")

    def _bailey(self, *words: str, die_at: int | None = None) -> int:
        with self._programs:
            ended = self._world.bailey(*words, die_at=die_at)
        with (self._world.folder / "bailey.log").open("a", encoding="utf-8") as log:
            log.write(f"{time.time():.3f} {' '.join(words)} die_at={die_at} -> {ended.returncode}\n{ended.stderr}")
            if ended.returncode == 1:
                log.write(ended.stdout)
        if ended.returncode == -9:
            self._tally.add(f"fault bailey killed after {self._world.last_journal_line(words[1])}")
        if ended.returncode in (2, 70, -11, -6, -4):
            self._tally.problem(f"bailey {' '.join(words)} ended with {ended.returncode}: {ended.stderr[-400:]}")
        return ended.returncode

    # Everything at once

    def _calamities(self, airflow: Airflow) -> None:
        world = self._world
        chance = random.Random(self._random.randrange(1 << 30))
        while not self._over.wait(chance.uniform(2, 6)):
            world.revive_beats()
            if self._calm:
                continue
            what = self._calamity.draw()
            try:
                self._befall(what, airflow, chance)
            except Exception as error:
                self._tally.problem(f"{what}: {type(error).__name__}: {error}")
        world.skew = airflow.skew = 0.0

    def _befall(self, what: str, airflow: Airflow, chance: random.Random) -> None:
        world = self._world
        if what in ("beat-killed", "beat-ended"):
            if world.beats:
                world.kill_beat(chance.randrange(len(world.beats)), hard=what == "beat-killed")
                self._tally.add(f"fault {what}")
            time.sleep(chance.uniform(0, 3))
        elif what == "second-beat":
            world.wanted_beats = self._beats + (world.wanted_beats == self._beats)
            if len(world.beats) > world.wanted_beats:
                world.kill_beat(chance.randrange(len(world.beats)), hard=False)
            if world.wanted_beats > self._beats:
                self._tally.add("fault one more beat started")
        elif what == "redis":
            world.server.restart()
            self._tally.add("fault redis restarted")
        elif what == "redis-loses-a-second":
            with self._no_loss:
                loss = world.server.restart(lose=1.0)
            world.outages.append((loss.since - 0.1, loss.killed + 1.0))
            self._tally.add("fault redis restarted without its last second")
            self._tally.add("bytes of its log that redis lost", loss.bytes)
        elif what == "network":
            world.network.cut(chance.uniform(0.5, 3))
            self._tally.add("fault network cut")
        elif what == "airflow":
            airflow.stalled.set()
            time.sleep(chance.uniform(2, 8))
            airflow.stalled.clear()
            self._tally.add("fault scheduler stalled")
        elif what == "airflow-clock":
            airflow.skew = self._airflow_clock.draw() if airflow.skew == 0 else 0.0
            self._tally.add(f"fault airflow's clock {airflow.skew:+g} s off")
        elif what == "beat-clock":
            # All beats together: two beats whose clocks differ disagree even without Bailey.
            world.skew = self._beat_clock.draw() if world.skew == 0 else 0.0
            self._tally.add(f"fault beat's clock {world.skew:+g} s off")
            wanted, world.wanted_beats = world.wanted_beats, 0
            while world.beats:
                world.kill_beat(0, hard=False)
            world.wanted_beats = wanted
        world.revive_beats()

    # Judging

    def _judge(self, airflow: Airflow, witness: Witness, until: float) -> dict[str, Verdict]:
        records = [json.loads(line) for line in self._world.records.lrange("runs", 0, -1)]
        (self._world.folder / "runs.jsonl").write_text("\n".join(json.dumps(record) for record in records))
        attempts = [json.loads(line) for line in self._world.records.lrange("attempts", 0, -1)]
        created: dict[str, list[float]] = {}
        for line in self._world.records.lrange("creations", 0, -1):
            creation = json.loads(line)
            created.setdefault(creation["entry"], []).append(creation["at"])
        verdicts: dict[str, Verdict] = {}
        for entry in self._world.entries:
            decided = airflow.decided(entry)
            dropped = airflow.wrongly_dropped(entry)
            for member in entry.everyone:
                mine = [record for record in records if record["entry"] == member.name]
                for record in mine:
                    if record["side"] == "legacy" and witness.seen[entry.name].holds(
                        record["fired_at"] - record["skew"]
                    ):
                        self._tally.problem(
                            f"legacy fired {member.name} at {record['fired_at']:.3f} while Airflow owned it"
                        )
                runs = [run_of(record) for record in mine]
                sent = {round(run.at, 4) for run in runs}
                tried = [attempt["fired_at"] for attempt in attempts if attempt["entry"] == member.name]
                unsent = [at for at in tried if round(at, 4) not in sent]
                self._tally.add("runs that beat noted and never sent", len(unsent))
                if member.every == "cron":
                    first = min(run.at for run in runs)
                    verdicts[member.name] = judge_minutes(runs, decided, unsent, self._world.outages, first, until)
                else:
                    verdicts[member.name] = judge_interval(
                        member.seconds,
                        entry.phase,
                        runs,
                        decided,
                        created.get(member.name, []),
                        unsent,
                        self._world.outages,
                        until,
                        absorbed=member is not entry,
                    )
            verdicts[entry.name].lost += [
                f"the tick {tick:.3f} was asked for in time and coalesced" for tick in dropped
            ]
        return verdicts


def run_of(record: dict[str, Any]) -> Run:
    if record["side"] == "airflow":
        return Run("airflow", record["at"], record["ran_at"])
    return Run("legacy", record["fired_at"], record["ran_at"], record["went_on_from"])


def make_entries(number: int, seed: int) -> list[Entry]:
    """Static and dynamic ones, due each 1 to 5 seconds, and some each minute; each eighth leads a pipeline of five."""
    chance = random.Random(seed)
    entries = []
    for index in range(number):
        every = ("2", "3", "cron", "5", "1", "2", "3", "5")[index % 8]
        phase = 0.0 if every == "cron" else round(chance.uniform(0, 5), 3)
        absorbed = [Entry(f"e{index}-{part}", every, static=part % 2 == 0) for part in range(2, 6)]
        group = tuple(absorbed) if index % 8 == 3 else ()
        entries.append(Entry(f"e{index}", every, static=index % 2 == 0, phase=phase, absorbed=group))
    return entries


def main() -> int:
    """Runs it and prints what came of it; 0 if nothing ran twice and nothing was lost."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--cutovers", type=int, default=200)
    options.add_argument("--entries", type=int, default=24)
    options.add_argument("--seed", type=int, default=int(time.time()))
    options.add_argument("--at-once", type=int, default=3)
    options.add_argument("--prefix", default="redbeat:")
    options.add_argument("--lock", help="none: the application keeps no lock")
    options.add_argument("--beats", type=int, default=1, help="how many run at least")
    options.add_argument("--python", default=sys.executable, help="an interpreter with another RedBeat")
    options.add_argument("--durable", type=float, default=1.1)
    options.add_argument("--calm", action="store_true", help="nothing breaks")
    options.add_argument("--keep", action="store_true", help="keep the folder of logs")
    given = options.parse_args()
    # Whoever ends this ends what it started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    tally, verdicts, folder = torture(given)
    return report(given.seed, tally, verdicts, folder)


def torture(given: argparse.Namespace) -> tuple[Tally, dict[str, Verdict], Path]:
    folder = fresh_folder("torture")
    world = World(
        folder,
        make_entries(given.entries, given.seed),
        prefix=given.prefix,
        lock=given.lock,
        durable=given.durable,
        python=given.python,
        beats=given.beats,
    )
    with world.running():
        tally, verdicts = Torture(world, given.seed, given.cutovers, given.at_once, given.calm).run()
    return tally, verdicts, folder


def report(seed: int, tally: Tally, verdicts: dict[str, Verdict], folder: Path) -> int:
    """Prints seed and counts; 0 if all is well."""
    twice = sum(len(found.twice) for found in verdicts.values())
    lost = sum(len(found.lost) for found in verdicts.values())
    excused = sum(len(found.excused) for found in verdicts.values())
    runs = sum(found.runs for found in verdicts.values())
    coalesced = sum(found.coalesced for found in verdicts.values())
    for what, number in sorted(tally.counts.items()):
        print(f"  {number:5} {what}")
    for name, found in verdicts.items():
        for text in found.twice:
            print(f"TWICE {name}: {text}")
        for text in found.lost:
            print(f"LOST {name}: {text}")
        for text in found.excused:
            print(f"  legacy's own: {name}: {text}")
    for name, found in verdicts.items():
        if found.listed:
            print(f"  coalesced by policy: {name}: {', '.join(found.listed)}")
    for text in tally.problems:
        print(f"PROBLEM {text}")
    print(
        f"seed {seed}: {tally.counts['cutovers']} cutovers, {tally.counts['rollbacks']} rollbacks, {runs} runs, "
        f"{twice} twice, {lost} lost, {coalesced} coalesced by policy, {excused} excused, {len(tally.problems)} problems; logs in {folder}"
    )
    return 1 if twice or lost or tally.problems else 0


if __name__ == "__main__":
    sys.exit(main())
