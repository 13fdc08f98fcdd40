"""Clients of the systems that an Airflow connection names. A source's connection id is `bailey_<source>`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from .compat import BaseHook

_SECONDS = 5


def connection_id(source: str, suffix: str = "") -> str:
    """The id of a source's connection; characters that Airflow does not allow become `_`."""
    return "bailey_" + re.sub(r"[^A-Za-z0-9_.]", "_", source) + suffix


def redis_options(connection: Any) -> dict[str, Any]:
    """What a Redis client needs of a connection. TLS: type `rediss`, or `"ssl": true` among the extras."""
    extra = connection.extra_dejson
    options: dict[str, Any] = {
        "host": connection.host or "localhost",
        "port": int(connection.port or 6379),
        "db": int(connection.schema or extra.get("db") or 0),
        "username": connection.login or None,
        "password": connection.password or None,
        "socket_timeout": _SECONDS,
        "socket_connect_timeout": _SECONDS,
    }
    if connection.conn_type == "rediss" or extra.get("ssl"):
        options["ssl"] = True
        options.update({key: value for key, value in extra.items() if key.startswith("ssl_")})
        # As Celery spells it, too.
        reqs = options.get("ssl_cert_reqs")
        if isinstance(reqs, str):
            options["ssl_cert_reqs"] = reqs.removeprefix("CERT_").lower()
    return options


def place_of(connection: Any) -> dict[str, Any]:
    """A connection as `celery_places.url_of` takes it."""
    names = ("conn_type", "host", "port", "login", "password", "schema")
    return {name: getattr(connection, name) for name in names} | {"extra": connection.extra_dejson}


def celery_url(source: str, suffix: str = "") -> str:
    """The URL of a source's broker or results."""
    from .celery_places import url_of

    return url_of(place_of(BaseHook.get_connection(connection_id(source, suffix))))


def redis_url(source: str) -> str | None:
    """The URL of a source's own Redis, which holds its switch; None if its connection leads elsewhere."""
    try:
        connection = BaseHook.get_connection(connection_id(source))
    except Exception:
        return None
    from .celery_places import url_of

    return url_of(place_of(connection)) if connection.conn_type in ("redis", "rediss") else None


def redis_client(source: str, suffix: str = "") -> Any:
    """A client of a source's Redis; it connects when it is first used."""
    import redis

    return redis.Redis(**redis_options(BaseHook.get_connection(connection_id(source, suffix))))


@contextmanager
def postgres_connection(source: str, suffix: str = "") -> Iterator[Any]:
    """A connection to a source's PostgreSQL."""
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    with closing(PostgresHook(postgres_conn_id=connection_id(source, suffix)).get_conn()) as connection:
        yield connection


@dataclass
class PlainConnection:
    """What an Airflow connection says, with Airflow's names. Reading Airflow's own asks Airflow to mask its extras, which a trigger's thread must not."""

    conn_type: str | None
    host: str | None
    port: int | None
    login: str | None
    password: str | None = field(repr=False)
    schema: str | None
    extra_dejson: dict[str, Any] = field(repr=False)

    @classmethod
    def of(cls, connection: Any) -> PlainConnection:
        """The same of a connection of Airflow's; extras that are no JSON object are none, as there."""
        import json

        extra = {}
        with suppress(ValueError):
            extra = json.loads(connection.extra or "{}")
        names = ("conn_type", "host", "port", "login", "password", "schema")
        values = {name: getattr(connection, name) for name in names}
        return cls(**values, extra_dejson=extra if isinstance(extra, dict) else {})


@contextmanager
def postgres_within(connection: PlainConnection, seconds: float) -> Iterator[Any]:
    """A connection to the PostgreSQL that an Airflow connection names, of which connecting and each statement may take so long.

    It asks Airflow for nothing, so that any thread may use it.
    """
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    limited = replace(connection, extra_dejson={"connect_timeout": int(seconds), **connection.extra_dejson})

    class Given(PostgresHook):
        """One that has its connection already."""

        @classmethod
        def get_connection(cls, *_: Any, **__: Any) -> Any:
            return limited

    with closing(Given().get_conn()) as server:
        with closing(server.cursor()) as cursor:
            # Of the session, because each question is a transaction of its own; the session ends here.
            cursor.execute("SELECT set_config('statement_timeout', %s, false)", (str(int(seconds * 1000)),))
        server.commit()
        yield server


async def seen_in_triggerer(id: str) -> PlainConnection:
    """An Airflow connection, asked for as the triggerer may."""
    if hasattr(BaseHook, "aget_connection"):
        found = await BaseHook.aget_connection(id)
    elif asks_in_one_loop():
        # The triggerer's own loop answers such calls, so they must not hold it up.
        from asgiref.sync import sync_to_async

        found = await sync_to_async(BaseHook.get_connection)(id)
    else:
        found = await _asked_in_30(id)
    return PlainConnection.of(found)


def asks_in_one_loop() -> bool:
    """Whether what a trigger asks of Airflow from a thread is asked in the triggerer's own loop.

    In 3.0 it may be read in another one, and then the triggerer takes the answer for that to a question of its own and dies (3.0.6).
    """
    try:
        from airflow.sdk.execution_time import task_runner
    except ImportError:
        # 2.11, where triggers read Airflow's tables.
        return True
    return hasattr(getattr(task_runner, "SUPERVISOR_COMMS", None), "start_reader")


async def _asked_in_30(id: str) -> Any:
    """What `get_connection` of 3.0 does, but for asking in this loop."""
    import asyncio

    from airflow.sdk.exceptions import AirflowRuntimeError
    from airflow.sdk.execution_time import comms, context, supervisor, task_runner

    for backend in supervisor.ensure_secrets_backend_loaded():
        # One that fails is passed over there, too.
        with suppress(Exception):
            if found := await asyncio.to_thread(backend.get_connection, conn_id=id):
                return found
    answer = await task_runner.SUPERVISOR_COMMS.asend(comms.GetConnection(conn_id=id))
    if isinstance(answer, comms.ErrorResponse):
        raise AirflowRuntimeError(answer)
    return context._convert_connection_result_conn(answer)
