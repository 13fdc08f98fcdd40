"""What workers answer is read whatever it was written with; nothing is unpickled; what keeps it from being read is said."""

from __future__ import annotations

import ast
import base64
import json
import pickle
import time
from collections import Counter
from pathlib import Path

import pytest
import redis
from stack import legacy, until
from test_once import attempt, wanted
from test_parity import asked, given

from bailey_runtime import celery_sending, celery_wire
from bailey_runtime.celery_answers import record
from bailey_runtime.celery_results import result_state
from bailey_runtime.celery_text import PROVING, text_of
from bailey_runtime.celery_values import returnable
from bailey_runtime.celery_workers import unknown
from bailey_runtime.kept import MOST_BYTES, kept

FORMS = {
    "json": {},
    "yaml": {"result_serializer": "yaml"},
    "compressed": {"result_compression": "gzip"},
    "prefix": {"result_backend_transport_options": {"global_keyprefix": "acme:"}},
    "extended": {"result_extended": True},
    "pickle": {"result_serializer": "pickle", "result_accept_content": ["pickle", "json"]},
}


class Bomb:
    """Whoever unpickles it leaves a trace."""

    def __reduce__(self):
        return open, ("/tmp/bailey-unpickled", "w")


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_result_is_read(form, clean):
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    app_given["settings"] |= FORMS[form]
    url = app_given["settings"]["result_backend"]
    with legacy(app_given, "-Q", "work"):
        configuration = asked(app_given)
        if form == "prefix":
            refused = attempt(wanted(app_given, configuration))
            assert refused["failed"] == "no-result" and "prefix" in refused["words"], refused
            # What workers hide, a person states.
            configuration["settings"]["result_backend_transport_options"] = {"global_keyprefix": "acme:"}
        assert attempt(wanted(app_given, configuration, kwargs='{"n": 7}'))["sent"]
        assert attempt(wanted(app_given, configuration, task="legacy.fails", args="[]", ids=["two"]))["sent"]
        reads = json.dumps(configuration)
        found = until(lambda: _ended(url, reads, "one"), "no result came")
        failed = until(lambda: _ended(url, reads, "two"), "no error came")
        assert found["status"] == "SUCCESS" and failed["status"] == "FAILURE"
        if form == "pickle":
            assert "bailey_pickled" in json.loads(found["result"])
            assert failed["error"]["type"] == "pickled"
        else:
            assert json.loads(found["result"]) == {"args": 1, "n": 7}
            assert (failed["error"]["type"], failed["error"]["message"]) == ("ValueError", "kaput")
            assert "kaput" in failed["error"]["detail"]


def _ended(url, reads, id):
    state = result_state(url, reads, id)
    return state if state["status"] != "PENDING" else None


@pytest.mark.parametrize("what", ["nan", "infinity", "surrogate", "nul", "bytes", "large", "deep"])
def test_any_value_is_kept_and_fails_nothing(what, clean):
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    url = app_given["settings"]["result_backend"]
    with legacy(app_given, "-Q", "work"):
        configuration = asked(app_given)
        one = wanted(app_given, configuration, task="legacy.odd", args=json.dumps([what]))
        assert attempt(one)["sent"]
        found = until(lambda: _ended(url, json.dumps(configuration), "one"), "no result came")
        assert found["status"] == "SUCCESS", found
        text = kept(found["result"])
        json.loads(text, parse_constant=_refused)
        assert len(text) <= MOST_BYTES * 2
        text.encode()
        stored = returnable(found["result"])
        assert stored is None or json.dumps(stored, allow_nan=False)


def test_a_file_without_a_gate_runs_the_same_program(clean, tmp_path):
    import subprocess
    import sys

    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    settings = app_given["settings"]

    def place(url):
        return {"conn_type": "redis", "host": "127.0.0.1", "port": clean, "schema": url[-1], "extra": {}}

    with legacy(app_given, "-Q", "work") as app:
        configuration = asked(app_given)
        for task, args, holds in (
            ("legacy.echo", "[1]", True),
            ("legacy.odd", '["nan"]', True),
            ("legacy.fails", "[]", False),
        ):
            one = wanted(app_given, configuration, task=task, args=args, ids=[task], do="call", seconds=60)
            one |= {"broker": place(settings["broker_url"]), "results": place(settings["result_backend"])}
            program = [sys.executable, "-c", text_of()]
            for _ in range(2):
                done = subprocess.run(
                    program,
                    input=json.dumps(one),
                    cwd=tmp_path,
                    capture_output=True,
                    text=True,
                    timeout=120,
                    check=True,
                )
                reply = json.loads(done.stdout)
                assert ("error" not in reply["state"]) is holds, reply
            if task == "legacy.echo":
                assert reply["returned"] == {"args": 1, "n": None}
        # A second attempt found the answer to the first one's message.
        assert app.runs() == 3


def test_a_file_without_a_gate_carries_that_text():
    golden = Path(__file__).resolve().parents[3] / "Tests/AirflowTests/Golden/ungated.py"
    texts = [
        node.value.value
        for node in ast.parse(golden.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and node.targets[0].id == "_CELERY"
    ]
    assert texts == ["\n" + text_of()]


def test_no_name_of_the_text_stands_for_two_things():
    names = []
    for node in ast.parse(text_of(PROVING)).body:
        names += [getattr(node, "name", "")] + [getattr(to, "id", "") for to in getattr(node, "targets", [])]
    assert not [name for name, count in Counter(names).items() if name and count > 1]


def _refused(word):
    raise AssertionError(word)


def test_values_of_every_form_stay_exact(tmp_path, monkeypatch):
    assert kept('{"a": 1.0}') == '{"a": 1.0}'
    assert json.loads(kept("[NaN, 1.10]")) == {"bailey_text": "[NaN, 1.10]"}
    assert kept('"\ud800"') == kept('"\\ud800"') == '"\\ud800"'
    large = json.dumps("x" * 50_000_000)
    monkeypatch.setenv("BAILEY_RESULTS_FOLDER", str(tmp_path / "results"))
    short = json.loads(kept(large))
    assert short["bytes"] == len(large)
    with open(short["file"]) as file:
        assert file.read() == large
    monkeypatch.setenv("BAILEY_RESULTS_FOLDER", "/proc/nothing")
    assert "file" not in json.loads(kept(large))
    for text in ("NaN", "[1e999]", '"a\\u0000"', '"\\ud800"', large, "[" * 100_000 + "]" * 100_000):
        assert returnable(text) is None
    assert returnable('{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}


CASES = json.loads(Path(__file__).with_name("stored_results.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_what_a_backend_stores_is_read_as_it_was_written(case):
    # CeleryStoredResultTests reads the same with Bailey's own reader.
    stored = base64.b64decode(case["stored"])
    if case["status"] == "UNREADABLE":
        with pytest.raises(Exception):  # noqa: B017, PT011
            record(stored)
        return
    found = record(stored, case.get("serializer", "json"))
    assert found["status"] == case["status"]
    if "error" in case:
        assert [found["error"]["type"], found["error"]["message"]] == case["error"]
    elif case.get("serializer") == "pickle":
        assert "bailey_pickled" in json.loads(found["result"])
    else:
        # NaN is not even itself.
        assert repr(json.loads(found["result"])) == repr(json.loads(case["as"]))


@pytest.mark.parametrize("prefix", ["acme:", "acme"])
def test_the_prefix_of_another_version_is_found(prefix, clean):
    url = f"redis://127.0.0.1:{clean}/1"
    configuration = {"settings": {"result_backend_transport_options": {"global_keyprefix": prefix}}}
    client = redis.Redis(port=clean, db=1)
    for key, id in ((f"{prefix}_celery-task-meta-old", "old"), (f"{prefix}celery-task-meta-new", "new")):
        client.set(key, '{"status": "SUCCESS", "result": 1}')
        found = result_state(url, json.dumps(configuration), id)["status"]
        # No version leaves out the underscore where nothing else parts the two.
        assert found == ("PENDING" if (prefix, id) == ("acme", "new") else "SUCCESS"), (prefix, id)


def test_nothing_is_unpickled():
    whole = {
        "status": "SUCCESS",
        "result": Bomb(),
        "traceback": None,
        "children": [],
        "date_done": "x",
        "task_id": "1",
    }
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        stored = pickle.dumps(whole, protocol)
        found = record(stored, "pickle")
        assert found["status"] == "SUCCESS"
        # The same value has the same digest, whatever else the record says.
        other = pickle.dumps(whole | {"date_done": "y", "task_id": "22"}, protocol)
        assert found["result"] == record(other, "pickle")["result"]
    import os

    assert not os.path.exists("/tmp/bailey-unpickled")


def test_a_deep_result_is_a_success():
    deep = "[" * 200_000 + "]" * 200_000
    found = record(f'{{"status": "SUCCESS", "result": {deep}, "traceback": null}}'.encode())
    assert found["status"] == "SUCCESS" and found["result"] == deep


def test_an_unreadable_record_is_one_line(clean):
    url = f"redis://127.0.0.1:{clean}/1"
    redis.Redis(port=clean, db=1).set("celery-task-meta-broken", b"\xff\xfenothing")
    found = result_state(url, "{}", "broken")
    assert found["status"] == "UNREADABLE" and "broken" in found["error"]["message"]


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        ({"task": "legacy.quiet", "args": "[]"}, "no-result", "ignores its result"),
        ({"broker": "redis://127.0.0.1:1/0"}, "broker", "cannot be reached"),
        ({"options": '{"exchange": "nowhere", "routing_key": "x"}'}, "unrouted", "vanish"),
        ({"options": '{"serializer": "rot13"}'}, "message", "rot13"),
        ({"options": '{"expires": "never"}'}, "message", "no message"),
        ({"args": '[{"__type__": "weekday", "wkday": 4}]'}, "value", "other arguments"),
        ({"configuration": {}}, "route", "via: app"),
        ({"app": "no_such_module:app"}, "app", "no_such_module"),
    ],
)
def test_what_cannot_be_sent_says_what_to_do(more, code, words, clean, monkeypatch):
    monkeypatch.setattr(celery_sending, "_PATIENCE", 1)
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    configuration = {
        "celery": [5, 7],
        "backend": "redis",
        "settings": {"task_default_queue": "work"},
        "tasks": {"legacy.quiet": {"ignore_result": True}},
    }
    answer = celery_wire.answer(wanted(app_given, configuration) | more)
    assert answer.get("failed") == code and words in answer["words"], answer


@pytest.mark.parametrize(
    ("backend", "words"),
    [
        ("disabled", "no result backend"),
        ("disabled://", "no result backend"),
        ("rpc://", "come back to the process"),
        ("db+postgresql://u@h/d", "unpickles nothing"),
        ("database", "unpickles nothing"),
        ("django-db", "unpickles nothing"),
        ("mongodb://h/d", "unpickles nothing"),
    ],
)
def test_a_backend_that_nobody_else_reads_is_not_waited_for(backend, words, clean):
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    known = {"celery": [5, 7], "backend": backend, "settings": {"task_default_queue": "work"}}
    refused = celery_wire.answer(wanted(app_given, known))
    assert refused["failed"] == "no-result" and words in refused["words"] and "wait: sent" in refused["words"], refused
    # Nothing was sent of which the answer would be lost.
    assert not redis.Redis(port=clean).exists("work")
    assert celery_wire.answer(wanted(app_given, known, wait="sent"))["sent"]


def test_a_queue_that_nobody_consumes_is_known(clean):
    configuration = {"settings": {"task_default_queue": "work"}, "silent": ["old"]}
    assert "old" in unknown(configuration, "t", {"queue": "old"})
    assert unknown(configuration, "t", {}) is None


def test_sending_costs_little(clean):
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    configuration = {"backend": "redis", "settings": {"task_default_queue": "work"}}
    celery_wire.answer(wanted(app_given, configuration, ids=["warm"]))
    start = time.monotonic()
    for number in range(20):
        assert celery_wire.answer(wanted(app_given, configuration, ids=[str(number)]))["sent"]
    each = (time.monotonic() - start) / 20
    print(f"{each * 1000:.1f} ms a message")
    assert each < 0.5
