"""Looks at all switches several times a second, and says what must never be: a group half moved, and legacy firing while its clock stood."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import redis

if TYPE_CHECKING:
    from testing.entry import Entry
    from testing.world import World

PAUSE = 0.15
# Two looks so far apart, in seconds, say nothing of what was between.
FAR = 0.6
# From beat's look at its clock to its writing that it fires, on a busy machine.
WRITING = 0.3


@dataclass
class Seen:
    """One group: the spans in which Airflow owned it and all its clocks stood, by this machine's clock."""

    spans: list[tuple[float, float]] = field(default_factory=list)
    last: float | None = None

    def note(self, at: float, owned: bool) -> None:
        if owned and self.last is not None and at - self.last < FAR:
            self.spans[-1] = (self.spans[-1][0], at)
        elif owned:
            self.spans.append((at, at))
        self.last = at if owned else None

    def holds(self, at: float) -> bool:
        """Whether a fire that beat began at that instant fell into such a span."""
        return any(begin < at < end - WRITING for begin, end in self.spans)


class Witness:
    """A thread that looks."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._over = threading.Event()
        self.looks = 0
        self.problems: list[str] = []
        self.seen = {entry.name: Seen() for entry in world.entries}
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        client = self._world.server.client(socket_timeout=2, socket_connect_timeout=2)
        while not self._over.wait(PAUSE):
            try:
                self._look(client)
            except redis.RedisError:
                continue

    def _look(self, client: Any) -> None:
        entries: list[Entry] = self._world.entries
        prefix = self._world.prefix
        # One transaction: all of it at one instant. The span of a look begins after it and ends before it.
        before = time.time()
        with client.pipeline(transaction=True) as look:
            for entry in entries:
                for member in entry.everyone:
                    key = prefix + member.name
                    look.hmget(f"bailey:switch:{{{key}}}", "state", "parked")
                    look.hget(key, "meta")
            reply = iter(look.execute())
        after = time.time()
        self.looks += 1
        for entry in entries:
            found = [(*next(reply), next(reply)) for _ in entry.everyone]
            states = {state for state, _, _ in found}
            # A switch that somebody deleted is the torture's own doing.
            if len(states - {None}) > 1:
                self.problems.append(
                    f"{entry.pipeline} was half moved at {after:.3f}: {[state for state, _, _ in found]}"
                )
            owned = states == {b"airflow"} and all(meta == parked for _, parked, meta in found)
            seen = self.seen[entry.name]
            seen.note(after if seen.last is None else before, owned)
