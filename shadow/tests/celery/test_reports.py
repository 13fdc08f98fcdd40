"""What public reports tell of messages that went nowhere, or were run twice, tried on the sender: the number is the report's."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import redis
from entries import LATER
from stack import legacy, until
from test_bad_input import child
from test_once import attempt, wanted
from test_parity import asked, fire, first_form, given, same, sending

from bailey_runtime import celery_wire

HOUR = {"__type__": "interval", "every": 86400.0, "relative": False}


def definition(n: int, **more: Any) -> dict[str, Any]:
    """An entry that is due at once."""
    entry = {"name": f"entry-{n}", "task": "legacy.plain", "args": [], "kwargs": {"n": n}, "options": {}}
    return entry | {"schedule": HOUR, "enabled": True} | more


def both_ways(app: Any, app_given: dict[str, Any], port: int, definitions: list[dict[str, Any]], **more: Any) -> None:
    """Beat and the sender send each entry; a worker receives the same of both."""
    configuration = asked(app_given)
    fire(app, definitions, port)
    app.received(len(definitions))
    settings = app_given["settings"]
    known = {"configuration": configuration, "broker": settings["broker_url"], "beat": configuration["celery"]}
    for one in definitions:
        found = celery_wire.answer(sending(one, marks=settings["redbeat_redis_url"], **known, **more))
        assert found.get("sent"), found
    messages = app.received(2 * len(definitions))
    for one in definitions:
        n = one["kwargs"]["n"]
        beats, dags = [m for m in messages if f"'n': {n}" in m["headers"]["kwargsrepr"]]
        assert same(beats) == same(dags)
        for name in ("eta", "expires"):
            moments = [m["headers"][name] for m in (beats, dags)]
            assert (moments[0] is None) == (moments[1] is None)


@pytest.mark.full
def test_a_binding_that_redis_has_evicted(clean):
    """kombu 113: `_kombu.binding.<exchange>` thrown away by maxmemory-policy; the message vanished without a word."""
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "exchange", "json")
    broker = redis.Redis(port=clean)
    with legacy(app_given, "-Q", "main,ml") as app:
        configuration = asked(app_given)
        for way in ({"configuration": configuration}, {"app": "legacy_celery:app"}):
            for key in broker.scan_iter("_kombu.binding*"):
                broker.delete(key)
            one = sending(definition(1), ids=[str(way)], marks=app_given["settings"]["redbeat_redis_url"])
            one |= {"broker": app_given["settings"]["broker_url"], **way}
            found = child(app_given, one)
            # It is there, or somebody is told.
            assert found.get("sent") or found.get("failed") == "unrouted", found
            if found.get("sent"):
                until(lambda: app.runs() >= 1, "no worker ran it")
                app.ledger.delete("runs")


@pytest.mark.full
def test_a_local_clock_and_no_utc(clean):
    """With enable_utc off and a zone of one's own; countdown and expires meant another moment."""
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    app_given["settings"] |= {"enable_utc": False, "timezone": "America/New_York"}
    entries = [
        definition(1, options={"countdown": 3600}),
        definition(2, options={"expires": 3600}),
        definition(3, options={"expires": LATER}),
    ]
    with legacy(app_given, "-Q", "work") as app:
        both_ways(app, app_given, clean, entries)


@pytest.mark.full
@pytest.mark.parametrize("kind", ["topic", "direct"])
def test_a_quorum_queue_and_a_countdown(kind, clean, vhost):
    """celery 9912, 9149: with quorum queues what has a countdown goes by way of delaying queues, if its exchange is no direct one."""
    app_given = given(vhost, clean, "default", "json")
    name = f"quorum-{kind}"
    app_given["settings"] |= {
        "task_default_queue": name,
        "task_default_exchange": name,
        "task_default_exchange_type": kind,
        "task_default_routing_key": name,
        "task_default_queue_type": "quorum",
        "broker_transport_options": {"confirm_publish": True},
        "worker_detect_quorum_queues": True,
    }
    del app_given["settings"]["worker_prefetch_multiplier"], app_given["settings"]["task_default_priority"]
    with legacy(app_given, "-Q", name) as app:
        both_ways(app, app_given, clean, [definition(1, options={"countdown": 3}), definition(2)])


def test_a_task_with_a_backend_of_its_own(clean):
    """celery 1821: `@task(backend=…)` keeps the result where the application does not."""
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    app_given["task"] = {"backend": f"redis://127.0.0.1:{clean}/5"}
    found = child(app_given, wanted(app_given, {}, app="legacy_celery:app"))
    assert found.get("failed") == "no-result" and "backend of its own" in found["words"], found
    assert child(app_given, wanted(app_given, {}, app="legacy_celery:app", wait="sent"))["sent"]


def test_a_task_that_no_worker_knows(clean):
    """flower 1340: another service consumes the queue, and its workers throw the message away."""
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    with legacy(app_given, "-Q", "work"):
        one = wanted(app_given, asked(app_given), task="elsewhere.task", do="call", seconds=30)
        found = celery_wire.answer(one)
        assert found["state"]["error"]["type"] == "NotRegistered", found


@pytest.mark.parametrize("form", ["yaml", "pickle"])
def test_a_form_that_the_workers_refuse(form, clean):
    """celery 5035: a serializer that is not among accept_content; the worker leaves the message and tells nobody."""
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    app_given["settings"]["accept_content"] = ["json"]
    with legacy(app_given, "-Q", "work") as app:
        configuration = asked(app_given)
        one = wanted(app_given, configuration, options=json.dumps({"serializer": form}), do="call", seconds=5)
        found = celery_wire.answer(one)
        assert "failed" in found and "accept_content" in found["words"], (found, app.log("worker")[-500:])


@pytest.mark.full
def test_the_first_node_of_several_is_away(clean):
    """A list of brokers of which the first is down."""
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    place = {"conn_type": "redis", "host": "127.0.0.1", "port": 1, "extra": {"hosts": [f"127.0.0.1:{clean}"]}}
    with legacy(app_given, "-Q", "work") as app:
        began = time.monotonic()
        found = celery_wire.answer(wanted(app_given, asked(app_given), broker=place))
        assert found.get("sent"), found
        until(lambda: app.runs() == 1, "no worker ran it")
        assert time.monotonic() - began < 60


@pytest.mark.full
def test_variables_of_the_worker_that_name_other_brokers(clean, monkeypatch):
    """CELERY_BROKER_URL and CELERY_RESULT_BACKEND win over what is configured."""
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    with legacy(app_given, "-Q", "work") as app:
        configuration = asked(app_given)
        for name in ("CELERY_BROKER_URL", "CELERY_BROKER_WRITE_URL", "CELERY_BROKER_READ_URL"):
            monkeypatch.setenv(name, "redis://127.0.0.1:1/0")
        monkeypatch.setenv("CELERY_RESULT_BACKEND", "redis://127.0.0.1:1/1")
        found = attempt(wanted(app_given, configuration, do="call", seconds=30))
        assert found["state"]["status"] == "SUCCESS", found
        assert app.runs() == 1


def test_what_is_evicted_is_not_sent_again_once_it_ran(clean):
    """thecodeforge, “Why Redis LRU silently drops your jobs”: the mark that it was sent is thrown away between two attempts."""
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    with legacy(app_given, "-Q", "work") as app:
        configuration = asked(app_given)
        one = wanted(app_given, configuration, ids=["one"])
        assert attempt(one)["sent"]
        results = redis.Redis(port=clean, db=1)
        until(lambda: results.exists("celery-task-meta-one"), "no result came")
        assert redis.Redis(port=clean).delete("bailey:sent:one") == 1
        again = attempt(one | {"ids": ["one", "two"]})
        assert again["sent"] is False and again["id"] == "one", again
        assert app.runs() == 1


@pytest.mark.full
def test_the_first_form_of_messages_has_its_moment(clean):
    """celery 3759: task_protocol 1 tells eta and expires in the body."""
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "protocol1")
    with legacy(app_given, "-Q", "work") as app:
        configuration = asked(app_given)
        fire(app, [definition(1, options={"expires": 3600})], clean)
        one = sending(definition(1, options={"expires": 3600}), configuration=configuration, beat=[5, 7])
        one |= {"broker": app_given["settings"]["broker_url"], "ids": ["airflow"]}
        assert celery_wire.answer(one)["sent"]
        bodies = [first_form(message) for message in app.received(2)]
        assert all(body["expires"] for body in bodies) and {body["task"] for body in bodies} == {"legacy.plain"}
