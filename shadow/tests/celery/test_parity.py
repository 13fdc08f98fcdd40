"""What a worker receives from a DAG's sender is what it receives from a real beat, field by field."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from contextlib import ExitStack
from datetime import datetime
from typing import Any

import pytest
import redis
from entries import LATER, entry
from stack import Legacy, legacy, until

from bailey_runtime import celery_wire
from bailey_runtime.celery_text import text_of
from bailey_runtime.celery_values import WireError
from bailey_runtime.celery_workers import ask

ENTRIES = int(os.environ.get("BAILEY_ENTRIES", "25"))
SEED = int(os.environ.get("BAILEY_SEED", random.randrange(10**6)))

# Name, what the application is configured with, and which queues its worker consumes.
ROUTES = {
    "default": ({"task_default_queue": "work", "task_default_priority": 3}, "work,celery", [], {}),
    "patterns": (
        {"task_routes": {"legacy.e*": {"queue": "heavy"}, "legacy.plain": "light"}, "task_default_exchange": "main"},
        "heavy,light,celery",
        ["celery", "heavy"],
        {"task": {"priority": 5, "time_limit": 500, "serializer": "yaml"}},
    ),
    "function": ({}, "odd,even", [], {"by_function": True}),
    "exchange": (
        {
            "task_default_queue": "main",
            "task_default_exchange": "company",
            "task_default_exchange_type": "topic",
            "task_default_routing_key": "work.main",
            "task_routes": {"legacy.echo": {"queue": "ml"}},
        },
        "main,ml",
        ["ml", "main"],
        {"queues": [["main", "company", "topic", "work.main"], ["ml", "company", "topic", "work.ml"]]},
    ),
    "priorities": (
        {
            "broker_transport_options": {
                "priority_steps": [0, 2, 4, 6, 8],
                "queue_order_strategy": "priority",
            }
        },
        "celery",
        [],
        {"max_priority": True},
    ),
}
FORMS = {
    "json": {},
    "yaml": {"task_serializer": "yaml"},
    "compressed": {"task_compression": "gzip", "result_compression": "zlib"},
    "protocol1": {"task_protocol": 1},
}


def given(broker: str, port: int, route: str, form: str) -> dict[str, Any]:
    """The application of a cell of the matrix: RedBeat, results and broker each elsewhere."""
    settings, _, _, more = ROUTES[route]
    options = settings.get("broker_transport_options", {})
    if broker.startswith("sentinel"):
        settings = settings | {"broker_transport_options": options | {"master_name": "legacy"}}
    return {
        "ledger": f"redis://127.0.0.1:{port}/9",
        "settings": {
            "broker_url": broker,
            "result_backend": f"redis://127.0.0.1:{port}/1",
            "redbeat_redis_url": f"redis://127.0.0.1:{port}/2",
            "accept_content": ["json", "yaml"],
            "result_accept_content": ["json"],
            "beat_max_loop_interval": 1,
            "redbeat_lock_timeout": 60,
            "worker_prefetch_multiplier": 0,
            "broker_connection_retry_on_startup": True,
        }
        | settings
        | FORMS[form],
    } | more


def fire(app: Legacy, definitions: list[dict[str, Any]], port: int) -> None:
    """A real beat fires each definition once."""
    client = redis.Redis(port=port, db=2)
    for definition in definitions:
        key = f"redbeat:{definition['name']}"
        client.hset(key, mapping={"definition": json.dumps(definition)})
        client.zadd("redbeat::schedule", {key: 1})
    beat = app.start("beat", "-S", "redbeat.RedBeatScheduler", "-l", "WARNING")

    def fired() -> bool:
        return all(b"total_run_count" in (client.hget(f"redbeat:{d['name']}", "meta") or b"") for d in definitions)

    until(fired, "beat has not fired every entry", 120)
    # Beat writes down a run before it sends it; once it has extended its lock anew, the last one is sent too.
    left = client.pttl("redbeat::lock")
    until(lambda: client.pttl("redbeat::lock") > left, "beat has stopped ticking")
    beat.terminate()
    beat.wait(30)


def sending(definition: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What a DAG's sender is asked for an entry."""
    return {
        "do": "send",
        "task": definition["task"],
        "args": json.dumps(definition["args"]),
        "kwargs": json.dumps(definition["kwargs"]),
        "options": json.dumps(definition["options"]),
        "ids": [f"airflow-{definition['kwargs']['n']}"],
        "wait": "sent",
    } | more


def number(message: dict[str, Any]) -> tuple[int, bool]:
    """Which entry a message is of, and whether the DAG sent it."""
    found = re.search(r"'n': (\d+)", message["headers"].get("kwargsrepr") or "")
    n = int(found[1]) if found else first_form(message)["kwargs"]["n"]
    return n, message["properties"]["correlation_id"].startswith("airflow-")


def first_form(message: dict[str, Any]) -> dict[str, Any]:
    """The body of a message in protocol 1, which has everything in it."""
    from kombu.serialization import loads

    body = message["body"]
    body = bytes.fromhex(body) if re.fullmatch("[0-9a-f]*", body) else body.encode()
    kind, encoding = message["content"]
    return loads(body, kind, encoding, accept=[kind])


def same(message: dict[str, Any]) -> dict[str, Any]:
    """A message without what is each sending's own: its ids, the sender's name, and the moment, of which spans are left."""
    message = json.loads(json.dumps(message))
    headers, properties = message["headers"], message["properties"]
    if "id" not in headers:
        body = first_form(message)
        own, message["body"] = body["id"], {name: body[name] for name in body if name not in ("id", "eta", "expires")}
    own = headers.pop("id", "")
    if own and headers.get("root_id") == own:
        headers["root_id"] = "own"
    # What RabbitMQ notes of delaying queues on its way (x-death and its like) has moments of its own.
    for name in [
        "origin",
        *(name for name in headers if name.startswith(("x-death", "x-first-death", "x-last-death"))),
    ]:
        headers.pop(name, None)
    for name in ("eta", "expires"):
        at = headers.get(name)
        if isinstance(at, str) and at != LATER:
            datetime.fromisoformat(at)
            headers[name] = "a moment"
    for name in ("correlation_id", "reply_to", "delivery_tag"):
        properties.pop(name, None)
    if "expiration" in properties:
        properties["expiration"] = "a span"
    return message


def span(message: dict[str, Any]) -> float:
    """How long the broker keeps a message, in seconds; 0 if it says nothing of that."""
    return float(message["properties"].get("expiration", 0)) / 1000


def cells() -> list[Any]:
    found = []
    for broker in ("redis", "rabbitmq", "sentinel"):
        for route in ROUTES:
            for form in FORMS:
                # A share of the matrix by default: every route, every form, every broker.
                core = broker != "sentinel" and (route in ("default", "exchange") or broker == "redis")
                core = form == "json" and core or (broker, route) == ("redis", "default")
                if form == "protocol1" and route != "default":
                    continue
                found.append(pytest.param(broker, route, form, marks=[] if core else [pytest.mark.full]))
    return found


@pytest.mark.parametrize(("broker", "route", "form"), cells())
def test_a_worker_receives_from_the_dag_what_beat_sends(broker, route, form, clean, request: pytest.FixtureRequest):
    print(f"seed {SEED}")
    check(url_of(broker, clean, request), clean, route, form)


def url_of(broker: str, port: int, request: pytest.FixtureRequest) -> str:
    """Where a cell's messages go."""
    if broker == "redis":
        return f"redis://127.0.0.1:{port}/0"
    if broker == "sentinel":
        return f"sentinel://127.0.0.1:{request.getfixturevalue('sentinel_port')}/0"
    return str(request.getfixturevalue("vhost"))


def check(url: str, port: int, route: str, form: str) -> None:
    r = random.Random(f"{SEED}{route}{form}")
    _, consumed, queues, _ = ROUTES[route]
    app_given = given(url, port, route, form)
    definitions = [entry(r, number, queues) for number in range(ENTRIES)]
    with ExitStack() as stack:
        app = stack.enter_context(legacy(app_given, "-Q", consumed))
        configuration = asked(app_given)
        fire(app, definitions, port)
        broken = app.log("beat").count("Message Error")
        made = {number(message)[0] for message in app.received(ENTRIES - broken)}
        assert len(made) == ENTRIES - broken
        by_app = [sending(d, app="legacy_celery:app", ids=[f"airflow-app-{n}"]) for n, d in enumerate(definitions)]
        for n, answer in enumerate(child(app, by_app)):
            # What beat makes no message of (some Celery versions of some moments), nor does the application for a DAG.
            assert answer.get("sent") if n in made else answer.get("failed") == "message", (answer, definitions[n])
        definitions = [d for d in definitions if d["kwargs"]["n"] in made]
        expected = 2 * len(made)
        both = []
        if route == "function":
            refused = celery_wire.answer(sending(definitions[0], configuration=configuration, broker=url))
            assert refused["failed"] == "route" and "via: app" in refused["words"], refused
        else:
            more = {"configuration": configuration, "broker": url, "results": app_given["settings"]["result_backend"]}
            for definition in definitions:
                marks = f"redis://127.0.0.1:{port}/2"
                answer = celery_wire.answer(sending(definition, marks=marks, beat=configuration["celery"], **more))
                assert answer.get("sent"), answer
            expected += len(made)
        messages = app.received(expected)
        by_entry: dict[int, list[dict[str, Any]]] = {}
        for message in messages:
            by_entry.setdefault(number(message)[0], []).append(message)
        for definition in definitions:
            found = by_entry[definition["kwargs"]["n"]]
            beats = [m for m in found if not number(m)[1]]
            both = [m for m in found if number(m)[1]]
            assert len(beats) == 1 and len(both) == expected // len(made) - 1
            for message in both:
                assert same(message) == same(beats[0]), (message["properties"], definition)
                # To one moment, from moments of sending that are as far apart as these tests take.
                assert abs(span(message) - span(beats[0])) < 300, (message["properties"], definition)


def test_pickled_messages_are_made_by_the_application_alone(clean, monkeypatch):
    # Such a worker does not run as root without it.
    monkeypatch.setenv("C_FORCE_ROOT", "1")
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    app_given["settings"] |= {"task_serializer": "pickle", "accept_content": ["pickle", "json"]}
    r = random.Random(SEED)
    definitions = [entry(r, number, []) | {"options": {}} for number in range(5)]
    with legacy(app_given, "-Q", "work,celery") as app:
        fire(app, definitions, clean)
        app.received(5)
        # Its workers answer in pickles too, which nobody here opens.
        with pytest.raises(WireError, match="via: app"):
            ask(app_given["settings"]["broker_url"])
        for answer in child(app, [sending(one, app="legacy_celery:app") for one in definitions]):
            assert answer.get("sent"), answer
        messages = [same(message) for message in app.received(10)]
        for one in messages:
            assert messages.count(one) == 2, one
            assert one["content"] == ["application/x-python-serialize", "binary"]


def child(app: Legacy, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the application's own interpreter answers, many requests to one process."""
    source = text_of().split("\nif __name__ ==")[0]
    source += """
import sys, json
out = os.fdopen(os.dup(1), "w"); os.dup2(2, 1)
for line in sys.stdin:
    request = json.loads(line)
    if request.get("marks") is None:
        request["marks"] = os.environ["MARKS"]
    print(json.dumps(answer(request)), file=out, flush=True)
"""
    done = subprocess.run(
        [app.python, "-c", source],
        input="".join(json.dumps(one) + "\n" for one in requests),
        env={**app.environment, "MARKS": app.given["settings"]["redbeat_redis_url"]},
        cwd=app.folder.name,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def asked(given: dict[str, Any]) -> dict[str, Any]:
    """What the live worker says of its configuration."""
    found: list[dict[str, Any]] = []

    def answers() -> bool:
        options = given["settings"].get("broker_transport_options")
        found[:] = [ask(given["settings"]["broker_url"], options=options)]
        return bool(found[0].get("workers"))

    until(answers, "no worker answers", 90)
    return found[0]


if __name__ == "__main__":
    sys.exit(pytest.main([__file__]))
