"""Every line that Celery 5.7 and dateutil computed must be reproduced."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import islice, takewhile

import pytest

from bailey_runtime.schedule import (
    ENDS,
    Interval,
    ScheduleError,
    field_values,
    parse_schedule,
)

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
FIELDS = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year")


def at(seconds: int) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def crontab_of(line: dict) -> dict:
    return {"__type__": "crontab", **{field: line[field] for field in FIELDS}}


def test_crontab_ticks(oracle):
    different = []
    for line in oracle("crontab"):
        schedule = parse_schedule(crontab_of(line), line["tz"])
        expected = [at(second) for second in line["fires"]]
        found = list(islice(schedule.ticks(at(line["start"])), len(expected)))
        if found != expected:
            different.append((line["tz"], schedule.short_text, line["start"]))
    assert different == []


def test_crontab_looks_back_to_the_tick_before(oracle):
    different = []
    for line in oracle("crontab"):
        schedule = parse_schedule(crontab_of(line), line["tz"])
        ticks = [at(second) for second in line["fires"]]
        # The first ticks may depend on where Celery's walk began.
        for before, tick in islice(zip(ticks[3:], ticks[4:]), 0, None, 7):
            middle = before + (tick - before) / 2
            found = (
                schedule.last_until(before),
                schedule.last_until(middle),
                schedule.last_until(tick - timedelta(microseconds=1)),
                schedule.first_from(middle),
                schedule.first_from(tick),
            )
            if found != (before, before, before, tick, tick):
                different.append((line["tz"], schedule.short_text, before, tick, found))
    assert different == []


def test_crontab_fields(oracle):
    different = []
    for line in oracle("cronspec"):
        try:
            found = sorted(field_values(line["field"], line["spec"]))
        except ScheduleError as error:
            assert error.code == "bad-crontab"
            found = None
        expected = sorted(line["set"]) if "set" in line else None
        if found != expected:
            different.append((line, found))
    assert different == []


def test_intervals_due(oracle):
    different = []
    for line in oracle("interval"):
        last = EPOCH + timedelta(microseconds=line["last_run_at"])
        due = EPOCH + timedelta(microseconds=line["due"])
        schedule = parse_schedule(line["schedule"], line["tz"], last)
        assert isinstance(schedule, Interval)
        following = schedule.next_after(last)
        if schedule.due(last) != due or following != (due if due > last else None):
            different.append((line, schedule.due(last), following))
    assert different == []


def test_recurrence_ticks(oracle):
    different = []
    for line in oracle("rrule"):
        schedule = parse_schedule(line["schedule"], line["tz"])
        expected = [at(second) for second in line["next"]]
        more = 1 if line["exhausted"] else 0
        found = list(islice(schedule.ticks(at(line["from"])), len(expected) + more))
        if found != expected:
            different.append(line)
        for before, tick in zip(expected, expected[1:]):
            middle = before + (tick - before) / 2
            if (schedule.last_until(middle), schedule.last_until(tick)) != (
                before,
                tick,
            ):
                different.append((line, before, tick))
    assert different == []


def calendar_of(line: dict) -> dict:
    return {"__type__": "calendar", "expression": line["cron"], "clock": "robfig", **line["sets"]}


def test_ticks_of_kubernetes(oracle):
    lines = [line for line in oracle("robfig") if line.get("fires") and "sets" in line]
    assert len(lines) > 400
    different = []
    # Swift's test has all of them.
    for line in lines[::6]:
        # A zone in the text is for whoever reads manifests.
        if "TZ=" in line["cron"]:
            continue
        schedule = parse_schedule(calendar_of(line), line["tz"])
        expected = [at(second) for second in line["fires"] if at(second) < ENDS]
        found = list(islice(schedule.ticks(at(line["start"])), len(expected)))
        if found != expected:
            different.append((line["tz"], line["cron"], line["start"]))
        for before, tick in islice(zip(expected[3:], expected[4:]), 0, None, 30):
            middle = before + (tick - before) / 2
            if (schedule.last_until(middle), schedule.last_until(tick)) != (before, tick):
                different.append((line["tz"], line["cron"], before, tick))
    assert different == []


def test_ticks_of_debians_cron(oracle):
    """What the program itself ran while its clock changed."""
    different = []
    for line in oracle("debian-cron"):
        schedule = parse_schedule({"__type__": "calendar", **line["calendar"]}, line["tz"])
        ticks = schedule.ticks(at(line["from"]))
        found = list(takewhile(lambda tick, line=line: tick < at(line["until"]), ticks))
        if found != [at(second) for second in line["fires"]]:
            different.append((line, found))
        for tick in found:
            if schedule.last_until(tick + timedelta(seconds=1)) != tick:
                different.append((line, tick))
    assert different == []


@pytest.mark.parametrize(
    ("schedule", "zone", "anchor", "code"),
    [
        ({"__type__": "crontab", "minute": "61"}, "UTC", None, "bad-crontab"),
        ({"__type__": "crontab", "minute": []}, "UTC", None, "bad-crontab"),
        ({"__type__": "crontab", "minute": None}, "UTC", None, "bad-crontab"),
        ({"__type__": "crontab", "minute": 1.0}, "UTC", None, "bad-crontab"),
        ({"__type__": "crontab", "second": "1"}, "UTC", None, "bad-crontab"),
        (
            {"__type__": "crontab", "day_of_month": 30, "month_of_year": 2},
            "UTC",
            None,
            "never-fires",
        ),
        ({"__type__": "crontab"}, "Mars/Olympus", None, "unknown-zone"),
        ({"__type__": "crontab"}, "../etc/passwd", None, "unknown-zone"),
        ({"__type__": "crontab"}, "UTC", EPOCH, "bad-anchor"),
        (
            {"__type__": "interval", "every": 0, "relative": False},
            "UTC",
            EPOCH,
            "bad-interval",
        ),
        (
            {"__type__": "interval", "every": float("nan"), "relative": False},
            "UTC",
            EPOCH,
            "bad-interval",
        ),
        ({"__type__": "interval", "every": 1}, "UTC", EPOCH, "bad-interval"),
        (
            {"__type__": "interval", "every": 1, "relative": False},
            "UTC",
            None,
            "missing-anchor",
        ),
        ({"__type__": "rrule", "freq": 3}, "UTC", None, "bad-rrule"),
        (
            {"__type__": "rrule", "freq": 3, "dtstart": 0, "byhour": 24},
            "UTC",
            None,
            "bad-rrule",
        ),
        (
            {"__type__": "rrule", "freq": 3, "dtstart": 0, "bysolstice": 1},
            "UTC",
            None,
            "bad-rrule",
        ),
        ({"__type__": "calendar", "minutes": [60]}, "UTC", None, "bad-cron"),
        ({"__type__": "calendar", "minutes": "5"}, "UTC", None, "bad-cron"),
        ({"__type__": "calendar", "clock": "sun"}, "UTC", None, "bad-cron"),
        ({"__type__": "calendar", "minutes": []}, "UTC", None, "never-fires"),
        ({"__type__": "calendar", "days": [30], "months": [2]}, "UTC", None, "never-fires"),
        ({"__type__": "solar"}, "UTC", None, "unknown-schedule"),
        ([], "UTC", None, "unknown-schedule"),
    ],
)
def test_bad_input_is_refused_with_its_code(schedule, zone, anchor, code):
    with pytest.raises(ScheduleError) as refused:
        parse_schedule(schedule, zone, anchor)
    assert refused.value.code == code
