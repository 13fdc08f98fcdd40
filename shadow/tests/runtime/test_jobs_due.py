"""What a trigger makes of its looks at a queue: a database that gives no answer is never a go, and never the end of the looking."""

from __future__ import annotations

import asyncio
import time

import pytest

pytest.importorskip("airflow")

from bailey_runtime import jobs_due
from bailey_runtime.jobs_due import JobsDueTrigger
from bailey_runtime.run_ended import RunEndedTrigger

TYPES = [("jobs", "export"), ("jobs", "mail"), ("other", "report")]


class Looks(JobsDueTrigger):
    """One whose looks answer what is said here, by source, one after the other; the last again and again."""

    def __init__(self, until, **answers):
        super().__init__(TYPES, "dag/run", "here", 0.01, time.time() + until)
        self.answers = answers
        self.asked = []

    async def _others_wait(self):
        return self.answers.get("others", False)

    async def _look(self, source):
        self.asked.append(source)
        answers = self.answers.get(source, [False])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def ended(trigger):
    async def events():
        return [event.payload async for event in trigger.run()]

    [event] = asyncio.run(asyncio.wait_for(events(), 30))
    return event["ended"]


def test_it_looks_until_a_job_is_due():
    trigger = Looks(20, jobs=[False, False, True])
    assert ended(trigger) == "due"
    # Of each source once a look, not of each type.
    assert trigger.asked == ["jobs", "other", "jobs", "other", "jobs"]


def test_it_ends_when_its_time_has_passed():
    assert ended(Looks(0.1)) == "over"
    assert ended(Looks(-1)) == "over"


def test_no_answer_is_no_go_and_not_the_end():
    away = OSError("connection refused")
    trigger = Looks(20, jobs=[away, away, TimeoutError()], other=[False, False, False, True])
    assert ended(trigger) == "due" and trigger.asked.count("jobs") == 4
    assert ended(Looks(0.1, jobs=[away], other=[away])) == "over"


def test_it_gives_way_to_a_run_that_waits_for_its_turn():
    assert ended(Looks(20, others=True)) == "others"
    # A job goes first.
    assert ended(Looks(20, jobs=[True], others=True)) == "due"


def test_where_nobody_can_be_asked_it_waits_a_minute(monkeypatch):
    monkeypatch.setattr(jobs_due, "asks_in_one_loop", lambda: False)
    monkeypatch.setattr(jobs_due, "_BLIND_SECONDS", 0.1)
    assert ended(Looks(20)) == "over"


def test_a_switch_that_is_too_old_to_say_is_tried_now_and_then(monkeypatch):
    trigger = Looks(0.2, jobs=[None])
    assert ended(trigger) == "over" and len(trigger.asked) > 4
    monkeypatch.setattr(jobs_due, "_UNKNOWN_SECONDS", 0.1)
    assert ended(Looks(20, jobs=[None])) == "due"


@pytest.mark.parametrize(
    "trigger",
    [
        JobsDueTrigger(TYPES, "dag/run", "here", 5.0, 1.5),
        RunEndedTrigger("store", None, "2026-11-30T02:00:00+00:00", 60.0, 1.5),
        RunEndedTrigger("store", "load", "2026-11-30T02:00:00+00:00", 60.0, 1.5),
    ],
)
def test_another_triggerer_makes_the_same_anew(trigger):
    path, values = trigger.serialize()
    assert path == f"{type(trigger).__module__}.{type(trigger).__qualname__}"
    assert type(trigger)(**values).serialize() == (path, values)
