"""What may befall entries while they move between legacy and Airflow, and how it is drawn."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable
from typing import Generic, TypeVar

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
