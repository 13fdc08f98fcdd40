"""When a laboratory's nights and hours come: a night every so many minutes, what is hourly twice in one where that comes out even."""

from __future__ import annotations

import time

# Seconds from the start until everything is deployed, on two cores.
DEPLOYED = 85.0


def hourly(night: int) -> int:
    """Minutes between two runs of what is hourly: at each night, too."""
    return night // 2 if night % 2 == 0 else night


def phase(night: int, now: float | None = None) -> int:
    """The minute of a night, so that the first comes soon after everything is deployed."""
    began = time.time() if now is None else now
    return int(-(-(began + DEPLOYED) // 60)) % night
