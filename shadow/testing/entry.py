"""A legacy entry as the switch's tests have it. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Entry:
    """A legacy entry and the DAG that stands for it."""

    name: str
    every: str
    static: bool
    phase: float = 0.0
    # What becomes of ticks that nobody was up to run, and for `none` after how many seconds a tick counts as missed.
    policy: str = "coalesce"
    late_after: float | None = None
    # What its pipeline takes over besides it.
    absorbed: tuple[Entry, ...] = ()

    @property
    def everyone(self) -> tuple[Entry, ...]:
        """All entries of its pipeline."""
        return (self, *self.absorbed)

    @property
    def pipeline(self) -> str:
        return f"p-{self.name}"

    @property
    def seconds(self) -> float:
        if self.every.startswith("cron"):
            return 60.0 if self.every == "cron" else 86_400.0
        return float(self.every)
