"""Waits for the result of a Celery task in Airflow's triggerer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from .celery_app import missing
from .celery_places import url_of
from .celery_results import result_state
from .celery_values import WireError
from .compat import BaseTrigger, TriggerEvent
from .connections import connection_id, place_of, seen_in_triggerer


class CeleryResultTrigger(BaseTrigger):
    """Waits in the triggerer until a Celery task has ended, or until a time (seconds since the epoch).

    `reads` is JSON text: how the application's results are written.
    """

    def __init__(self, source: str, id: str, until: float, results: str = "", reads: str = "{}") -> None:
        super().__init__()
        self.source = source
        self.id = id
        self.until = until
        self.results = results
        self.reads = reads

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """What another triggerer makes it anew from."""
        names = ("source", "id", "until", "results", "reads")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event: what the task ended as, `timeout`, or `closed` with the `words` that say why nobody here can read it.

        The result itself stays where Celery put it.
        """
        url = url_of(place_of(await seen_in_triggerer(connection_id(self.source, self.results))))
        pause = 0.1
        while time.time() < self.until:
            try:
                # Celery's backends hold up whoever asks them.
                status = (await asyncio.to_thread(result_state, url, self.reads, self.id))["status"]
            except WireError as error:
                yield TriggerEvent({"ended": "closed", "words": str(error)})
                return
            except ImportError as error:
                yield TriggerEvent({"ended": "closed", "words": missing(error)})
                return
            except Exception as error:
                self.log.warning("The results of %s give no answer: %s: %s", self.source, type(error).__name__, error)
                status = "PENDING"
            if status in ("SUCCESS", "FAILURE", "REVOKED", "UNREADABLE"):
                yield TriggerEvent({"ended": status})
                return
            await asyncio.sleep(pause)
            pause = min(pause * 1.3, 1.5)
        yield TriggerEvent({"ended": "timeout"})
