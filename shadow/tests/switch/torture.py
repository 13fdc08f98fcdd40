"""Moves entries between legacy and Airflow at random moments while everything around them breaks, and counts what ran.

python torture.py --cutovers 200 --seed 1
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2])]

from calamity import Calamities  # noqa: E402
from chance import EVENTS  # noqa: E402
from dags import Airflow  # noqa: E402
from ledger import Verdict  # noqa: E402
from moving import Mover  # noqa: E402
from tally import Tally, report  # noqa: E402
from verdicts import judge  # noqa: E402
from witness import Witness  # noqa: E402

from testing.entry import Entry  # noqa: E402
from testing.world import World, fresh_folder  # noqa: E402


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
        self._calm = calm
        no_loss = threading.Lock()
        self._mover = Mover(world, self._tally, self._random, at_once, calm, no_loss)
        self._calamities = Calamities(world, self._tally, self._random, calm, no_loss)
        without = {"fault one more beat"} if world.lock == "none" else set()
        self._events = [event for event in EVENTS if event not in without]

    def run(self) -> tuple[Tally, dict[str, Verdict]]:
        """Everything, to the last decided tick."""
        world = self._world
        airflow = Airflow(world, world.entries, twin=True)
        calamities = threading.Thread(target=self._calamities.befall_all, args=(airflow,), daemon=True)
        witness = Witness(world)
        calamities.start()
        with ThreadPoolExecutor(max_workers=len(world.entries)) as pool:
            seeds = [self._random.randrange(1 << 30) for _ in world.entries]
            list(pool.map(self._entry, world.entries, seeds))
        self._calamities.end()
        calamities.join()
        world.revive_beats()
        for entry in world.entries:
            self._mover.bailey("rollback", entry.pipeline, "--execute", "--recreate")
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
        return self._tally, judge(world, self._tally, airflow, witness, until)

    # One entry

    def _entry(self, entry: Entry, seed: int) -> None:
        chance = random.Random(seed)
        while self._take():
            try:
                self._mover.move(entry, chance)
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


if __name__ == "__main__":
    sys.exit(main())
