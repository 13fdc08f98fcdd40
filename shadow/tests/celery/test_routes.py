"""Keys, priorities, queues and exchanges of which public reports tell that messages were lost or went elsewhere: beat's are the DAG's."""

from __future__ import annotations

import json
import os
import signal

import pytest
import redis
from exchange import exchanged, learnt
from stack import legacy, until
from test_once import wanted
from test_parity import child, fire, given, same, sending
from test_reports import definition

from bailey_runtime import celery_wire


@pytest.mark.full
@pytest.mark.parametrize(
    "options",
    [
        {"global_keyprefix": "acme:"},
        {"priority_steps": list(range(10)), "sep": ":", "queue_order_strategy": "priority"},
    ],
    ids=["prefix", "separator"],
)
def test_keys_that_are_named_otherwise(options, clean):
    """kombu 853, celery 7620, 4028: a prefix of all keys; a separator with which workers cannot answer whoever does not use it."""
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    app_given["settings"] |= {"broker_transport_options": options}
    results = app_given["settings"]["result_backend"]
    entries = [definition(1), definition(2, options={"priority": 4}), definition(3, options={"priority": 9})]
    with legacy(app_given, "-Q", "work") as app:
        known = learnt(app_given["settings"]["broker_url"], transport_options=options)
        if "global_keyprefix" in options:
            # Workers hide what is called a key; a person states it.
            refused = celery_wire.answer(wanted(app_given, known))
            assert refused["failed"] == "route" and "broker_transport_options" in refused["words"], refused
            known["settings"]["broker_transport_options"] = options
        exchanged(app, clean, app_given["settings"]["broker_url"], results, known, entries)
        keys = [key.decode() for key in redis.Redis(port=clean, db=0).scan_iter() if b"sent" in key]
        assert keys and all(key.startswith(options.get("global_keyprefix", "")) for key in keys)


@pytest.mark.full
@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_priorities_that_no_broker_has(broker, clean, request):
    """celery 8967, 7633: beyond 0 to 9; beat makes of it what kombu does, or nothing."""
    url = f"redis://127.0.0.1:{clean}/0" if broker == "redis" else request.getfixturevalue("vhost")
    app_given = given(url, clean, "default", "json")
    del app_given["settings"]["task_default_priority"]
    numbers = [-3, 10, 50, 255, 256, 300]
    entries = [definition(n, options={"priority": priority}) for n, priority in enumerate(numbers)]
    with legacy(app_given, "-Q", "work") as app:
        known = learnt(url)
        fire(app, entries, clean)
        broken = app.log("beat").count("Message Error")
        made = {m["headers"]["kwargsrepr"] for m in app.received(len(entries) - broken)}
        more = {"configuration": known, "broker": url, "beat": known["celery"], "marks": f"redis://127.0.0.1:{clean}/2"}
        by_app = child(
            app, [sending(one, app="legacy_celery:app", ids=[f"airflow-a{n}"]) for n, one in enumerate(entries)]
        )
        for one, other in zip(entries, by_app, strict=True):
            found = celery_wire.answer(sending(one, **more))
            for answer in (found, other):
                sent = answer.get("sent", False)
                assert sent is (repr(one["kwargs"]) in made), (answer, one, made)
                assert sent or "words" in answer
        messages = app.received(3 * len(made))
        for shown in made:
            alike = [same(m) for m in messages if m["headers"]["kwargsrepr"] == shown]
            assert len(alike) == 3 and alike[0] == alike[1] == alike[2]


@pytest.mark.full
def test_a_default_queue_that_is_not_declared(clean):
    """celery 6692: `task_create_missing_queues` off, and a task whose queue is told by nobody or by its entry."""
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    app_given["queues"] = [["ml", "ml", "direct", "ml"]]
    app_given["settings"] |= {"task_create_missing_queues": False}
    entries = [definition(1, options={"queue": "ml"}), definition(2), definition(3, options={"queue": "other"})]
    with legacy(app_given, "-Q", "ml") as app:
        known = learnt(app_given["settings"]["broker_url"])
        fire(app, entries, clean)
        broken = app.log("beat").count("Message Error")
        made = {m["headers"]["kwargsrepr"] for m in app.received(len(entries) - broken)}
        more = {"configuration": known, "broker": app_given["settings"]["broker_url"], "beat": known["celery"]}
        by_app = child(
            app, [sending(one, app="legacy_celery:app", ids=[f"airflow-a{n}"]) for n, one in enumerate(entries)]
        )
        for one, other in zip(entries, by_app, strict=True):
            for answer in (celery_wire.answer(sending(one, **more)), other):
                # Which of these beat can send differs between versions of Celery; the DAG's sender is the same there.
                assert answer.get("sent", False) is (repr(one["kwargs"]) in made), (answer, one, made)


@pytest.mark.full
def test_an_exchange_that_routes_by_headers(clean, vhost):
    """celery 6692: `binding_arguments` of an exchange of type headers."""
    app_given = given(vhost, clean, "default", "json")
    app_given["queues"] = [["ml", "company", "headers", ""]]
    app_given["bound"] = {"ml": {"tenant": "acme", "x-match": "all"}}
    del app_given["settings"]["task_default_priority"]
    app_given["settings"] |= {"task_default_queue": "ml", "task_default_exchange": "company"}
    app_given["settings"] |= {"task_default_exchange_type": "headers", "task_default_routing_key": ""}
    entry = definition(1, options={"queue": "ml", "headers": {"tenant": "acme"}})
    with legacy(app_given, "-Q", "ml") as app:
        known = learnt(vhost)
        exchanged(app, clean, vhost, app_given["settings"]["result_backend"], known, [entry])
        # Without the header no queue takes it, which RabbitMQ says.
        lost = wanted(app_given, known, ids=["lost"], options='{"queue": "ml"}', wait="sent")
        assert celery_wire.answer(lost).get("failed") == "unrouted"


@pytest.mark.full
@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_a_queue_with_several_bindings(broker, clean, request):
    """celery 4415: more than one key leads to a queue of a topic exchange."""
    url = f"redis://127.0.0.1:{clean}/0" if broker == "redis" else request.getfixturevalue("vhost")
    app_given = given(url, clean, "default", "json")
    del app_given["settings"]["task_default_priority"]
    app_given["queues"] = [["ml", "company", "topic", "work.ml"]]
    app_given["keys"] = {"ml": ["train.#", "score.*"]}
    app_given["settings"] |= {"task_default_queue": "ml"}
    ways = [{}, {"queue": "ml"}, {"exchange": "company", "routing_key": "train.a.b"}]
    ways += [{"exchange": "company", "routing_key": "score.x"}]
    entries = [definition(n, options=options) for n, options in enumerate(ways)]
    with legacy(app_given, "-Q", "ml") as app:
        results = app_given["settings"]["result_backend"]
        known = learnt(url)
        exchanged(app, clean, url, results, known, entries)
        # A key that leads nowhere.
        lost = wanted(app_given, known, ids=["lost"], wait="sent", broker=url)
        lost["options"] = json.dumps({"exchange": "company", "routing_key": "else"})
        assert celery_wire.answer(lost).get("failed") == "unrouted"


@pytest.mark.full
def test_a_message_that_the_broker_gives_out_again(clean, vhost):
    """celery 5935, 6229: `task_acks_late` and a worker that dies; another gets the same message, whose answer is the task's."""
    app_given = given(vhost, clean, "default", "json")
    app_given["settings"] |= {"task_acks_late": True}
    with legacy(app_given, "-Q", "work") as app:
        known = learnt(vhost)
        slow = wanted(app_given, known, task="legacy.slow", args="[3]", ids=["slow"])
        assert celery_wire.answer(slow)["sent"]
        until(lambda: app.runs() == 1, "no worker has begun it")
        os.killpg(app.worker.pid, signal.SIGKILL)
        app.start_worker("-Q", "work")
        # As the task's next attempt does, too: nothing is sent again.
        found = celery_wire.answer(slow | {"do": "call", "seconds": 90, "ids": ["slow", "slow-2"]})
        assert found["sent"] is False and found["id"] == "slow"
        assert found["state"]["status"] == "SUCCESS" and found["returned"] == "slept", found
        assert app.runs() == 2
