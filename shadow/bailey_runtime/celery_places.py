"""Where brokers and results are: Airflow's connections as the URLs that kombu takes, with TLS, and no wait for them without an end."""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from .celery_values import SECONDS


def url_of(place: Any) -> str:
    """An Airflow connection, given by its fields, as the URL that Celery and kombu take.

    Redis (`redis`, `rediss`), RabbitMQ (`amqp`, `amqps`), Redis Sentinel (`sentinel`). Another kind of broker or backend is a
    connection of any type whose extra `scheme` is the URL's; that of a Redis at a Unix socket is `redis+socket`, and its host the
    socket's path. `hosts` among the extras are further nodes, `host:port` each. TLS is checked as extras say: `ssl_ca_certs`,
    `ssl_certfile`, `ssl_keyfile`, `ssl_cert_reqs` (required), `ssl_check_hostname` (true).
    """
    if isinstance(place, str):
        return place
    extra = place.get("extra") or {}
    kind = extra.get("scheme") or place["conn_type"]
    query: dict[str, str] = {}
    user = quote(place.get("login") or "", safe="")
    word = ":" + quote(place["password"], safe="") if place.get("password") else ""
    credentials = f"{user}{word}@" if user or word else ""
    if kind == "redis+socket":
        number = str(place.get("schema") or extra.get("db") or 0)
        return f"{kind}://{credentials}{place.get('host')}?{urlencode({'virtual_host': number})}"
    if kind in ("redis", "rediss", "sentinel"):
        secure = kind == "rediss" or (kind == "redis" and bool(extra.get("ssl")))
        scheme = "rediss" if secure else kind
        path = str(place.get("schema") or extra.get("db") or 0)
        if secure:
            query = checks(extra)
        port = place.get("port") or (26379 if kind == "sentinel" else 6379)
    else:
        scheme = {"rabbitmq": "amqp"}.get(kind, kind)
        path = quote(place.get("schema") or "/", safe="")
        if scheme == "amqp" and extra.get("ssl"):
            scheme = "amqps"
        if scheme == "amqps":
            query = checks(extra)
        port = place.get("port") or {"amqp": 5672, "amqps": 5671}.get(scheme)
    host = place.get("host") or "localhost"
    nodes = [(f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")]
    nodes += [str(node) for node in extra.get("hosts") or []]
    tail = f"/{path}" + (f"?{urlencode(query)}" if query else "")
    return ";".join(f"{scheme}://{credentials}{node}{tail}" for node in nodes)


def checks(extra: dict[str, Any]) -> dict[str, str]:
    """How a connection's extras say that TLS is to be checked, as a URL's query. All is checked unless they say otherwise."""
    found = {"ssl_cert_reqs": "required"}
    for name, value in extra.items():
        if name.startswith("ssl_"):
            text = str(value)
            # Celery takes both spellings, Redis's own client only one.
            found[name] = text.removeprefix("CERT_").lower() if name == "ssl_cert_reqs" else text
    return found


def divided(url: str) -> tuple[str, dict[str, Any] | None]:
    """A broker's URL, and what RabbitMQ's client wants to know of TLS beside it (`broker_use_ssl`)."""
    nodes, options = [], None
    for node in url.split(";"):
        address, _, query = node.partition("?")
        if address.startswith("amqps://") and query:
            given = dict(parse_qsl(query))
            reqs = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL}.get(
                given.pop("ssl_cert_reqs", ""), ssl.CERT_REQUIRED
            )
            options = {"cert_reqs": reqs}
            if given.pop("ssl_check_hostname", "true").lower() != "false" and reqs != ssl.CERT_NONE:
                # The URL's own.
                options["server_hostname"] = None
            options |= {name.removeprefix("ssl_"): value for name, value in given.items()}
            node = address
        nodes.append(node)
    return ";".join(nodes), options


def patient(app: Any) -> Any:
    """The same application, that never waits without an end for a broker which takes connections and says nothing."""
    url = str(app.conf.broker_write_url or app.conf.broker_url or "")
    kind = url.partition("://")[0].partition("+")[0]
    if kind in ("amqp", "amqps", "pyamqp"):
        bounds = {"read_timeout": 3 * SECONDS, "write_timeout": 3 * SECONDS}
    elif kind in ("redis", "rediss", "sentinel"):
        bounds = {"socket_timeout": SECONDS, "socket_connect_timeout": SECONDS}
    else:
        bounds = {}
    app.conf.broker_transport_options = bounds | (app.conf.broker_transport_options or {})
    return app


def untrusted(error: BaseException | None) -> bool:
    """Whether a server's certificate is not trusted, which it will not be the next time either."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
