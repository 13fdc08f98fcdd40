"""What was tried and what came of it, counted and told."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ledger import Verdict


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
