"""A default beat that is stopped at a random moment, RedBeat's that takes over, and what ran: no tick lost, none twice.

python adoption.py --restarts 100 --seed 1
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from testing.server import Server, wait_until  # noqa: E402
from testing.world import BAILEY  # noqa: E402

INTERVALS = {"every-2": 2.0, "every-3": 3.0, "every-4": 4.0}
CALENDARS = ("minutely", "even", "odd")
# How much later than its time a run may come on a busy machine, in seconds.
LATE = 1.5


@dataclass
class Outcome:
    """What one restart showed."""

    problems: list[str] = field(default_factory=list)
    # Restarts that were refused for a doubt, and done at a person's word.
    doubts: list[str] = field(default_factory=list)
    runs: int = 0
    across: int = 0


class Adoption:
    """One application, its broker, its worker, and beats of both kinds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = Server(folder / "redis", durable=False)
        self.server.start()
        self.redis = self.server.client(decode_responses=True)
        self.env = {**os.environ, "ADOPTED_BROKER": self.server.url, "PYTHONPATH": f"{HERE}:{HERE.parents[1]}"}
        source = {"kind": "celery", "url": self.server.url}
        (folder / "mappings").mkdir()
        (folder / "bailey.yaml").write_text(json.dumps({"version": 1, "sources": {"s": source}}), encoding="utf-8")
        self.worker = self._start("worker", "-P", "threads", "-c", "4", "-l", "info", log="worker")
        wait_until("the worker is ready", lambda: b" ready." in (folder / "worker.log").read_bytes(), 60)

    def _start(self, *words: str, log: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{log}.log").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "adopted_app:app", *words],
                cwd=self.folder,
                env=self.env,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def beat(self, *words: str) -> subprocess.Popen[bytes]:
        return self._start("beat", "--pidfile", "", "-l", "info", *words, log="beat")

    def bailey(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(BAILEY), *words],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def runs(self) -> list[tuple[str, float]]:
        """Every run: which entry's, and when it began."""
        return [(run["entry"], run["at"]) for run in map(json.loads, self.redis.lrange("runs", 0, -1))]

    def stop(self) -> None:
        for process in (self.worker,):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.server.stop()

    # One restart

    def restart(self, chance: random.Random) -> Outcome:
        """Beat runs, is stopped at a random moment, the schedule is adopted, RedBeat's beat goes on."""
        outcome = Outcome()
        self.redis.delete("runs")
        for key in self.redis.scan_iter("redbeat:*"):
            self.redis.delete(key)
        memory = self.folder / f"schedule-{chance.randrange(1 << 40)}"
        old = self.beat("--schedule", str(memory))
        wait_until("the old beat fires", lambda: {entry for entry, _ in self.runs()} >= set(INTERVALS), 60)
        time.sleep(chance.uniform(0, 5))
        asked = time.time()
        old.send_signal(signal.SIGTERM)
        old.wait()
        stopped = time.time()
        # Between the two nobody knows when it fired last; on a busy machine that is long.
        within = f"{stopped - asked + 0.5:.3f}s"
        at = datetime.fromtimestamp(stopped, timezone.utc).isoformat().replace("+00:00", "Z")
        words = ["adopt", "--stopped-at", at, "--within", within, "--execute", "--json"]
        done = self.bailey(*words)
        if done.returncode == 1:
            document = json.loads(done.stdout)
            outcome.doubts += [f"{entry['name']}: {entry['doubt']}" for entry in document["entries"] if entry["doubt"]]
            done = self.bailey(*words, "--accept-doubts")
        if done.returncode != 0:
            outcome.problems.append(f"adopt: {done.returncode} {done.stdout[-600:]} {done.stderr[-600:]}")
            return outcome
        time.sleep(chance.uniform(0, 2))
        began = time.time()
        new = self.beat("-S", "redbeat.RedBeatScheduler", "--max-interval", "1")
        try:
            # Its start takes as long as the machine is busy; from its lock on it is up.
            wait_until("RedBeat is up", lambda: self.redis.exists("redbeat::lock"), 60)
            up = time.time()
            after = lambda: {entry for entry, at in self.runs() if at > began and entry in INTERVALS}  # noqa: E731
            wait_until("RedBeat fires every interval", lambda: len(after()) == len(INTERVALS), 60)
            time.sleep(max(INTERVALS.values()) / 2)
            checked = self.bailey("adopt", "--check", "--json")
            if checked.returncode != 0:
                outcome.problems.append(f"check: {checked.stdout[-800:]} {checked.stderr[-300:]}")
        finally:
            new.send_signal(signal.SIGTERM)
            new.wait()
        until = time.time()
        time.sleep(0.5)
        self._judge(outcome, stopped, began, up, until)
        return outcome

    def _judge(self, outcome: Outcome, stopped: float, began: float, up: float, until: float) -> None:
        runs = self.runs()
        outcome.runs = len(runs)
        for name, every in INTERVALS.items():
            times = sorted(at for entry, at in runs if entry == name)
            # Those around the restart: the last of the old beat, the first of RedBeat.
            before = [at for at in times if at <= stopped + LATE and at <= began]
            later = [at for at in times if at > began]
            if not before or not later:
                outcome.problems.append(f"{name} ran only on one side: {times}")
                continue
            gap, outcome.across = later[0] - before[-1], outcome.across + 1
            # Due again an interval after its last run, or at the start of beat if that has passed.
            due = max(before[-1] + every, up)
            if gap < every - 0.3:
                outcome.problems.append(f"{name} ran twice: {gap:.2f} s after its last run")
            if later[0] > due + LATE + 2:
                outcome.problems.append(
                    f"{name} was lost: due at {due - stopped:.2f} s, ran at {later[0] - stopped:.2f} s after the stop"
                )
        for name in CALENDARS:
            times = sorted(at for entry, at in runs if entry == name)
            first = min((at for _, at in runs), default=stopped)
            for minute in range(int(first // 60) + 1, int(until // 60) + 1):
                if name == "even" and minute % 2 or name == "odd" and not minute % 2:
                    continue
                tick = minute * 60.0
                # A tick that beat was not up for is run late, once, by the next one: together with those after it.
                end = up + LATE + 2 if stopped - 1 < tick <= up else tick + LATE
                if end > until:
                    continue
                found = [at for at in times if tick - 0.2 <= at <= end]
                outcome.across += 1
                if not found:
                    outcome.problems.append(
                        f"{name} was lost: its tick {tick - stopped:.2f} s after the stop, RedBeat was up at {up - stopped:.2f}"
                    )
                elif len(found) > 1:
                    outcome.problems.append(
                        f"{name} ran {len(found)} times for its tick {tick - stopped:.2f} s after the stop: {found}"
                    )


@contextmanager
def adoption() -> Iterator[Adoption]:
    with tempfile.TemporaryDirectory(prefix="bailey-adoption-") as name:
        made = Adoption(Path(name))
        try:
            yield made
        finally:
            made.stop()


def restarts(number: int, seed: int, say: Any = print) -> Outcome:
    """Many restarts; what all of them showed."""
    chance = random.Random(seed)
    total = Outcome()
    with adoption() as made:
        for index in range(number):
            one = made.restart(chance)
            total.problems += [f"restart {index}: {problem}" for problem in one.problems]
            total.doubts += [f"restart {index}: {doubt}" for doubt in one.doubts]
            total.runs += one.runs
            total.across += one.across
            for problem in one.problems:
                say(f"restart {index}: {problem}")
    return total


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--restarts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    total = restarts(options.restarts, options.seed)
    print(
        f"{options.restarts} restarts (seed {options.seed}): {total.runs} runs, {total.across} ticks and intervals judged across a restart, "
        f"{len(total.problems)} lost or twice, {len(total.doubts)} doubts that a person had to accept"
    )
    for doubt in total.doubts:
        print(f"  {doubt}")
    return 1 if total.problems else 0


if __name__ == "__main__":
    sys.exit(main())
