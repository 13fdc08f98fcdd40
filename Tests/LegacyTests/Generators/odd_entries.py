"""The odd RedBeat entries that beat_outcomes.py shows to a beat, each one step away from a plain entry that fires once.

`odd_entries.py` prints them, one JSON object a line: `id`, `what`, the hash fields `definition` and `meta` as texts (`definition_base64`
and `meta_base64` where the bytes are no UTF-8, null where the field is missing), `score` (null: not in the schedule), `key` (the entry's
name), and `type` where the key is no hash. The cases follow what RedBeat's decoder, Celery's ScheduleEntry and kombu take and refuse.
"""

from __future__ import annotations

import base64
import json
from typing import Any

MISSING: Any = object()
PAST = {
    "__type__": "datetime",
    "year": 2020,
    "month": 1,
    "day": 1,
    "hour": 0,
    "minute": 0,
    "second": 0,
    "microsecond": 0,
    "timezone": "UTC",
}
KOMBU = {"__type__": "datetime", "__value__": "2026-03-29T02:30:00+00:00"}
RULE = {"__type__": "rrule", "freq": 3, "interval": 1, "dtstart": 1577836800, "dtstart_tz": 0}
HUGE = 9223372036854775807

cases: list[dict[str, Any]] = []


def text(value: Any) -> str | None:
    return None if value is MISSING else value if isinstance(value, str) else json.dumps(value)


def changed(base: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {key: value for key, value in {**base, **changes}.items() if value is not MISSING}


def raw(what: str, definition: Any = None, meta: Any = None, score: float | None = 1, **rest: Any) -> None:
    """A case of stored texts; what is not given is plain."""
    case: dict[str, Any] = {"id": f"{len(cases) + 1:03}", "what": what, "key": rest.pop("key", "odd"), "score": score}
    for field, value in (("definition", plain() if definition is None else definition), ("meta", meta)):
        value = {"last_run_at": PAST} if field == "meta" and value is None else value
        if isinstance(value, bytes):
            case[f"{field}_base64"] = base64.b64encode(value).decode()
        else:
            case[field] = text(value)
    cases.append({**case, **rest})


def plain(**changes: Any) -> dict[str, Any]:
    every = {"__type__": "interval", "every": 60, "relative": False}
    base = {"name": "odd", "task": "t.a", "schedule": every, "args": [], "kwargs": {}, "options": {}, "enabled": True}
    return changed(base, **changes)


def entry(what: str, **changes: Any) -> None:
    raw(what, plain(**changes))


def schedule(what: str, kind: str, **parts: Any) -> None:
    entry(what, schedule=changed(RULE if kind == "rrule" else {"__type__": kind}, **parts))


def interval(what: str, **parts: Any) -> None:
    entry(what, schedule=changed({"__type__": "interval", "every": 60, "relative": False}, **parts))


def last_run(what: str, **parts: Any) -> None:
    raw(what, meta={"last_run_at": changed(PAST, **parts)})


def definitions() -> None:
    raw("a plain entry")
    raw("a hash with only a meta", MISSING)
    raw("a member of the schedule without a key", MISSING, MISSING)
    raw("a definition that is empty", "")
    for value in ("null", "[]", "0", "7", '"x"', "{}", "{", '{"name": "odd"', "NaN", "'x'"):
        raw(f"a definition that is {value}", value)
    raw("a definition with something after it", json.dumps(plain()) + " x")
    raw("a definition that begins with a byte order mark", "\ufeff" + json.dumps(plain()))
    raw("a definition in Latin-1", json.dumps(plain(args=["Zoë"]), ensure_ascii=False).encode("latin-1"))
    raw("a definition with a control character in a text", json.dumps(plain(args=["a"])).replace('"a"', '"a\tb"'))
    raw("a definition with a key twice", json.dumps(plain())[:-1] + ', "task": "t.b"}')
    entry("an unknown field", owner="me")
    entry("a field total_run_count", total_run_count=3)
    entry("a field last_run_at, which meta overrides", last_run_at=None)
    entry("a field relative", relative=True)
    entry("a field app", app=None)
    for name in (MISSING, None, "other", 42, ["odd"], ""):
        entry(f"a name that is {'missing' if name is MISSING else json.dumps(name)}", name=name)
    raw("a number as name, of its own key", plain(name=42), key="42")
    raw("an empty name, of its own key", plain(name=""), key="")
    for task in (MISSING, None, 7, ["t"], "", {}, True):
        entry(f"a task that is {'missing' if task is MISSING else json.dumps(task)}", task=task)
    for flag in (MISSING, 0, None, "false", "", [], 1, 0.0, {}):
        entry(f"enabled that is {'missing' if flag is MISSING else json.dumps(flag)}", enabled=flag)
    raw("enabled that is NaN", json.dumps(plain(enabled=float("nan"))))


def schedules() -> None:
    for value in (MISSING, None, 60, 60.5, "60", [], [60], True, False, 0, -5, {}, 1e9, 1e15, HUGE):
        entry(f"a schedule that is {'missing' if value is MISSING else json.dumps(value)}", schedule=value)
    raw("a schedule that is NaN", json.dumps(plain(schedule=float("nan"))))
    raw("a schedule that is 1e400", json.dumps(plain(schedule=5)).replace("5,", "1e400,"))
    schedule("a solar schedule", "solar", event="sunset", lat=1, lon=1)
    entry("a schedule of type 5", schedule={"__type__": 5})
    entry("a schedule that is a time", schedule=PAST)
    entry("a schedule that is a weekday", schedule={"__type__": "weekday", "wkday": 1})
    interval("an interval without every", every=MISSING)
    interval("an interval without relative", relative=MISSING)
    for every in (None, "60", 0, -60, True, [], {}, 60.5, 1e-7, 1e12, 1e300, HUGE):
        interval(f"an interval of every {json.dumps(every)}", every=every)
    raw("an interval of every NaN", plain(schedule={"__type__": "interval", "every": float("nan"), "relative": False}))
    raw(
        "an interval of every 1e-9223372036854775808",
        json.dumps(plain()).replace("60", "1e-9223372036854775808"),
    )
    for relative in (None, "yes", 1, []):
        interval(f"an interval of relative {json.dumps(relative)}", relative=relative)
    interval("an interval with a field that nobody reads", period="minutes")
    schedule("a crontab of no fields", "crontab")
    for field in ("second", "nowfun", "app"):
        schedule(f"a crontab with a field {field}", "crontab", **{field: None if field != "second" else 0})
    for minute in (
        None,
        61,
        -1,
        "61",
        3.0,
        3.5,
        True,
        [0, 15],
        ["0"],
        [],
        [0.0],
        "",
        "*/0",
        "*/61",
        "*/36",
        "1,,2",
        "5/15",
    ):
        schedule(f"a crontab of minute {json.dumps(minute)}", "crontab", minute=minute)
    for minute in ("?", "0-", "-5", "1-5-7", "*,*", " 1", "1 ", "٣", "*/1e1", {}, HUGE, "99999999999999999999999"):
        schedule(f"a crontab of minute {json.dumps(minute)}", "crontab", minute=minute)
    for hour in ("24", 24, "22-2", "22-2/2"):
        schedule(f"a crontab of hour {json.dumps(hour)}", "crontab", hour=hour)
    for day in ("7", 7, "sun", "mon-fri", "mon#1", "Funday", "L", "jan", "mar"):
        schedule(f"a crontab of day_of_week {json.dumps(day)}", "crontab", day_of_week=day)
    for month in ("mar", "March", "13", 0, "mon"):
        schedule(f"a crontab of month_of_year {json.dumps(month)}", "crontab", month_of_year=month)
    schedule("a crontab of 30 February", "crontab", day_of_month="30", month_of_year="2")
    schedule("a crontab of 31 April and June", "crontab", day_of_month=31, month_of_year=[4, 6])
    schedule("a crontab of 29 February", "crontab", day_of_month="29", month_of_year="2")
    schedule("a crontab of day_of_month 0", "crontab", day_of_month=0)


def rules() -> None:
    schedule("an rrule", "rrule")
    schedule("an rrule without freq", "rrule", freq=MISSING)
    for freq in (7, -1, None, "daily", "DAILY", "Daily", "x", 3.0, True):
        schedule(f"an rrule of freq {json.dumps(freq)}", "rrule", freq=freq)
    for interval_ in (0, -1, None, "1", 1.5, HUGE):
        schedule(f"an rrule of interval {json.dumps(interval_)}", "rrule", interval=interval_)
    for start in (MISSING, None, "2020-01-01", 1e20, -62135596801, 9224318015999, 1577836800.5, True):
        shown = "missing" if start is MISSING else json.dumps(start)
        schedule(f"an rrule whose dtstart is {shown}", "rrule", dtstart=start)
    for zone in (MISSING, None, "x", 330, -240.0, 1440, 5000, HUGE):
        shown = "missing" if zone is MISSING else json.dumps(zone)
        schedule(f"an rrule whose dtstart_tz is {shown}", "rrule", dtstart_tz=zone)
    schedule("an rrule that has ended", "rrule", until=1577923200, until_tz=0)
    schedule("an rrule that ends before it begins", "rrule", until=1, until_tz=0)
    for count in (1, 0, -1, None, "2", HUGE):
        schedule(f"an rrule of count {json.dumps(count)}", "rrule", count=count)
    for part, value in (
        ("byhour", 24),
        ("byhour", [9, 17]),
        ("byminute", 60),
        ("bymonth", 13),
        ("bymonth", 0),
        ("bymonthday", 32),
        ("bymonthday", 0),
        ("bysetpos", 0),
        ("bysetpos", 367),
        ("byyearday", 367),
        ("byweekno", 54),
        ("byeaster", 1),
        ("byhour", "9"),
        ("byhour", []),
        ("wkst", 7),
        ("wkst", HUGE),
        ("cache", True),
        ("app", None),
        ("byday", 1),
    ):
        schedule(f"an rrule of {part} {json.dumps(value)}", "rrule", **{part: value})
    for day in (0, 7, -1, [0, 4], {"__type__": "weekday", "wkday": 4}, [{"__type__": "weekday", "wkday": 4, "n": 3}]):
        schedule(f"an rrule of byweekday {json.dumps(day)}", "rrule", byweekday=day)
    for n in (0, 1.5, "1", None, HUGE, -HUGE - 1, 54):
        day = {"__type__": "weekday", "wkday": 4, "n": n}
        schedule(f"a monthly rrule of weekday 4, n {json.dumps(n)}", "rrule", freq=1, byweekday=[day])
    for wkday in (7, 1000, "FR", None):
        day = {"__type__": "weekday", "wkday": wkday}
        schedule(f"an rrule of wkday {json.dumps(wkday)}", "rrule", byweekday=[day])
    schedule("an rrule of a weekday without wkday", "rrule", byweekday=[{"__type__": "weekday"}])
    schedule("an hourly rrule of 30 hours at an hour it meets", "rrule", freq=4, interval=6, byhour=12)
    schedule("an hourly rrule that never meets its hour", "rrule", freq=4, interval=2, byhour=1)


def arguments() -> None:
    crontab = {"__type__": "crontab"}
    for field in ("args", "kwargs", "options"):
        for value in (MISSING, None, "ab", "", 5, {"a": 1}, [1], True, [["a", 1]]):
            shown = "missing" if value is MISSING else json.dumps(value)
            entry(f"{field} that is {shown}", **{field: value})
    for what, value in (
        ("a datetime in kombu's encoding", KOMBU),
        ("a datetime in RedBeat's encoding", PAST),
        ("a date in kombu's encoding", {"__type__": "date", "__value__": "2026-03-29"}),
        ("a uuid in kombu's encoding", {"__type__": "uuid", "__value__": {"hex": "0" * 32, "version": 4}}),
        ("a decimal in kombu's encoding", {"__type__": "decimal", "__value__": "1.50"}),
        ("bytes in kombu's encoding", {"__type__": "base64", "__value__": "AA=="}),
        ("an object of an unknown type", {"__type__": "x"}),
        ("an object whose type is null", {"__type__": None}),
        ("an object whose type is a list", {"__type__": []}),
        ("an interval without every", {"__type__": "interval"}),
        ("an interval", {"__type__": "interval", "every": 1, "relative": False}),
        ("a crontab", crontab),
        ("a bad crontab", {"__type__": "crontab", "minute": 61}),
        ("a weekday", {"__type__": "weekday", "wkday": 1}),
        ("an rrule", RULE),
        ("a datetime of an unknown zone", changed(PAST, timezone="Mars/Olympus")),
        ("a datetime of 30 February", changed(PAST, month=2, day=30)),
        ("half a surrogate", "file-\udcff.csv"),
        ("the other half of a surrogate", "file-\ud800.csv"),
        ("a NUL", "a\0b"),
        ("NaN", float("nan")),
        ("an integer of 5000 digits", None),
    ):
        definition = text(plain(args=[value]))
        if what.startswith("an integer"):
            definition = definition.replace("[null]", "[" + "9" * 5000 + "]")
        raw(f"args that hold {what}", definition)
    entry("kwargs that hold a datetime in kombu's encoding", kwargs={"at": KOMBU})
    entry("kwargs that are a crontab", kwargs=crontab)
    entry("kwargs with a key that is no name", kwargs={"a b": 1, "": 2})
    for depth in (400, 600, 900, 5000):
        raw(f"args nested {depth} deep", json.dumps(plain(args=[None])).replace("null", "[" * depth + "]" * depth))
    for options in (
        {"expires": KOMBU},
        {"expires": PAST},
        {"expires": 60},
        {"expires": "x"},
        {"expires": -1},
        {"expires": HUGE},
        {"eta": "2026-01-01T00:00:00"},
        {"eta": "x"},
        {"eta": PAST},
        {"countdown": "x"},
        {"countdown": 5},
        {"countdown": HUGE},
        {"queue": 5},
        {"queue": None},
        {"queue": "other"},
        {"priority": "high"},
        {"priority": 99},
        {"serializer": "nosuch"},
        {"compression": "nosuch"},
        {"nosuch": 1},
        {"args": []},
        {"task_id": "fixed"},
        {"headers": []},
        {"headers": {"a": 1}},
        {"retry": False},
        {"time_limit": "x"},
        {"link": "x"},
        {"schedule": crontab},
        {"producer": None},
        {"ignore_result": True},
    ):
        entry(f"options that are {json.dumps(options)}", options=options)


def metas() -> None:
    raw("no meta", meta=MISSING)
    for value in ("", "null", "{}", "[]", "0", '"x"', "{", "[[]]", "false"):
        raw(f"a meta that is {value or 'empty'}", meta=value)
    raw("a meta in Latin-1", meta='{"last_run_at": null, "ë": 1}'.encode("latin-1"))
    for value in (None, 0, 1577836800, "2020-01-01T00:00:00", [], {}, False, True, KOMBU, {"__type__": "crontab"}):
        raw(f"a last_run_at that is {json.dumps(value)}", meta={"last_run_at": value})
    for count in (None, 0, -1, 3, 1.5, "x", [], HUGE, True, {}):
        raw(f"a total_run_count that is {json.dumps(count)}", meta={"last_run_at": PAST, "total_run_count": count})
    raw("a meta without last_run_at", meta={"total_run_count": 1})
    raw("an unknown field in meta", meta={"last_run_at": PAST, "note": 1})
    raw("a field enabled in meta", meta={"last_run_at": PAST, "enabled": False})
    raw("a field task in meta", meta={"last_run_at": PAST, "task": "t.c"})
    raw("a field schedule in meta", meta={"last_run_at": PAST, "schedule": 30})
    raw("a field name in meta", meta={"last_run_at": PAST, "name": "other"})
    for part, values in {
        "second": (60, -1, 3.0, None, "3", MISSING, HUGE, True),
        "minute": (60, -1, HUGE, MISSING),
        "hour": (24, -1, HUGE, MISSING),
        "microsecond": (1_000_000, -1, HUGE, MISSING),
        "day": (0, 32, MISSING, HUGE),
        "month": (0, 13, MISSING, HUGE),
        "year": (0, 1, 10_000, 9999, 294_276, "2020", MISSING, HUGE, 2100),
    }.items():
        for value in values:
            last_run(f"a {part} that is {'missing' if value is MISSING else json.dumps(value)}", **{part: value})
    last_run("30 February", month=2, day=30)
    last_run("29 February 2021", year=2021, month=2, day=29)
    for zone in (
        MISSING,
        None,
        "Mars/Olympus",
        "Asia/Kolkata",
        "+01:00",
        "",
        "../UTC",
        "/etc/localtime",
        "utc",
        "asia/kolkata",
        "Asia",
        "Etc/GMT+5",
        "a\0b",
        3600,
        -18000.0,
        19800.5,
        86_399,
        86_400,
        -86_400,
        1e300,
        HUGE,
        True,
        [],
        {},
    ):
        last_run(f"a timezone that is {'missing' if zone is MISSING else json.dumps(zone)}", timezone=zone)
    raw("a timezone that is NaN", meta=json.dumps({"last_run_at": changed(PAST, timezone=float("nan"))}))
    last_run("a field fold of 1", fold=1)
    last_run("a field fold of 2", fold=2)
    last_run("a field tzinfo", tzinfo=None)
    last_run("a field that datetime does not know", x=1)
    last_run("the end of time", year=9999, month=12, day=31, hour=23, minute=59, second=59)
    last_run("the end of time in Kolkata", year=9999, month=12, day=31, hour=23, timezone="Asia/Kolkata")
    last_run("the beginning of time in Kolkata", year=1, timezone="Asia/Kolkata")
    last_run("the beginning of time in New York", year=1, timezone="America/New_York")


def keys() -> None:
    raw("an entry that is not in the schedule", score=None)
    raw("a score of -1", score=-1)
    raw("a score in the far future", score=4102444800)
    raw("a score of infinity", score="inf")  # type: ignore[arg-type]
    raw("a score of minus infinity", score="-inf")  # type: ignore[arg-type]
    for kind in ("string", "list", "set", "zset"):
        raw(f"a key that is a {kind}", type=kind)
        raw(f"a key that is a {kind} and not in the schedule", type=kind, score=None)
    raw("a field that RedBeat does not read", extra={"bridge": "x"})
    raw("a name with a colon and a space", plain(name="a: b"), key="a: b")
    raw("a name outside ASCII", plain(name="отчёт"), key="отчёт")


for family in (definitions, schedules, rules, arguments, metas, keys):
    family()

if __name__ == "__main__":
    for each in cases:
        print(json.dumps(each))
