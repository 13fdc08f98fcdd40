"""A repeated attempt never sends a second message: the sender is killed at each step, and executions are counted at a worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis
from stack import legacy, until
from test_parity import asked, given

# Each step of a sending; whether the message is there then; whether the next attempt knows that.
REDIS = [("before-publish", 0), ("before-script", 0), ("after-script", 1), ("after-publish", 1)]
RABBITMQ = [
    ("before-publish", 0, True),
    ("before-broker", 0, False),
    ("after-broker", 1, False),
    ("after-publish", 1, True),
]


def attempt(wanted: dict[str, Any], dies: str = "") -> dict[str, Any]:
    """What one attempt answers; nothing if it was killed."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("sender.py"))],
        input=json.dumps(wanted | {"dies": dies}),
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if dies:
        assert done.returncode == -9, done.stderr
        return {}
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def wanted(app_given: dict[str, Any], configuration: dict[str, Any], **more: Any) -> dict[str, Any]:
    settings = app_given["settings"]
    return {
        "do": "send",
        "task": "legacy.echo",
        "args": "[1]",
        "kwargs": "{}",
        "options": "{}",
        "ids": ["one"],
        "wait": "result",
        "configuration": configuration,
        "broker": settings["broker_url"],
        "results": settings["result_backend"],
        "marks": settings["redbeat_redis_url"],
    } | more


def test_on_redis_a_killed_attempt_is_repeated_and_runs_once(clean):
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    with legacy(app_given, "-Q", "work") as app:
        configuration = asked(app_given)
        for number, (step, there) in enumerate(REDIS):
            one = wanted(app_given, configuration, ids=[f"{step}-1"])
            attempt(one, step)
            # The next attempt, which Airflow counts as the second.
            again = attempt(one | {"ids": [f"{step}-1", f"{step}-2"]})
            assert again["sent"] is not bool(there), (step, again)
            assert again["id"] == f"{step}-1"
            until(lambda count=number + 1: app.runs() >= count, "no worker ran it")
        # A third attempt after a success sends nothing either.
        assert attempt(one | {"ids": ["after-publish-1", "after-publish-2"]})["sent"] is False
        broker = redis.Redis(port=clean)
        until(lambda: broker.llen("work") == 0, "messages are left over")
        assert app.runs() == len(REDIS)


def test_on_rabbitmq_what_ended_while_sending_is_unsure(clean, vhost):
    app_given = given(vhost, clean, "default", "json")
    with legacy(app_given, "-Q", "work") as app:
        configuration = asked(app_given)
        results = redis.Redis(port=clean, db=1)
        expected = 0
        for step, there, is_known in RABBITMQ:
            one = wanted(app_given, configuration, ids=[f"{step}-1"])
            attempt(one, step)
            expected += there
            if not is_known:
                # Without a result to be asked for, nobody knows.
                unsure = attempt(one | {"wait": "sent"})
                assert unsure["failed"] == "unsure" and "unsure: resend" in unsure["words"], (step, unsure)
            if there:
                until(lambda key=f"celery-task-meta-{step}-1": results.exists(key), f"no worker ran it: {step}")
            again = attempt(one | {"ids": [f"{step}-1", f"{step}-2"]})
            if there or is_known:
                assert again["sent"] is not bool(there), (step, again)
                expected += not there
            else:
                assert again["failed"] == "unsure", (step, again)
                # Whoever prefers twice to never says so.
                assert attempt(one | {"unsure": "resend"})["sent"] is True
                expected += 1
            until(lambda: app.runs() >= expected, f"no worker ran it: {step}")
        assert app.runs() == expected


def test_a_failed_message_is_followed_by_another(clean):
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    with legacy(app_given, "-Q", "work"):
        configuration = asked(app_given)
        one = wanted(app_given, configuration, task="legacy.fails", args="[]", ids=["f1"])
        assert attempt(one)["sent"]
        results = redis.Redis(port=clean, db=1)
        until(lambda: results.exists("celery-task-meta-f1"), "no result came")
        assert attempt(one | {"ids": ["f1", "f2"]})["id"] == "f2"


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_events_end_a_task_without_results(broker, clean, request):
    url = f"redis://127.0.0.1:{clean}/0" if broker == "redis" else request.getfixturevalue("vhost")
    app_given = given(url, clean, "default", "json")
    app_given["settings"]["result_backend"] = None
    with legacy(app_given, "-Q", "work", "-E") as app:
        configuration = asked(app_given)
        one = wanted(app_given, configuration, wait="events", seconds=60, ids=["e1"])
        refused = attempt(one | {"wait": "result"})
        assert refused["failed"] == "no-result" and "no result backend" in refused["words"], refused
        assert attempt(one)["state"]["status"] == "SUCCESS"
        failed = attempt(one | {"task": "legacy.fails", "args": "[]", "ids": ["e2"]})
        assert failed["state"]["error"]["type"] == "ValueError", failed
        assert failed["state"]["error"]["message"] == "'kaput'"
        # The next attempt knows that it failed, and sends another.
        assert attempt(one | {"task": "legacy.fails", "args": "[]", "ids": ["e2", "e3"]})["id"] == "e3"
        assert app.runs() == 3
