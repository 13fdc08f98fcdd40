"""Moves entries of django_celery_beat between a real beat and gates while the application writes its rows and beats come and go; counts what ran.

python switch_torture.py --moves 200 --seed 1
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2])]

from beat_world import TASK, Beat, Switch, beat, fired, install  # noqa: E402

MINUTE = 60
# The application's ways to write its rows.
WRITES = ("stale", "enable", "upsert", "recreate")


class Torture:
    """One run of it: each pipeline has one entry that is due each minute."""

    def __init__(self, url: str, one: Beat, pipelines: int, moves: int, seed: int) -> None:
        self.url = url
        self.beat = one
        self.names = [f"e{number}" for number in range(pipelines)]
        self.random = random.Random(seed)
        self.wanted = moves
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []
        self.live: dict[tuple[str, int], int] = {}
        self.asked: set[tuple[str, int]] = set()
        self.lock = threading.Lock()
        self.ends = threading.Event()
        self.over = threading.Event()

    def add(self, what: str) -> None:
        with self.lock:
            self.counts[what] += 1

    def run(self) -> tuple[int, int]:
        """From the next minute on until enough was moved; the first tick that counts, and the first that does not."""
        first = (int(time.time()) // MINUTE + 1) * MINUTE
        workers = [
            threading.Thread(target=self._mover, args=(name, self.random.randrange(1 << 30))) for name in self.names
        ]
        others = [
            threading.Thread(target=self._gates, args=(first,)),
            threading.Thread(target=self._application, args=(self.random.randrange(1 << 30),)),
            threading.Thread(target=self._beats, args=(self.random.randrange(1 << 30),)),
        ]
        for thread in workers + others:
            thread.start()
        for thread in workers:
            thread.join()
        self.ends.set()
        others[1].join()
        others[2].join()
        # Legacy has everything; what is due is run once more, and what was asked is answered.
        last = (int(time.time()) // MINUTE + 1) * MINUTE
        time.sleep(max(0, last + 75 - time.time()))
        self.over.set()
        others[0].join()
        return first, last + MINUTE

    def moves(self) -> int:
        with self.lock:
            return min(self.counts["cutovers"], self.counts["rollbacks"])

    # Those who move

    def _mover(self, name: str, seed: int) -> None:
        chance = random.Random(seed)
        switch = Switch(self.url)
        time.sleep(chance.uniform(0, 20))
        while self.moves() < self.wanted:
            try:
                self._move(switch, name, chance)
            except Exception as error:
                self.problems.append(f"{name}: {type(error).__name__}: {error}")
                time.sleep(1)
        switch.give_back(name)

    def _move(self, switch: Switch, name: str, chance: random.Random) -> None:
        told = round(time.time() // MINUTE * MINUTE * 1e6)
        ticks = chance.choice([None, None, None, 1])
        if switch.close(name, [name], told=told, ticks=ticks)["answer"] != "closed":
            self.add("closes refused")
            time.sleep(chance.uniform(0, 5))
            return
        if chance.random() < 0.2:
            # Killed: a gate settles it, or the next command.
            self.add("killed after the close")
            time.sleep(chance.uniform(0, 30))
        if chance.random() < 0.1:
            self.add("given back while it closes")
            switch.give_back(name)
            return
        found = switch.settle(name, 120)
        if found["answer"] in ("settled", "already"):
            self.add("cutovers")
            time.sleep(chance.choice([0, 5, 15, 40, 70]) * chance.random())
            while switch.give_back(name)["answer"] not in ("given", "nothing"):
                time.sleep(0.2)
            self.add("rollbacks")
        else:
            self.add(f"not settled: {found['answer']}")
            switch.give_back(name, only_closing=True)
        time.sleep(chance.uniform(0, 12))

    # Airflow

    def _gates(self, first: int) -> None:
        tick, asking = first, []
        while not self.over.is_set():
            if time.time() >= tick:
                for name in self.names:
                    asking.append(threading.Thread(target=self._gate, args=(name, tick)))
                    asking[-1].start()
                tick += MINUTE
            time.sleep(0.1)
        for thread in asking:
            thread.join()

    def _gate(self, name: str, tick: int) -> None:
        chance = random.Random(f"{name} {tick}")
        time.sleep(chance.choice([0.05, 0.5, 2, 8]) * chance.random())
        switch = Switch(self.url)
        deadline = time.time() + 400
        while time.time() < deadline:
            answer = switch.ask(name, tick, f"run-{tick}", policy="every")
            if answer["mode"] != "wait":
                break
            time.sleep(0.7)
        if answer["mode"] == "live" and chance.random() < 0.3:
            # Its first answer was lost; a second run asks too.
            if switch.ask(name, tick, f"run-{tick}", policy="every")["mode"] != "live":
                self.problems.append(f"{name} {tick}: told otherwise the second time")
            if switch.ask(name, tick, "another", policy="every")["mode"] == "live":
                self.problems.append(f"{name} {tick}: two runs are live")
        with self.lock:
            self.asked.add((name, tick))
            self.counts[f"gates told {answer['mode']} ({answer['how']})"] += 1
            if answer["mode"] == "live":
                self.live[name, tick] = self.live.get((name, tick), 0) + 1
        switch.connection.close()

    # What befalls

    def _application(self, seed: int) -> None:
        from django.db import transaction
        from django_celery_beat.models import PeriodicTask, PeriodicTasks

        chance = random.Random(seed)
        switch = Switch(self.url)
        while not self.ends.is_set():
            name = chance.choice(self.names)
            how = chance.choice(WRITES)
            try:
                if how == "stale":
                    read = PeriodicTask.objects.get(name=name)
                    self.ends.wait(chance.uniform(0, 12))
                    with transaction.atomic():
                        # The clock as it is: who saves an old one makes legacy run what it has run, with Bailey or without.
                        now = PeriodicTask.objects.select_for_update().get(name=name)
                        read.last_run_at, read.total_run_count = now.last_run_at, now.total_run_count
                        # What was read while Airflow owned it, and is saved afterwards, nobody runs: that is said, and not held.
                        if now.enabled and not read.enabled:
                            continue
                        read.save()
                elif how == "enable":
                    PeriodicTask.objects.filter(name=name).update(enabled=True)
                    PeriodicTasks.update_changed()
                elif how == "upsert":
                    PeriodicTask.objects.update_or_create(name=name, defaults={"enabled": True})
                else:
                    state = switch.connection.execute(
                        "SELECT state FROM bailey_beat.switch WHERE pipeline = %s", (name,)
                    ).fetchone()
                    if state != ("airflow",):
                        continue
                    read = PeriodicTask.objects.get(name=name)
                    PeriodicTask.objects.filter(name=name).delete()
                    PeriodicTask.objects.create(name=name, task=read.task, crontab=read.crontab)
                self.add(f"application: {how}")
            except PeriodicTask.DoesNotExist:
                pass
            except Exception as error:
                self.problems.append(f"the application was hurt: {how}: {type(error).__name__}: {error}")
            self.ends.wait(chance.uniform(0, 4))

    def _beats(self, seed: int) -> None:
        chance = random.Random(seed)
        while not self.ends.wait(chance.uniform(60, 180)):
            # It writes what it has fired when it is told to end; one that is killed forgets that by itself.
            if time.time() % MINUTE > 35:
                continue
            self.beat.stop(signal.SIGTERM)
            self.ends.wait(chance.uniform(0, 5))
            self.beat.start()
            self.beat.wait_until_started()
            self.add("beats restarted")

    # What came of it

    def judge(self, first: int, end: int) -> list[str]:
        """Ticks that ran twice or never."""
        wrong = []
        ticks = range(first, end, MINUTE)
        for name in self.names:
            claimed = {tick for tick in ticks if (name, tick) in self.live}
            sent, loads = self.beat.of(name), self.beat.loads(name)
            if len(sent) != len(loads):
                self.problems.append(f"beat's log has {len(loads)} messages of {name}, and {len(sent)} came")
            fires = [(at, load) for at, load in zip(sent, loads, strict=False) if first <= at < end]
            said, coalesced, repeated = verdict(list(ticks), claimed, fires)
            wrong += [f"{text} of {name}" for text in said]
            self.counts["ticks run by legacy"] += len(fires)
            self.counts["ticks run by airflow"] += len(claimed)
            self.counts["ticks that legacy ran with a later one"] += coalesced
            self.counts["fires that beat repeated by itself"] += repeated
            wrong += [f"TWICE in Airflow {tick} of {name}" for tick in claimed if self.live[name, tick] > 1]
        return wrong


def verdict(ticks: list[int], claimed: set[int], fires: list[tuple[float, int]]) -> tuple[list[str], int, int]:
    """What ran twice or never, how many ticks legacy ran with a later one, and how many fires beat repeated by itself.

    Beat decides, when it fires, every tick that is due since its last run: any number of missed ones become one late run. Its last run is
    Airflow's last claim where that is later. A fire that decides nothing was one too many. Where beat had loaded nothing since its fire before,
    of the same tick, which was legacy's, it is beat's own doing, and nobody's who writes the rows: two marks that come within one look make it
    forget what it fired in that look (`test_django_beat_itself.py`).
    """
    wrong, coalesced, repeated, decided = [], 0, 0, set(claimed)
    before: tuple[int, int] | None = None
    for at, load in sorted(fires):
        latest = max((tick for tick in claimed if tick <= at), default=0)
        due = [tick for tick in ticks if latest < tick <= at and tick not in decided]
        ran = max((tick for tick in ticks if tick <= at), default=0)
        if not due and before == (ran, load) and ran not in claimed:
            repeated += 1
        elif not due:
            wrong.append(f"TWICE: legacy fired at {at:.3f} from load {load}, when every tick was decided")
        before = (ran, load) if due else None
        coalesced += max(0, len(due) - 1)
        decided.update(due)
    return wrong + [f"LOST: {tick}" for tick in ticks if tick not in decided], coalesced, repeated


def torture(url: str, folder: Path, pipelines: int, moves: int, seed: int) -> tuple[Torture, list[str]]:
    """In a database with the package's tables."""
    from django_celery_beat.models import CrontabSchedule, PeriodicTask

    crontab = CrontabSchedule.objects.get_or_create(timezone="Europe/Paris")[0]
    for number in range(pipelines):
        PeriodicTask.objects.create(name=f"e{number}", task=f"work.e{number}", crontab=crontab)
    install(url)
    with beat(url, folder) as one:
        fired(one, "e0", 900)
        run = Torture(url, one, pipelines, moves, seed)
        first, end = run.run()
        wrong = run.judge(first, end)
    return run, wrong


def main() -> int:
    """Runs it and prints what came of it; 0 if nothing ran twice and nothing was lost."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--moves", type=int, default=200)
    options.add_argument("--pipelines", type=int, default=12)
    options.add_argument("--seed", type=int, default=int(time.time()))
    given = options.parse_args()
    from conftest import prepared

    with prepared() as url, tempfile.TemporaryDirectory(prefix="bailey-django-") as folder:
        run, wrong = torture(url, Path(folder), given.pipelines, given.moves, given.seed)
    for what, number in sorted(run.counts.items()):
        print(f"  {number:5} {what}")
    for text in wrong + run.problems:
        print(text)
    print(f"seed {given.seed}: {len(wrong)} wrong, {len(run.problems)} problems; {TASK}")
    return 1 if wrong or run.problems else 0


if __name__ == "__main__":
    sys.exit(main())
