"""Waits in Airflow's triggerer until the run of another pipeline, or a task of it, has ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from .awaited_run import OVER, look_in_triggerer
from .compat import BaseTrigger, TriggerEvent
from .connections import asks_in_one_loop


class RunEndedTrigger(BaseTrigger):
    """Looks every so many seconds what became of a DAG's run of a tick (ISO 8601), or of its task, until a time (seconds since the epoch).

    One event: `ended`; `over` where the time has passed; `unknown` where Airflow gives the triggerer no answer, as in 3.0. Whoever waits looks itself then.
    """

    def __init__(self, dag: str, awaited: str | None, tick: str, every: float, until: float) -> None:
        super().__init__()
        self.dag = dag
        self.awaited = awaited
        self.tick = tick
        self.every = every
        self.until = until

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """What another triggerer makes it anew from."""
        names = ("dag", "awaited", "tick", "every", "until")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event."""
        from asgiref.sync import sync_to_async

        tick = datetime.fromisoformat(self.tick)
        ended = "over"
        while time.time() < self.until:
            # Somebody has just looked.
            await asyncio.sleep(max(0.0, min(self.every, self.until - time.time())))
            if not asks_in_one_loop():
                ended = "unknown"
                break
            try:
                # The triggerer's own loop answers such calls, so they must not hold it up.
                seen = await sync_to_async(look_in_triggerer)(self.dag, self.awaited, tick)
            except Exception as error:
                self.log.warning("Airflow gave no answer about %s: %s: %s", self.dag, type(error).__name__, error)
                ended = "unknown"
                break
            if seen.state == "success" or seen.state in OVER:
                ended = "ended"
                break
        yield TriggerEvent({"ended": ended})
