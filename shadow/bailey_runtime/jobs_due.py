"""Waits in Airflow's triggerer until a queue has jobs for a run to take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from . import queue
from .awaited_run import queued_in_triggerer
from .compat import BaseTrigger, TriggerEvent
from .connections import asks_in_one_loop, connection_id, postgres_within, seen_in_triggerer

# How long one look may take; a database that is away must not hold up the other triggers.
_LOOK_SECONDS = 10.0
# How long a run waits where nobody can be asked whether others wait for their turn.
_BLIND_SECONDS = 60.0
# How often a run begins where the database's switch is older than the question whether jobs are due.
_UNKNOWN_SECONDS = 60.0


class JobsDueTrigger(BaseTrigger):
    """Looks every so many seconds whether one of `job_types`, as (source, type), has a due job that is Airflow's, until a time (seconds since the epoch).

    `run` and `installation` are those that the switch knows. One event: `due`; `over` where the time has passed; `others` where another run of the DAG
    is queued behind this one, such as one that a person has started.
    """

    def __init__(
        self, job_types: Sequence[Sequence[str]], run: str, installation: str, every: float, until: float
    ) -> None:
        super().__init__()
        self.job_types = [list(pair) for pair in job_types]
        self.run_name = run
        self.installation = installation
        self.every = every
        self.until = until

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """What another triggerer makes it anew from."""
        values = {
            "job_types": self.job_types,
            "run": self.run_name,
            "installation": self.installation,
            "every": self.every,
            "until": self.until,
        }
        return f"{type(self).__module__}.{type(self).__qualname__}", values

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event."""
        said = ""
        since = time.time()
        until = self.until if asks_in_one_loop() else min(self.until, since + _BLIND_SECONDS)
        while time.time() < until:
            # Somebody has just looked.
            await asyncio.sleep(max(0.0, min(self.every, until - time.time())))
            unknown, words = False, ""
            for source in dict.fromkeys(source for source, _ in self.job_types):
                try:
                    found = await self._look(source)
                except Exception as error:
                    # Whoever waits asks the switch itself in the end, and says so if there is no answer.
                    words += f"{source} gives no answer: {type(error).__name__}: {error}. "
                    continue
                if found:
                    yield TriggerEvent({"ended": "due"})
                    return
                unknown = unknown or found is None
            if unknown and time.time() - since >= _UNKNOWN_SECONDS:
                yield TriggerEvent({"ended": "due"})
                return
            if words and words != said:
                self.log.warning("%s", words)
            said = words
            if await self._others_wait():
                yield TriggerEvent({"ended": "others"})
                return
        yield TriggerEvent({"ended": "over"})

    async def _others_wait(self) -> bool:
        """Whether another run of the DAG is queued: this one, the only one that may run, is in its way."""
        if not asks_in_one_loop():
            return False
        from asgiref.sync import sync_to_async

        try:
            return await sync_to_async(queued_in_triggerer)(self.run_name.partition("/")[0]) > 0
        except Exception as error:
            self.log.info("whether other runs wait cannot be asked for: %s: %s", type(error).__name__, error)
            return False

    async def _look(self, source: str) -> bool | None:
        connection = await seen_in_triggerer(connection_id(source))
        types = [name for other, name in self.job_types if other == source]

        def look() -> bool | None:
            with postgres_within(connection, _LOOK_SECONDS) as server:
                return queue.is_due(server, source, types, self.run_name, self.installation)

        return await asyncio.wait_for(asyncio.to_thread(look), _LOOK_SECONDS * 2)
