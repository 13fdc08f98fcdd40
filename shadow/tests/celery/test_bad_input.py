"""What is wrong with an application, its environment, its broker, its workers or its results ends a task with words that say what to do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import redis
from kombu import Connection, Queue
from stack import Legacy, legacy, until
from test_once import wanted
from test_parity import asked, given

from bailey_runtime import celery_wire
from bailey_runtime.celery_text import text_of

WORK = {"celery": [5, 7], "backend": "redis", "settings": {"task_default_queue": "work"}}


def child(app_given: dict[str, Any], request: dict[str, Any], *flags: str) -> dict[str, Any]:
    """What an interpreter answers that is started for one request, as a task starts it."""
    app = Legacy(app_given)
    try:
        Path(app.folder.name, "broken.py").write_text("import os\nos.environ['A_VARIABLE_OF_BEAT']\n")
        done = subprocess.run(
            [sys.executable, *flags, "-c", text_of()],
            input=json.dumps(request),
            env=app.environment,
            cwd=app.folder.name,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        return json.loads(done.stdout)
    finally:
        app.stop()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("legacy_celerie:app", "No module named 'legacy_celerie'"),
        ("legacy_celery:nothing", "nothing"),
        ("legacy_celery:LEDGER", "no Celery application"),
        ("json:loads", "no Celery application"),
        ("broken:app", "KeyError: 'A_VARIABLE_OF_BEAT'"),
    ],
)
def test_an_unknown_app(name, words, clean):
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    found = child(app_given, wanted(app_given, WORK, app=name))
    assert found["failed"] == "app" and words in found["words"] and "module:attribute" in found["words"], found


@pytest.mark.parametrize("way", [{"app": "legacy_celery:app"}, {}])
def test_an_environment_without_celery(way, clean):
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    # Without what is installed beside the standard library.
    found = child(app_given, wanted(app_given, WORK, **way), "-I", "-S")
    assert found["failed"] == "celery" and sys.executable in found["words"], found
    assert "install" in found["words"] and "environments" in found["words"], found


def test_a_broker_that_refuses_a_password_or_a_right(clean):
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    server = redis.Redis(port=clean)
    server.execute_command("ACL", "SETUSER", "reader", "on", ">word", "~*", "+ping", "+get")
    began = time.monotonic()
    for user in ("reader:wrong", "nobody:word", "reader:word"):
        broker = f"redis://{user}@127.0.0.1:{clean}/0"
        found = celery_wire.answer(wanted(app_given, WORK, broker=broker, wait="sent"))
        assert found["failed"] == "broker" and "refuses" in found["words"] and "rights" in found["words"], found
        assert user.split(":")[1] not in found["words"].replace("password", ""), found
    # It would say the same in half a minute.
    assert time.monotonic() - began < 20
    server.execute_command("ACL", "DELUSER", "reader")


def test_rabbitmq_that_refuses(vhost, clean):
    app_given = given(vhost, clean, "default", "json")
    began = time.monotonic()
    wrong = vhost.replace("guest:guest", "guest:wrongword")
    found = celery_wire.answer(wanted(app_given, WORK, broker=wrong, wait="sent"))
    assert found["failed"] == "broker" and "refuses" in found["words"] and "wrongword" not in found["words"], found
    elsewhere = vhost.removesuffix("//") + "/nowhere"
    found = celery_wire.answer(wanted(app_given, WORK, broker=elsewhere, wait="sent"))
    assert found["failed"] == "broker" and "nowhere" in found["words"], found
    # A queue that somebody made with other arguments.
    with Connection(vhost) as connection, connection.channel() as channel:
        Queue("work", routing_key="work", max_priority=5)(channel).declare()
    found = celery_wire.answer(wanted(app_given, WORK, wait="sent"))
    assert found["failed"] == "broker" and "other arguments" in found["words"], found
    assert time.monotonic() - began < 20


def test_a_queue_that_nobody_consumes(clean):
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    with legacy(app_given, "-Q", "work"):
        configuration = asked(app_given)
        more = {"do": "call", "seconds": 1, "options": '{"queue": "nobody", "priority": 6}'}
        found = celery_wire.answer(wanted(app_given, configuration, **more))
        assert found["state"]["status"] == "TIMEOUT", found
        words = found["state"]["error"]["message"]
        assert "no live worker consumes the queue “nobody”" in words and "-Q" in words, words


def test_a_result_that_expired_before_it_was_read(clean):
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    app_given["settings"]["result_expires"] = 1
    results = redis.Redis(port=clean, db=1)
    with legacy(app_given, "-Q", "work") as app:
        configuration = asked(app_given)
        assert celery_wire.answer(wanted(app_given, configuration))["sent"]
        until(lambda: results.exists("celery-task-meta-one"), "no result came")
        until(lambda: not results.exists("celery-task-meta-one"), "the result did not expire")
        found = celery_wire.answer(wanted(app_given, configuration, do="call", seconds=1))
        assert found["sent"] is False and app.runs() == 1
        words = found["state"]["error"]["message"]
        assert "result_expires" in words and "log" in words, words


def test_a_worker_that_dies_in_the_middle(clean):
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    app_given["settings"]["task_track_started"] = True
    results = redis.Redis(port=clean, db=1)
    slow = {"task": "legacy.slow", "args": "[600]"}
    # A child of it dies, and the worker says so.
    with legacy(app_given, "-Q", "work", "-P", "prefork") as app:
        configuration = asked(app_given)
        dies = wanted(app_given, configuration, task="legacy.dies", args="[]", do="call", seconds=60, ids=["dies"])
        found = celery_wire.answer(dies)
        assert found["state"]["error"]["type"] == "WorkerLostError", found
        # The whole of it dies.
        assert celery_wire.answer(wanted(app_given, configuration, **slow))["sent"]
        until(lambda: b"STARTED" in (results.get("celery-task-meta-one") or b""), "it has not started")
        os.killpg(app.worker.pid, signal.SIGKILL)
        found = celery_wire.answer(wanted(app_given, configuration, **slow, do="call", seconds=1))
        words = found["state"]["error"]["message"]
        assert "STARTED" in words and "die in the middle" in words, words
        # Nothing else can be asked: nobody is there.
        results.flushdb()
        found = celery_wire.answer(wanted(app_given, configuration, **slow, do="call", seconds=1))
        assert "no worker answers" in found["state"]["error"]["message"], found
