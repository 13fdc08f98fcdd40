"""Moves one entry over and back while something goes wrong around it."""

from __future__ import annotations

import random
import threading
import time

from chance import CUTOVER_LINES, FAULTS, ROLLBACK_LINES, Bag
from tally import Tally

from testing.entry import Entry
from testing.world import World

# What is tried here is the switch, not the policy.
OVERRIDE = ("--override", "torture", "--reason", "no shadowing here")


class Mover:
    """Runs `bailey` for entries, so many at once."""

    def __init__(
        self, world: World, tally: Tally, chance: random.Random, at_once: int, calm: bool, no_loss: threading.Lock
    ) -> None:
        self._world = world
        self._tally = tally
        self._programs = threading.Semaphore(at_once)
        self._calm = calm
        # Held while Redis may not lose what it was told.
        self._no_loss = no_loss
        self._faults = Bag(FAULTS, chance)
        self._deaths = Bag(range(1, CUTOVER_LINES + 1), chance)
        self._rollback_deaths = Bag(range(1, ROLLBACK_LINES + 1), chance)

    def move(self, entry: Entry, chance: random.Random) -> None:
        """One cutover and one rollback, with a fault around them."""
        world = self._world
        dwell = min(entry.seconds, 5.0)
        time.sleep(chance.uniform(0, 2 * dwell))
        fault = "none" if self._calm else self._faults.draw()
        words = ["cutover", entry.pipeline, "--execute", "--patience", "15", "--installation", "airflow", *OVERRIDE]
        if fault == "bounded":
            words += ["--ticks", str(chance.randint(1, 3))]
        if fault == "save-while-closing":
            threading.Thread(target=self._save_soon, args=(entry, chance.uniform(0, 2)), daemon=True).start()
        status = self.bailey(*words, die_at=self._deaths.draw() if fault in ("die", "die-undo") else None)
        if status == -9:
            time.sleep(chance.uniform(0, 1.5 * dwell))
            if fault == "die-undo":
                self.bailey("rollback", entry.pipeline, "--execute")
                self._tally.add("undone")
                return
            status = self.bailey(*words)
        if status != 0:
            self._tally.add(f"cutover refused ({status})")
            self.bailey("rollback", entry.pipeline, "--execute", "--recreate")
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
            status = self.bailey("rollback", entry.pipeline, "--execute", "--recreate", die_at=die)
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

    def bailey(self, *words: str, die_at: int | None = None) -> int:
        """The status of a command; it is killed at a line of its journal, if wished."""
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
