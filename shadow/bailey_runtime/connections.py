"""Clients of the systems that an Airflow connection names. A source's connection id is `bailey_<source>`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import quote, urlencode

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
    return options


def url_of(connection: Any) -> str:
    """A connection as the URL that Celery and kombu take: Redis, RabbitMQ (`amqp`, `amqps`), Redis Sentinel (`sentinel`).

    Another kind of broker or backend is a connection of any type whose extra `scheme` is the URL's. `hosts` among the extras are
    further nodes, `host:port` each.
    """
    extra = connection.extra_dejson
    kind = extra.get("scheme") or connection.conn_type
    if kind in ("redis", "rediss", "sentinel"):
        options = redis_options(connection) if kind != "sentinel" else {}
        secure = bool(options.get("ssl")) or kind == "rediss"
        scheme = "sentinel" if kind == "sentinel" else "rediss" if secure else "redis"
        path = str(connection.schema or extra.get("db") or 0)
        query = {"ssl_cert_reqs": "required"} if secure else {}
        query.update({key: str(value) for key, value in extra.items() if secure and key.startswith("ssl_")})
        port = connection.port or (26379 if kind == "sentinel" else 6379)
    else:
        scheme = {"rabbitmq": "amqp"}.get(kind, kind)
        path = quote(connection.schema or "/", safe="")
        query = {}
        port = connection.port or {"amqp": 5672, "amqps": 5671}.get(scheme)
    user = quote(connection.login or "", safe="")
    word = ":" + quote(connection.password, safe="") if connection.password else ""
    credentials = f"{user}{word}@" if user or word else ""
    host = connection.host or "localhost"
    places = [f"[{host}]" if ":" in host else host]
    places[0] += f":{port}" if port else ""
    tail = f"/{path}" + (f"?{urlencode(query)}" if query else "")
    places += [str(place) for place in extra.get("hosts") or []]
    return ";".join(f"{scheme}://{credentials}{place}{tail}" for place in places)


def celery_url(source: str, suffix: str = "") -> str:
    """The URL of a source's broker or results."""
    return url_of(BaseHook.get_connection(connection_id(source, suffix)))


def redis_url(source: str) -> str | None:
    """The URL of a source's own Redis, which holds its switch; None if its connection leads elsewhere."""
    try:
        connection = BaseHook.get_connection(connection_id(source))
    except Exception:
        return None
    return url_of(connection) if connection.conn_type in ("redis", "rediss") else None


def redis_client(source: str, suffix: str = "") -> Any:
    """A client of a source's Redis; it connects when it is first used."""
    import redis

    return redis.Redis(**redis_options(BaseHook.get_connection(connection_id(source, suffix))))


@contextmanager
def postgres_connection(source: str) -> Iterator[Any]:
    """A connection to a source's PostgreSQL."""
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    with closing(PostgresHook(postgres_conn_id=connection_id(source)).get_conn()) as connection:
        yield connection
