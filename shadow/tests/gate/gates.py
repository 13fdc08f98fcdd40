"""A gate for tests, and a clock that passes only while somebody sleeps."""

from __future__ import annotations

from legacy_redis import Legacy

from bailey_runtime.gate import Gate

SECOND = 1_000_000


class Clock:
    """Time that passes only while somebody sleeps; `while_asleep` is what happens meanwhile."""

    def __init__(self, while_asleep=lambda slept: None) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self.while_asleep = while_asleep

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)
        self.while_asleep(len(self.slept))


def gate(legacy: Legacy, policy="coalesce", **options) -> Gate:
    return Gate(legacy.client, legacy.group, policy, **options)
