"""A copy of an entry, fired by a real beat, is compared with what the DAG's sender sends; and a task of Celery's own goes there and back."""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
import uuid
from typing import Any

import pytest
import redis
from entries import entry
from stack import Legacy, legacy, until
from test_parity import ROUTES, SEED, asked, given, url_of

from bailey_runtime import celery_proof, celery_wire
from bailey_runtime.celery_messages import compared
from bailey_runtime.celery_text import PROVING, text_of


def asking(stack: Legacy, definition: dict[str, Any], port: int, **more: Any) -> dict[str, Any]:
    """What a rehearsal asks about an entry."""
    options = json.dumps(definition["options"])
    return {
        "task": definition["task"],
        "args": json.dumps(definition["args"] or []),
        "kwargs": json.dumps(definition["kwargs"] or {}),
        "options": options,
        "stored": options,
        "marks": f"redis://127.0.0.1:{port}/2",
        "broker": stack.given["settings"]["broker_url"],
        "results": stack.given["settings"]["result_backend"],
    } | more


def ask(app: Legacy, request: dict[str, Any]) -> dict[str, Any]:
    """The program's answer: in the application's own interpreter where it is named, else here."""
    if "app" not in request:
        # What only a proof asks for is there once that part is.
        assert celery_proof.DOES is celery_wire.DOES
        return celery_wire.answer(request)
    request = {name: value for name, value in request.items() if name not in ("broker", "results")}
    done = subprocess.run(
        [app.python, "-c", text_of(PROVING)],
        input=json.dumps(request),
        env=app.environment,
        cwd=app.folder.name,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return json.loads(done.stdout.splitlines()[-1])


def fired(app: Legacy, port: int, copies: dict[str, dict[str, Any]]) -> None:
    """A real beat fires each copy once, from a moment at which it is due."""
    client = redis.Redis(port=port, db=2)
    for name, definition in copies.items():
        client.hset(f"redbeat:{name}", mapping={"definition": json.dumps(definition | {"name": name})})
        client.zadd("redbeat::schedule", {f"redbeat:{name}": 1})
    beat = app.start("beat", "-S", "redbeat.RedBeatScheduler", "-l", "WARNING")
    until(
        lambda: all(b"total_run_count" in (client.hget(f"redbeat:{name}", "meta") or b"") for name in copies),
        "beat has not fired every copy",
    )
    # Beat writes down a run before it sends it; once it has extended its lock anew, the last one is sent too.
    left = client.pttl("redbeat::lock")
    until(lambda: client.pttl("redbeat::lock") > left, "beat has stopped ticking")
    beat.terminate()
    beat.wait(30)


CELLS = [
    ("redis", "default", "configuration"),
    pytest.param("redis", "patterns", "app", marks=pytest.mark.full),
    ("redis", "function", "app"),
    pytest.param("redis", "exchange", "configuration", marks=pytest.mark.full),
    ("rabbitmq", "exchange", "configuration"),
    pytest.param("rabbitmq", "patterns", "app", marks=pytest.mark.full),
]


@pytest.mark.parametrize(("broker", "route", "via"), CELLS)
def test_beats_message_is_the_dags_and_no_worker_sees_either(broker, route, via, clean, request):
    print(f"seed {SEED}")
    r = random.Random(f"{SEED}proof{route}")
    _, consumed, queues, _ = ROUTES[route]
    app_given = given(url_of(broker, clean, request), clean, route, "json")
    # Each is two processes where the application itself is asked.
    count = 12 if via == "configuration" or os.environ.get("BAILEY_FULL") else 4
    with legacy(app_given, "-Q", consumed) as app:
        more = {"app": "legacy_celery:app"} if via == "app" else {"configuration": asked(app_given)}
        asks, copies = [], {}
        since = time.time()
        for number in range(count):
            definition = entry(r, number, queues)
            one = asking(
                app, definition, clean, beat_place=f"bailey-b-{number}", dag_place=f"bailey-d-{number}", **more
            )
            begun = ask(app, one | {"do": "begin"})
            if begun.get("failed") == "message":
                # Beat makes no message of it either; what beat does with such entries is tested beside.
                continue
            assert "to" in begun and "obstacle" not in begun and "stored_to" not in begun, begun
            asks.append(one)
            copies[f"copy-{number}"] = definition | {"options": json.loads(begun["copy"])}
        assert copies
        fired(app, clean, copies)
        for one in asks:
            found = ask(app, one | {"do": "compare", "since": since})
            assert "missing" not in found, (found, one, app.log("beat")[-2000:])
            assert found["differences"] == [], (found, one)
            assert "body" in found["same"] and len(found["same"]) > 15
        names = [one[side] for one in asks for side in ("beat_place", "dag_place")]
        assert ask(app, asks[0] | {"do": "remove", "names": names}) == {"removed": len(names)}
        assert app.runs() == 0 and app.ledger.llen("received") == 0
        # Not a key is left of them.
        for database in (0, 2):
            keys = [key for key in redis.Redis(port=clean, db=database).scan_iter() if b"bailey-" in key]
            assert keys == [], keys


def test_what_differs_is_named(clean):
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "patterns", "json")
    with legacy(app_given, "-Q", "heavy,light,celery") as app:
        known = asked(app_given)
        wrong = json.loads(json.dumps(known))
        # What the application's code was when workers were asked, and is no more.
        wrong["settings"]["task_serializer"] = "yaml"
        wrong["tasks"]["legacy.echo"] = {"priority": 9}
        definition = {"task": "legacy.echo", "args": [1], "kwargs": {}, "options": {"headers": {"x": 1}}}
        definition |= {"schedule": {"__type__": "interval", "every": 86400.0, "relative": False}, "enabled": True}
        one = asking(app, definition, clean, beat_place="b", dag_place="d", configuration=wrong)
        begun = ask(app, one | {"do": "begin"})
        fired(app, clean, {"copy": definition | {"options": json.loads(begun["copy"])}})
        found = ask(app, one | {"do": "compare", "since": time.time()})
        named = {one["property"]: (one["beat"], one["dag"]) for one in found["differences"]}
        assert named["properties.priority"] == ("5", "9")
        assert {"headers.timelimit", "properties.priority"} <= named.keys(), found
        assert "headers.x" in found["same"]
        # A mapping that states other options sends elsewhere, which a copy that is led aside does not show.
        elsewhere = ask(
            app, one | {"do": "begin", "options": '{"queue": "light"}', "beat_place": "b2", "dag_place": "d2"}
        )
        assert elsewhere["stored_to"]["queues"] == ["heavy"] and elsewhere["to"]["queues"] == ["light"]


@pytest.mark.parametrize(
    ("given_more", "task", "words"),
    [
        ({"own_apply": True}, "legacy.once", "code of its own"),
        ({"settings": {"task_always_eager": True}}, "legacy.echo", "in place"),
    ],
)
def test_where_a_copy_cannot_be_fired_safely_nothing_is_made(given_more, task, words, clean):
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    app_given |= {"own_apply": given_more.get("own_apply")}
    app_given["settings"] |= given_more.get("settings", {})
    app = Legacy(app_given)
    try:
        definition = {"task": task, "args": [1], "kwargs": {}, "options": {}}
        one = asking(app, definition, clean, app="legacy_celery:app", beat_place="b", dag_place="d")
        begun = ask(app, one | {"do": "begin"})
        assert words in begun.get("obstacle", ""), begun
        # Where it would go is known all the same, and nothing ran and nothing was sent.
        assert begun["to"]["queues"] == ["work"]
        assert app.runs() == 0 and not redis.Redis(port=clean, db=0).keys()
    finally:
        app.stop()


def test_workers_tell_that_a_copy_would_run_in_place(clean):
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    app_given["settings"]["task_always_eager"] = True
    with legacy(app_given, "-Q", "work") as app:
        known = asked(app_given)
        definition = {"task": "legacy.echo", "args": [1], "kwargs": {}, "options": {}}
        # Also where what was learnt says nothing of it.
        known.pop("eager")
        one = asking(app, definition, clean, configuration=known, beat_place="b", dag_place="d")
        begun = ask(app, one | {"do": "begin"})
        assert "in place" in begun.get("obstacle", ""), begun
        assert app.runs() == 0 and not redis.Redis(port=clean, db=0).exists("d")


def trip(stack: Legacy, port: int, **more: Any) -> dict[str, Any]:
    definition = {"task": "legacy.echo", "args": [1], "kwargs": {}, "options": {}}
    # Each has an id of its own: a result that nobody fetched outlives its trip.
    id = f"bailey-trip-{uuid.uuid4()}"
    one = asking(stack, definition, port, do="round-trip", id=id, nonce="n-1", seconds=15)
    return ask(stack, one | more)


@pytest.mark.parametrize(("broker", "route", "via"), CELLS)
def test_there_and_back(broker, route, via, clean, request):
    _, consumed, _, _ = ROUTES[route]
    app_given = given(url_of(broker, clean, request), clean, route, "json")
    with legacy(app_given, "-Q", consumed) as app:
        more = {"app": "legacy_celery:app"} if via == "app" else {"configuration": asked(app_given)}
        if via == "app":
            asked(app_given)
        found = trip(app, clean, **more)
        assert found["reached"] and found["came_back"] and found["milliseconds"] < 15_000, found
        assert app.runs() == 0
        # Its result and its mark are gone.
        assert not redis.Redis(port=clean, db=1).keys("*bailey-trip*")
        assert not redis.Redis(port=clean, db=2).keys("*bailey-trip*")


def test_why_nothing_came_back(clean):
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    with legacy(app_given, "-Q", "other") as app:
        known = asked(app_given)
        nobody = trip(app, clean, configuration=known, seconds=2)
        assert not nobody["reached"] and "no live worker consumes the queue “work”" in nobody["words"], nobody
        assert "“other”" in nobody["words"]
        sent = trip(app, clean, configuration=known, seconds=2, wait="sent")
        assert not sent["reached"] and "no live worker consumes" in sent["words"], sent
    with legacy(app_given, "-Q", "work") as app:
        known = asked(app_given)
        elsewhere = trip(app, clean, configuration=known, seconds=2, results=f"redis://127.0.0.1:{clean}/7")
        assert not elsewhere["came_back"] and f"redis://127.0.0.1:{clean}/1" in elsewhere["words"], elsewhere
        assert f"redis://127.0.0.1:{clean}/7" in elsewhere["words"]
        away = trip(app, clean, configuration=known, seconds=2, results="redis://127.0.0.1:1/1")
        assert not away["came_back"] and "the results at redis://127.0.0.1:1/1 give no answer" in away["words"], away
        silent = trip(app, clean, configuration=known, seconds=2, wait="events")
        assert not silent["came_back"] and "-E" in silent["words"], silent
        assert trip(app, clean, configuration=known, wait="sent")["reached"]
        # One worker that is busy is not one that is away.
        app.ledger.delete("received")
        celery_wire.answer(
            asking(app, {"task": "legacy.slow", "args": [8], "kwargs": {}, "options": {}}, clean)
            | {"do": "send", "ids": ["slow"], "configuration": known}
        )
        until(lambda: app.runs() == 1, "the slow task has not begun")
        nobody_answers = trip(app, clean, configuration=known, seconds=2)
        assert not nobody_answers["reached"] and "no worker answers" in nobody_answers["words"], nobody_answers
    gone = trip(app, clean, configuration=known, seconds=2)
    assert not gone["reached"] and "no worker answers" in gone["words"], gone


def test_without_results_events_tell(clean):
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    app_given["settings"]["result_backend"] = None
    with legacy(app_given, "-Q", "work", "-E") as app:
        known = asked(app_given)
        refused = trip(app, clean, configuration=known)
        assert refused["failed"] == "no-result" and "wait: events" in refused["words"], refused
        found = trip(app, clean, configuration=known, wait="events")
        assert found["came_back"] and found["words"].endswith("by events"), found


def test_what_a_body_holds_is_not_shown():
    message = {"headers": {"task": "t"}, "properties": {}, "content": ["a", "b"], "body": b"secret"}
    found = compared(message, message | {"body": b"secrez"}, 1)
    [difference] = found["differences"]
    assert difference["property"] == "body" and "secre" not in difference["beat"] + difference["dag"]
    assert os.environ.get("HOME", "/") not in json.dumps(found)


# What public reports tell of routes that went where nobody meant them to: celery #4415, #4236, #5751, #1994, redbeat #159, packit #2365.
REPORTED = {
    "topic": (
        {
            "task_default_queue": "main",
            "task_default_exchange": "company",
            "task_default_exchange_type": "topic",
            "task_default_routing_key": "work.#",
            "task_routes": {"legacy.plain": {"queue": "ml", "priority": 4}},
        },
        {"queues": [["main", "company", "topic", "work.#"], ["ml", "company", "topic", "work.ml"]]},
    ),
    # Workers tell no routing key, so only the application itself can be asked.
    "a key in the route": (
        {
            "task_default_queue": "main",
            "task_routes": {"legacy.plain": {"exchange": "company", "routing_key": "work.ml"}},
        },
        {"queues": [["main", "company", "topic", "work.main"], ["ml", "company", "topic", "work.ml"]]},
    ),
    "declared alone": (
        {"task_create_missing_queues": False, "task_default_queue": "main", "task_routes": {"legacy.plain": "ml"}},
        {"queues": [["main", "main", "direct", "main"], ["ml", "ml", "direct", "ml"]]},
    ),
    "in the task": ({"task_default_queue": "main"}, {"task": {"queue": "ml", "priority": 2, "expires": 50}}),
}
OPTIONS = [
    {},
    {"queue": "ml", "routing_key": "work.ml"},
    {"exchange": "company", "routing_key": "work.ml"},
    {"exchange": "company"},
    {"routing_key": "work.ml"},
    {"queue": "ml", "exchange": "", "routing_key": "ml"},
    {"queue": None, "priority": 0},
]


@pytest.mark.full
@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
@pytest.mark.parametrize("report", REPORTED)
def test_however_a_message_is_routed_its_copy_is_led_aside(report, broker, clean, request):
    settings, more = REPORTED[report]
    app_given = given(url_of(broker, clean, request), clean, "default", "json") | more
    del app_given["settings"]["task_default_priority"]
    app_given["settings"] |= settings
    with legacy(app_given, "-Q", "main,ml") as app:
        known = {"configuration": asked(app_given)}
        calls = [(task, options) for task in ("legacy.echo", "legacy.plain") for options in OPTIONS]
        if report == "a key in the route":
            known, calls = {"app": "legacy_celery:app"}, [("legacy.plain", OPTIONS[0]), ("legacy.plain", OPTIONS[1])]
        asks, copies = [], {}
        since = time.time()
        for number, (task, options) in enumerate(calls):
            definition = {"task": task, "args": [], "kwargs": {"n": number}, "options": options, "enabled": True}
            definition["schedule"] = {"__type__": "interval", "every": 86400.0, "relative": False}
            places = {"beat_place": f"bailey-b-{number}", "dag_place": f"bailey-d-{number}"}
            one = asking(app, definition, clean, **known, **places)
            begun = ask(app, one | {"do": "begin"})
            assert "copy" in begun, (begun, definition)
            asks.append(one)
            copies[f"copy-{number}"] = definition | {"options": json.loads(begun["copy"])}
        fired(app, clean, copies)
        for one in asks:
            found = ask(app, one | {"do": "compare", "since": since})
            assert found.get("differences") == [], (found, one["task"], one["options"])
        # No worker has seen any of them.
        assert app.runs() == 0 and app.ledger.llen("received") == 0
        names = [one[side] for one in asks for side in ("beat_place", "dag_place")]
        ask(app, asks[0] | {"do": "remove", "names": names})
