"""Waits for the result of a Celery task in Airflow's triggerer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from . import celery_message as celery
from .compat import BaseHook, BaseTrigger, TriggerEvent
from .connections import connection_id, redis_options


class CeleryResultTrigger(BaseTrigger):
    """Waits in the triggerer until a Celery task has ended, or until a time (seconds since the epoch)."""

    def __init__(self, source: str, id: str, until: float, results: str = "") -> None:
        super().__init__()
        self.source = source
        self.id = id
        self.until = until
        self.results = results

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """What another triggerer makes it anew from."""
        arguments = {"source": self.source, "id": self.id, "until": self.until, "results": self.results}
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event: what the task ended as, or `timeout`. The result itself stays where Celery put it."""
        import redis.asyncio
        from redis.exceptions import RedisError

        connection = await _connection(connection_id(self.source, self.results))
        client = redis.asyncio.Redis(**redis_options(connection))
        pause = 0.1
        try:
            while time.time() < self.until:
                try:
                    status = celery.status(await client.get(celery.result_key(self.id)))
                except (RedisError, OSError) as error:
                    self.log.warning("Redis of %s gives no answer: %s", self.source, error)
                    status = "PENDING"
                if status == "SUCCESS" or status in celery.FAILED:
                    yield TriggerEvent({"ended": status})
                    return
                await asyncio.sleep(pause)
                pause = min(pause * 1.3, 1.5)
            yield TriggerEvent({"ended": "timeout"})
        finally:
            await client.aclose()


async def _connection(id: str) -> Any:
    if hasattr(BaseHook, "aget_connection"):
        return await BaseHook.aget_connection(id)
    # The triggerer's own loop answers such calls, so they must not hold it up.
    from asgiref.sync import sync_to_async

    return await sync_to_async(BaseHook.get_connection)(id)
