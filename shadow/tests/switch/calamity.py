"""What befalls everything at once while entries move: beats, Redis, the network, Airflow's scheduler, clocks."""

from __future__ import annotations

import random
import threading
import time

from chance import CALAMITIES, Bag
from dags import Airflow
from tally import Tally

from testing.world import World


class Calamities:
    """Draws one after another until it is over."""

    def __init__(self, world: World, tally: Tally, chance: random.Random, calm: bool, no_loss: threading.Lock) -> None:
        self._world = world
        self._tally = tally
        self._random = chance
        self._calm = calm
        # Held while Redis may not lose what it was told.
        self._no_loss = no_loss
        self._over = threading.Event()
        self._beats = world.wanted_beats
        self._beat_clock = Bag((-2.0, 2.0), chance)
        self._airflow_clock = Bag((-2.0, 2.0), chance)
        # Beats that keep no lock fire twice what two of them fire, with or without Bailey.
        without = {"second-beat"} if world.lock == "none" else set()
        self._bag = Bag([what for what in CALAMITIES if what not in without], chance)

    def end(self) -> None:
        """No other is drawn."""
        self._over.set()

    def befall_all(self, airflow: Airflow) -> None:
        """Runs until it is ended."""
        world = self._world
        chance = random.Random(self._random.randrange(1 << 30))
        while not self._over.wait(chance.uniform(2, 6)):
            world.revive_beats()
            if self._calm:
                continue
            what = self._bag.draw()
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
