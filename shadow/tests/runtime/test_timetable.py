"""The timetable inside Airflow: it walks the legacy ticks and loses none."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pendulum
import pytest
from airflow.exceptions import AirflowTimetableInvalid
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction

from bailey_runtime import timetable as module
from bailey_runtime.schedule import ScheduleError
from bailey_runtime.timetable import BaileyTimetable

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
FIELDS = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year")
EVERY_TWO_MINUTES = {"__type__": "crontab", "minute": "*/2"}


def at(seconds: float) -> pendulum.DateTime:
    return pendulum.instance(EPOCH + timedelta(seconds=seconds), tz="UTC")


def on(text: str) -> pendulum.DateTime:
    return pendulum.instance(datetime.fromisoformat(f"{text}+00:00"), tz="UTC")


def exact(tick: datetime | None) -> DataInterval | None:
    return None if tick is None else DataInterval.exact(tick)


@pytest.fixture
def clock(monkeypatch):
    """Sets what the timetable takes for the present."""

    def set_to(now: datetime) -> None:
        monkeypatch.setattr(module, "_now", lambda: module._plain(now))

    return set_to


def ask(
    timetable: BaileyTimetable,
    last: datetime | None,
    start: datetime | None,
    catchup: bool,
    end: datetime | None = None,
) -> DagRunInfo | None:
    return timetable.next_dagrun_info(
        last_automated_data_interval=exact(last),
        restriction=TimeRestriction(earliest=start, latest=end, catchup=catchup),
    )


def tick_of(info: DagRunInfo | None) -> pendulum.DateTime | None:
    if info is None:
        return None
    assert isinstance(info.run_after, pendulum.DateTime)
    assert info == DagRunInfo.exact(info.run_after)
    assert info.logical_date == info.run_after
    assert info.run_after.utcoffset() == timedelta()
    return info.run_after


def crontabs(oracle) -> Iterator[tuple]:
    for line in oracle("crontab"):
        stored = {"__type__": "crontab", **{field: line[field] for field in FIELDS}}
        # Far from the start of the walk, on which its first ticks may depend.
        yield BaileyTimetable(stored, line["tz"]), [at(s) for s in line["fires"][3:30]]


def rules(oracle) -> Iterator[tuple]:
    for line in oracle("rrule"):
        yield (
            BaileyTimetable(line["schedule"], line["tz"]),
            [at(s) for s in line["next"]],
        )


def walk(timetable, ticks: list[datetime], start: datetime) -> list[datetime | None]:
    """What a DAG with catchup runs after the first tick, beginning at its start."""
    found: list[datetime | None] = []
    last = None
    for _ in ticks:
        last = tick_of(ask(timetable, last, start, catchup=True))
        found.append(last)
        if last is None:
            break
    return found


@pytest.mark.parametrize("kind", [crontabs, rules])
def test_with_catchup_every_tick_is_run(oracle, clock, kind):
    clock(on("2026-11-24T12:00:00"))
    different = []
    for timetable, ticks in kind(oracle):
        if ticks and walk(timetable, ticks, ticks[0]) != ticks:
            different.append(timetable.serialize())
    assert different == []


@pytest.mark.parametrize("kind", [crontabs, rules])
def test_without_catchup_each_tick_is_run_when_it_comes(oracle, clock, kind):
    different = []
    for timetable, ticks in kind(oracle):
        for before, tick in zip(ticks, ticks[1:]):
            # Asked at any time between the two, it names the second.
            clock(before + (tick - before) / 2)
            early = tick_of(ask(timetable, before, ticks[0], catchup=False))
            clock(tick)
            punctual = tick_of(ask(timetable, before, ticks[0], catchup=False))
            if (early, punctual) != (tick, tick):
                different.append((timetable.serialize(), before, tick, early, punctual))
    assert different == []


def test_intervals_walk_from_their_anchor(oracle, clock):
    different = []
    for line in oracle("interval"):
        anchor = EPOCH + timedelta(microseconds=line["last_run_at"])
        due = EPOCH + timedelta(microseconds=line["due"])
        stored = line["schedule"]
        if stored["relative"] and stored["every"] < 1:
            continue  # Due at once, for ever: it has no ticks.
        timetable = BaileyTimetable(stored, line["tz"], anchor)
        chain = [due]
        while len(chain) < 15:
            chain.append(timetable._schedule.due(chain[-1]))
        clock(due)
        if walk(timetable, chain, pendulum.instance(anchor)) != chain:
            different.append(line)
        for before, tick in zip(chain, chain[1:]):
            clock(tick - timedelta(microseconds=1))
            if tick_of(ask(timetable, None, pendulum.instance(due), False)) != before:
                different.append((line, before))
    assert different == []


def test_a_relative_interval_long_after_its_anchor_is_found_as_step_by_step():
    rng = random.Random(4)
    for zone in ("Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"):
        for every in (45, 90, 3600, 5400, 7201, 86_399, 90_000):
            stored = {"__type__": "interval", "every": every, "relative": True}
            anchor = EPOCH + timedelta(seconds=1_760_000_000 + rng.random() * 1e6)
            schedule = BaileyTimetable(stored, zone, anchor)._schedule
            goal = anchor + timedelta(seconds=min(every * 5000, 500 * 86_400))
            tick, last = anchor, None
            while tick <= goal:
                last, tick = tick, schedule.due(tick)
            found = schedule.last_until(goal), schedule.next_after(goal)
            assert found == (last, tick), (zone, every, anchor)


def test_a_parse_between_a_tick_and_its_run_loses_nothing(clock):
    """The case of a scheduler that is late while the DAG is parsed again."""
    timetable = BaileyTimetable(EVERY_TWO_MINUTES, "UTC")
    start, last = on("2026-11-24T07:00:00"), on("2026-11-24T08:06:00")
    for moment in ("08:06:30", "08:08:00", "08:08:30", "08:09:59"):
        clock(on(f"2026-11-24T{moment}"))
        found = tick_of(ask(timetable, last, start, catchup=False))
        assert found == on("2026-11-24T08:08:00"), moment
    # A second tick has passed: without catchup only the latest is owed.
    clock(on("2026-11-24T08:10:00"))
    assert tick_of(ask(timetable, last, start, False)) == on("2026-11-24T08:10:00")
    assert tick_of(ask(timetable, last, start, True)) == on("2026-11-24T08:08:00")


def test_the_first_tick_is_not_lost_either(clock):
    timetable = BaileyTimetable(EVERY_TWO_MINUTES, "UTC")
    start = on("2026-11-24T08:08:00")
    for moment in ("08:00:00", "08:07:59", "08:08:00", "08:08:41", "08:09:59"):
        clock(on(f"2026-11-24T{moment}"))
        assert tick_of(ask(timetable, None, start, catchup=False)) == start, moment


@pytest.mark.parametrize("catchup", [True, False])
def test_nothing_runs_before_the_start_date(clock, catchup):
    timetable = BaileyTimetable(EVERY_TWO_MINUTES, "UTC")
    clock(on("2026-11-24T08:30:00"))
    start = on("2026-11-24T09:00:01")
    first = on("2026-11-24T09:02:00")
    assert tick_of(ask(timetable, None, start, catchup)) == first
    # A start date that was moved on protects a DAG that has run before, too.
    assert tick_of(ask(timetable, on("2026-11-24T08:26:00"), start, catchup)) == first


@pytest.mark.parametrize("catchup", [True, False])
def test_without_start_date_or_run_the_past_is_not_owed(clock, catchup):
    timetable = BaileyTimetable(EVERY_TWO_MINUTES, "UTC")
    clock(on("2026-11-24T08:30:00"))
    assert tick_of(ask(timetable, None, None, catchup)) == on("2026-11-24T08:32:00")


@pytest.mark.parametrize("catchup", [True, False])
def test_nothing_runs_after_the_end_date_or_the_end_of_a_rule(clock, catchup):
    clock(on("2026-11-24T08:30:00"))
    timetable = BaileyTimetable(EVERY_TWO_MINUTES, "UTC")
    last, end = on("2026-11-24T08:30:00"), on("2026-11-24T08:31:00")
    assert ask(timetable, last, None, catchup, end) is None
    assert ask(timetable, last, None, catchup, on("2026-11-24T08:32:00")) is not None
    rule = {"__type__": "rrule", "freq": 3, "count": 2, "dtstart": 0, "dtstart_tz": 0}
    ended = BaileyTimetable(rule, "UTC")
    ended.validate()
    assert ask(ended, at(86_400), at(0), catchup) is None


def test_a_manual_run_covers_its_own_instant():
    moment = on("2026-11-24T08:30:17")
    interval = BaileyTimetable(EVERY_TWO_MINUTES, "UTC").infer_manual_data_interval(run_after=moment)
    assert interval == DataInterval.exact(moment)


def test_what_the_user_interface_shows():
    stored = {
        "__type__": "crontab",
        "minute": 30,
        "hour": "2",
        "day_of_month": "1-7",
        "day_of_week": "mon,fri",
    }
    timetable = BaileyTimetable(stored, "Europe/Berlin")
    assert timetable.summary == "30 2 1-7 * mon,fri Europe/Berlin"
    assert timetable.description == (
        "when the minute is 30 and the hour is 2 and the day of the month is 1–7 "
        "and the day is a Monday or Friday, Europe/Berlin"
    )
    anchor = "2026-11-23T06:54:14.305759Z"
    every = {"__type__": "interval", "every": 90.0, "relative": False}
    assert BaileyTimetable(every, "UTC", anchor).summary == "every 90 s UTC"


def test_schedules_that_cannot_be_are_refused():
    with pytest.raises(ScheduleError, match="no JSON"):
        BaileyTimetable("{", "UTC")
    every = {"__type__": "interval", "every": 0.5, "relative": True}
    for anchor in ("yesterday", "2026-11-23T06:54:14", datetime(2026, 11, 23)):
        with pytest.raises(ScheduleError) as refused:
            BaileyTimetable(every, "UTC", anchor)
        assert refused.value.code == "bad-anchor"
    # Celery finds a relative interval of less than a second due at once, for ever.
    with pytest.raises(AirflowTimetableInvalid, match="never fires"):
        BaileyTimetable(every, "UTC", "2026-11-23T06:54:14Z").validate()


def test_arguments_survive_json():
    text = '{"__type__": "interval", "every": 0.0015, "relative": false}'
    timetable = BaileyTimetable(text, "UTC", "2026-11-23T06:54:14.305759+00:00")
    data = json.loads(json.dumps(timetable.serialize()))
    again = BaileyTimetable.deserialize(data)
    assert again.serialize() == timetable.serialize() == data
    assert again.summary == timetable.summary
