"""What the package's scheduler does by itself where marks come close together, and that Bailey's never do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from beat_world import SOURCE, Switch, make

from testing.server import wait_until


class Looking:
    """The package's scheduler in this process, a step at a time; something may happen before each of its looks at the mark."""

    def __init__(self) -> None:
        from celery import Celery
        from django_celery_beat.schedulers import DatabaseScheduler

        self.sent: list[str] = []
        self.before: dict[int, Callable[[], Any]] = {}
        sent = self.sent

        class Scheduler(DatabaseScheduler):  # type: ignore[misc]
            def apply_entry(self, entry: Any, producer: Any = None) -> None:
                sent.append(entry.name)

        app = Celery("looking", broker="memory://")
        app.conf.timezone = "Europe/Paris"
        app.conf.result_expires = None
        self.scheduler = Scheduler(app=app)
        self._looks = 0
        self._look = self.scheduler.Changes.last_change

        def look() -> Any:
            self._looks += 1
            self.before.pop(self._looks, lambda: None)()
            return self._look()

        self.scheduler.Changes.last_change = look

    def tick(self, times: int = 8) -> list[str]:
        """So many steps; what it sent."""
        self.sent.clear()
        self._looks = 0
        for _ in range(times):
            self.scheduler.tick()
        assert not self.before, "not so many looks"
        return list(self.sent)

    def end(self) -> None:
        self.scheduler.sync()
        self.scheduler.Changes.last_change = self._look


@pytest.fixture
def looking(switch: Switch) -> Iterator[Looking]:
    for name in ("a", "b"):
        make(name, every=3600, last_run_at=datetime.now(timezone.utc))
    one = Looking()
    one.tick(1)
    yield one
    one.end()


def mark() -> None:
    """As an application that saves any row of the schedule."""
    from django_celery_beat.models import PeriodicTasks

    PeriodicTasks.update_changed()


def overdue() -> None:
    """Both entries are due, once, when beat loads them."""
    from django_celery_beat.models import PeriodicTask

    PeriodicTask.objects.update(last_run_at=datetime.now(timezone.utc) - timedelta(seconds=3601))


def test_beat_fires_twice_by_itself_what_is_due_while_the_mark_grows_twice(looking: Looking) -> None:
    overdue()
    looking.before = {1: mark}
    assert sorted(looking.tick()) == ["a", "b"]
    for second in (2, 3):
        looking.scheduler.sync()
        overdue()
        looking.before = {1: mark, second: mark}
        sent = looking.tick()
        # Were this mended in the package, the judge of the torture needs no exception, and Bailey need not wait for a moment to tell beat.
        assert sorted(sent) in (["a", "a", "b"], ["a", "b", "b"]), sent


def loud() -> float:
    """A loop so long that a minute begins within it."""
    wait_until("the minute is late enough", lambda: time.time() % 60 > 20, 30)
    return 61 - time.time() % 60


def test_what_bailey_closes_while_something_is_due_is_told_later(switch: Switch, looking: Looking) -> None:
    longest = loud()
    overdue()
    # An application's mark before the first look, Bailey's before the second.
    order = switch.order(["b"], longest=longest)
    looking.before = {1: mark, 2: lambda: switch.call("close", SOURCE, "p", order)}
    assert sorted(looking.tick()) == ["a", "b"]
    assert switch.call("tell", SOURCE)["answer"] == "owing"


def test_of_two_that_are_given_back_at_once_beat_is_told_apart(switch: Switch, looking: Looking) -> None:
    for name in ("a", "b"):
        assert switch.close(name, [name], longest=0.3)["answer"] == "closed"
    for name in ("a", "b"):
        settled = _settled(switch, looking, name)
        assert settled["answer"] == "settled", settled
    assert looking.tick() == []
    # Both are overdue then. Beat loads the first while the second is given back.
    switch.connection.execute("UPDATE bailey_beat.entry SET last_legacy = last_legacy - interval '3601 seconds'")
    switch.connection.execute("UPDATE bailey_beat.switch SET longest = '20 seconds'")
    wait_until("the minute is not near", lambda: 4 < time.time() % 60 < 35, 60)
    time.sleep(0.4)
    assert switch.call("give_back", SOURCE, "a", None, False, False)["told"]
    looking.before = {2: lambda: switch.call("give_back", SOURCE, "b", None, False, False)}
    assert looking.tick() == ["a"]
    switch.tell()
    assert "b" in looking.tick()


def _settled(switch: Switch, looking: Looking, pipeline: str) -> dict[str, Any]:
    """Settles with this beat, a step after the other."""
    ends = time.monotonic() + 60
    while True:
        looking.scheduler.tick()
        found = switch.call("settle", SOURCE, pipeline)
        if found["answer"] != "waiting" or time.monotonic() > ends:
            return found
        time.sleep(0.05)


def test_moments_around_a_minute_are_none_to_tell_beat(switch: Switch) -> None:
    def is_quiet(second: float, longest: float) -> bool:
        at = datetime(2026, 11, 29, 12, 34, tzinfo=timezone.utc) + timedelta(seconds=second)
        row = switch.connection.execute(
            "SELECT bailey_beat.is_quiet(%s * interval '1 second', %s)", (longest, at)
        ).fetchone()
        assert row is not None
        return bool(row[0])

    assert [is_quiet(second, 7) for second in (0, 2.9, 3, 30, 53, 53.1, 59.9)] == [
        False, False, True, True, True, False, False,
    ]  # fmt: skip
    # A beat that sleeps for minutes wakes when something is due, whenever it is told.
    assert is_quiet(0, 302)


def test_a_beat_of_before_2_8_is_told_by_its_witness(switch: Switch) -> None:
    from django_celery_beat.models import PeriodicTask

    make("a", last_run_at=datetime.now(timezone.utc))
    assert switch.close("p", ["a"], longest=0.3)["answer"] == "closed"
    switch.tell()
    # As its scheduler does: it looks at one_off alone, and sets the count back.
    witness = PeriodicTask.objects.get(task="bailey.witness")
    assert witness.one_off and witness.total_run_count == 1 and witness.expires is not None
    witness.enabled, witness.total_run_count = False, 0
    witness.save()
    assert switch.settle("p")["answer"] == "old-beat"


def test_a_beat_whose_code_has_a_row_leaves_it_disabled_and_makes_a_deleted_one_anew(looking: Looking) -> None:
    from django_celery_beat.models import PeriodicTask

    PeriodicTask.objects.filter(name="a").update(enabled=False)
    PeriodicTask.objects.filter(name="b").delete()
    looking.scheduler.update_from_dict({name: {"task": "work", "schedule": 60.0} for name in ("a", "b")})
    assert not PeriodicTask.objects.get(name="a").enabled
    assert PeriodicTask.objects.get(name="b").enabled
