"""A place of brokers and results as Airflow has it, and entries that go there from beat and from a DAG's sender, with their answers."""

from __future__ import annotations

from typing import Any

from stack import Legacy, until
from test_parity import child, fire, same, sending

from bailey_runtime import celery_wire

# What a URL must quote.
PASSWORD = "p@ss/w#rd%41:;?&= +"
KNOWN = {"celery": [5, 7], "backend": "redis", "settings": {"task_default_queue": "work"}}


def place(port: int, database: int = 0, **extra: Any) -> dict[str, Any]:
    """A connection as Airflow has it."""
    found = {"conn_type": "redis", "host": "127.0.0.1", "port": port, "schema": str(database), "password": PASSWORD}
    return found | {"extra": extra}


def learnt(broker: Any, **more: Any) -> dict[str, Any]:
    """What workers tell of their configuration at a place."""
    found: list[dict[str, Any]] = []

    def answers() -> bool:
        found[:] = [celery_wire.answer({"do": "ask", "broker": broker, **more})]
        assert "failed" not in found[0], found
        return bool(found[0].get("workers"))

    until(answers, "no worker answers", 90)
    return found[0]


def exchanged(
    app: Legacy, port: int, broker: Any, results: Any, known: dict[str, Any] | None, definitions: list[dict[str, Any]]
) -> None:
    """Beat, the DAG's sender by configuration (where it is known) and by the application send each entry: a worker receives the same, and its
    answer comes back.
    """
    fire(app, definitions, port)
    app.received(len(definitions))
    ways = []
    settings = app.given["settings"]
    marks = f"redis://127.0.0.1:{port}/2"
    if known is not None:
        ways.append("configuration")
        more = {"configuration": known, "broker": broker, "results": results, "beat": known["celery"], "marks": marks}
        for one in definitions:
            id = f"airflow-c-{one['kwargs']['n']}"
            found = celery_wire.answer(
                sending(one, **more) | {"ids": [id], "wait": "result", "do": "call", "seconds": 60}
            )
            assert found.get("sent") and found["state"]["status"] == "SUCCESS", found
    ways.append("app")
    by_app = [sending(one, app="legacy_celery:app") for one in definitions]
    for one, request in zip(definitions, by_app, strict=True):
        request |= {"ids": [f"airflow-a-{one['kwargs']['n']}"], "wait": "result", "do": "call", "seconds": 60}
        request |= {"marks": settings["redbeat_redis_url"]}
    for found in child(app, by_app):
        assert found.get("sent") and found["state"]["status"] == "SUCCESS", found
    messages = app.received(len(definitions) * (1 + len(ways)))
    for one in definitions:
        alike = [same(m) for m in messages if f"'n': {one['kwargs']['n']}" in m["headers"]["kwargsrepr"]]
        assert len(alike) == 1 + len(ways)
        assert all(message == alike[0] for message in alike), alike
