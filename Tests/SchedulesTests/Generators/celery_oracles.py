"""Random schedules and what Celery, RedBeat and dateutil make of them: celery_oracles.py KIND SEED COUNT [ZONES].

KIND is crontab, interval, rrule, counted (rules with a count, asked long after their start), weeks (rules of the weeks at a year's ends) or field; ZONES is `odd` (those that change their clocks in odd ways; the default) or `all`.
One JSON object a line. For a field: {"field", "spec", "set" or "error"}. Else {"question", "ticks", "complete"} or
{"question", "error"}: a question as `bailey ticks --stdin` takes it, the ticks in microseconds, each computed from the one
before, and whether there are no more.
"""

from __future__ import annotations

import json
import random
import signal
import sys
import warnings
import zoneinfo
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from itertools import islice, takewhile

from celery import Celery
from celery.schedules import crontab, schedule
from redbeat.decoder import RedBeatJSONDecoder

ODD_ZONES = [
    "UTC", "Europe/Berlin", "Europe/Moscow", "Europe/Dublin", "Europe/London", "Europe/Lisbon", "America/New_York",
    "America/Havana", "America/Sao_Paulo", "America/St_Johns", "America/Santiago", "America/Asuncion", "America/Nuuk",
    "America/Scoresbysund", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Beirut", "Asia/Gaza", "Asia/Tehran", "Asia/Amman",
    "Asia/Tokyo", "Asia/Pyongyang", "Africa/Cairo", "Africa/Casablanca", "Africa/El_Aaiun", "Australia/Lord_Howe",
    "Antarctica/Troll", "Antarctica/Casey", "Pacific/Chatham", "Pacific/Auckland", "Pacific/Apia", "Pacific/Norfolk",
]  # fmt: skip
RANGES = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day_of_week": (0, 6),
    "day_of_month": (1, 31),
    "month_of_year": (1, 12),
}
DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat", "Sunday", "THU", "mon#1", "saturnalia", "2"]
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", "March", "OCTober"]
NAMES = ["yearly", "MONTHLY", "Weekly", "daily", "HOURLY", "minutely", "secondly"]
END = 4_133_980_800 * 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MICROSECOND = timedelta(microseconds=1)


def micros(at: datetime) -> int:
    return (at.astimezone(timezone.utc) - EPOCH) // MICROSECOND


def instant(us: int, zone: zoneinfo.ZoneInfo) -> datetime:
    return (EPOCH + timedelta(microseconds=us)).astimezone(zone)


class Clock:
    """A Celery application in one zone, its clock, and the days near which the zone's clock changes."""

    def __init__(self, name: str) -> None:
        self.zone = zoneinfo.ZoneInfo(name)
        self.app = Celery(set_as_current=False)
        self.app.conf.timezone = name
        self.app.conf.enable_utc = True
        self.now = EPOCH
        noons = range(43_200, END // 1_000_000, 86_400)
        offsets = [datetime.fromtimestamp(noon, self.zone).utcoffset() for noon in noons]
        self.changes = [noon for noon, a, b in zip(noons, offsets, offsets[1:]) if a != b]

    def start(self, rng: random.Random) -> int:
        """Half of them begin within three days of a change of the clock, a quarter of these within its very hours."""
        at = rng.randint(0, END // 1_000_000 - 90 * 86_400)
        if rng.random() < 0.5:
            # Mostly today's rules, not those of 1970.
            at = rng.randint(1_704_067_200, 2_145_916_800)
        if self.changes and rng.random() < 0.5:
            at = rng.choice(self.changes) + rng.randint(-259_200, 86_400)
        if self.changes and rng.random() < 0.15:
            at = self.moment(rng.choice(self.changes)) + rng.randint(-7200, 7200)
        at = min(max(at, 0), END // 1_000_000 - 1)
        return at * 1_000_000 + (rng.randrange(1_000_000) if rng.random() < 0.3 else 0)

    def moment(self, noon: int) -> int:
        """The second at which the offset changes in the day after a noon."""
        low, high = noon, noon + 86_400
        before = datetime.fromtimestamp(low, self.zone).utcoffset()
        while high - low > 1:
            middle = (low + high) // 2
            if datetime.fromtimestamp(middle, self.zone).utcoffset() == before:
                low = middle
            else:
                high = middle
        return high


def walk(start: int, count: int, due: Callable[[int], int | None]) -> tuple[list[int], bool]:
    """Ticks, each from the one before, until one does not advance or lies beyond 2100."""
    found: list[int] = []
    last = start
    while len(found) < count:
        at = due(last)
        if at is None or at <= last:
            return found, False
        if at >= END:
            return found, True
        found.append(at)
        last = at
    return found, False


def crontab_spec(rng: random.Random, field: str, star: float) -> object:
    low, high = RANGES[field]
    if rng.random() < star:
        return "*"
    names = {"day_of_week": DAYS, "month_of_year": MONTHS}.get(field)

    def value() -> str:
        return rng.choice(names) if names and rng.random() < 0.3 else str(rng.randint(low, high))

    def one() -> str:
        way = rng.randrange(6)
        if way == 0:
            return f"*/{rng.randint(1, high + 3)}"
        if way == 1:
            return f"{value()}-{value()}"
        if way == 2:
            return f"{value()}-{value()}/{rng.randint(1, 9)}"
        if way == 3 and rng.random() < 0.2:
            return rng.choice([f"0{low}", f" {high}", f"{low}-{high}-{low}", f"+{high}", f"{low}_{low}-{high}"])
        return value()

    if rng.random() < 0.15:
        return rng.randint(low, high)
    if rng.random() < 0.1:
        return [rng.randint(low, high) for _ in range(rng.randint(1, 4))]
    return ",".join(one() for _ in range(rng.choice([1, 1, 1, 2, 3])))


def crontab_row(rng: random.Random, name: str, clock: Clock) -> dict | None:
    fields = {
        "minute": crontab_spec(rng, "minute", 0.1),
        "hour": crontab_spec(rng, "hour", 0.3),
        "day_of_week": crontab_spec(rng, "day_of_week", 0.6),
        "day_of_month": crontab_spec(rng, "day_of_month", 0.6),
        "month_of_year": crontab_spec(rng, "month_of_year", 0.7),
    }
    start = clock.start(rng)
    question = {"tz": name, "schedule": {"__type__": "crontab", **fields}, "from": start / 1e6, "count": 40}
    try:
        made = crontab(**fields, app=clock.app, nowfun=lambda: clock.now)
    except (ValueError, TypeError) as error:
        return {"question": question, "error": repr(error)}

    def due(last: int) -> int:
        begin, delta, _ = made.remaining_delta(instant(last, clock.zone))
        return micros((begin + delta).replace(fold=0))

    try:
        ticks, complete = walk(start, 40, due)
    except (ValueError, OverflowError, RuntimeError):
        return None
    return {"question": question, "ticks": ticks, "complete": complete}


def interval_row(rng: random.Random, name: str, clock: Clock) -> dict:
    every = rng.choice(
        [
            rng.choice([0.25, 0.5, 1, 5, 10, 30, 45.5, 59, 60, 61, 90, 300, 900, 1800, 3599, 3600, 3601, 5400, 7200]),
            rng.choice([10800, 21600, 43200, 86399, 86400, 86401, 90000, 172800, 604800, 1209600, 2592000]),
            round(rng.uniform(0.001, 120), rng.randint(0, 6)) or 1,
            round(rng.uniform(60, 7200), 3),
            float(rng.randint(3600, 200_000)),
            float(rng.randint(1, 60) * 86_400),
        ]
    )
    stored = {"__type__": "interval", "every": every, "relative": rng.random() < 0.6}
    start = clock.start(rng)
    made = schedule(every, relative=stored["relative"], nowfun=lambda: clock.now, app=clock.app)

    def due(last: int) -> int:
        clock.now = instant(last, clock.zone)
        return micros(clock.now.astimezone(timezone.utc) + made.remaining_estimate(clock.now))

    ticks, complete = walk(start, 6, due)
    question = {"tz": name, "schedule": stored, "from": start / 1e6, "count": 6}
    return {"question": question, "ticks": ticks, "complete": complete}


def some(rng: random.Random, values: list, most: int = 4) -> object:
    chosen = rng.sample(values, rng.randint(1, min(most, len(values))))
    return chosen[0] if len(chosen) == 1 and rng.random() < 0.7 else chosen


def rrule_stored(rng: random.Random, clock: Clock) -> dict:
    frequency = rng.choice([0, 1, 1, 2, 2, 3, 3, 3, 4, 4, 5, 5, 6])
    start = clock.start(rng) // 1_000_000
    offset = instant(start * 1_000_000, clock.zone).utcoffset().total_seconds() / 60
    weekday = [*range(7), *({"__type__": "weekday", "wkday": day} for day in range(7))]
    if rng.random() < 0.3:
        # As somebody may write it; RedBeat itself loses the number.
        weekday += [
            {"__type__": "weekday", "wkday": day, "n": n} for day in range(7) for n in (-5, -2, -1, 1, 2, 5, 20)
        ]
    signed = [*range(-31, 0), *range(1, 32)]
    parts = {
        "wkst": (0.2, lambda: rng.randrange(7)),
        "count": (0.2, lambda: rng.choice([1, 2, 5, 30, 400])),
        "bysetpos": (0.12, lambda: some(rng, [-3, -2, -1, 1, 2, 3, 10, -20], 2)),
        "bymonth": (0.2, lambda: some(rng, list(range(1, 13)))),
        "bymonthday": (0.2, lambda: some(rng, signed, 6)),
        "byyearday": (0.06, lambda: some(rng, [*range(-366, 0), *range(1, 367)], 8)),
        "byeaster": (0.04, lambda: some(rng, [-47, -2, 0, 1, 39, 49, 50])),
        "byweekno": (0.06, lambda: some(rng, [*range(-53, 0), *range(1, 54)], 6)),
        "byweekday": (0.3, lambda: some(rng, weekday)),
        "byhour": (0.3, lambda: some(rng, list(range(24)))),
        "byminute": (0.3, lambda: some(rng, list(range(60)))),
        "bysecond": (0.25, lambda: some(rng, list(range(60)))),
    }
    rule: dict = {"__type__": "rrule", "freq": frequency, "interval": rng.choice([1, 1, 1, 1, 2, 3, 5, 15, 24, 90])}
    for part, (share, make) in parts.items():
        rule[part] = make() if rng.random() < share else None
    if rng.random() < 0.05:
        rule["freq"] = NAMES[frequency]
    rule["dtstart"] = start + rng.choice([0.0, 0.25, 0.75]) if rng.random() < 0.05 else start
    rule["dtstart_tz"] = offset if offset else 0
    if rng.random() < 0.2:
        rule["until"] = start + rng.choice([0, 3600, 86_400 * 10, 86_400 * 400, 86_400 * 4000])
        rule["until_tz"] = offset if offset else 0
    return rule


def counted_stored(rng: random.Random, clock: Clock) -> tuple[dict, int]:
    """A rule of many steps, and an instant by which most of its count has gone by."""
    stored = rrule_stored(rng, clock)
    stored["freq"] = rng.choice([3, 4, 4, 5, 5, 6, 6, 6])
    step = stored["interval"] * {3: 86_400, 4: 3600, 5: 60, 6: 1}[stored["freq"]]
    start = int(stored["dtstart"]) + rng.randrange(min(step * 60_000, 86_400 * 4000))
    del stored["count"]
    rule = json.loads(json.dumps(stored), cls=RedBeatJSONDecoder).rrule
    gone = sum(1 for _ in takewhile(lambda at: at.timestamp() <= start, rule))
    return {**stored, "count": max(1, gone + rng.choice([-1, 0, 1, 2, 20, 100]))}, start


class TooSlow(Exception):
    pass


def too_slow(*_: object) -> None:
    raise TooSlow


def rrule_row(rng: random.Random, name: str, clock: Clock) -> dict | None:
    stored = rrule_stored(rng, clock)
    start = int(stored["dtstart"]) + rng.choice(
        [-10, -1, 0, 1, rng.randrange(86_400 * 30), rng.randrange(86_400 * 900)]
    )
    return in_time(0.05, lambda: rrule_answer(name, stored, start))


def counted_row(rng: random.Random, name: str, clock: Clock) -> dict | None:
    return in_time(2, lambda: rrule_answer(name, *counted_stored(rng, clock)))


def weeks_row(rng: random.Random, name: str, clock: Clock) -> dict | None:
    start = clock.start(rng) // 1_000_000
    stored = {
        "__type__": "rrule",
        "freq": rng.randrange(4),
        "interval": 1,
        "wkst": rng.randrange(7),
        "byweekno": some(rng, [1, 2, 51, 52, 53, -1, -2, -52, -53], 3),
        "byweekday": some(rng, list(range(7))) if rng.random() < 0.3 else None,
        "dtstart": start,
        "dtstart_tz": 0,
    }
    return in_time(0.5, lambda: rrule_answer(name, stored, start + 86_400 * rng.randrange(9_000)))


def in_time(seconds: float, make: Callable[[], dict | None]) -> dict | None:
    """dateutil looks at every period from the start on; what takes it long is left out."""
    try:
        # Rung in the last moment, too, it ends in the outer one.
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            return make()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except (TooSlow, ValueError, TypeError, IndexError):
        return None


def rrule_answer(name: str, stored: dict, start: int) -> dict | None:
    if not 0 <= start < END // 1_000_000:
        return None
    question = {"tz": name, "schedule": stored, "from": start, "count": 30}
    try:
        rule = json.loads(json.dumps(stored), cls=RedBeatJSONDecoder).rrule
        after = (at for at in rule if at.timestamp() > start)
        ticks = [micros(at) for at in islice(after, 31)]
    except (ValueError, TypeError) as error:
        return {"question": question, "error": repr(error)}
    except (OverflowError, IndexError):
        # It also walks off its own table at the 20th Monday of a month.
        return None
    return {"question": question, "ticks": ticks[:30], "complete": len(ticks) < 30}


def field_row(rng: random.Random, *_: object) -> dict:
    field = rng.choice(list(RANGES))
    low, high = RANGES[field]
    way = rng.random()
    if way < 0.45:
        spec = crontab_spec(rng, field, 0.05)
    elif way < 0.6:
        # What is near a field's limits, and lists.
        spec = rng.choice([rng.randint(-2, high + 3), [rng.randint(low, high + 1) for _ in range(rng.randint(1, 4))]])
    elif way < 0.75:
        spec = ",".join(rng.choice([*DAYS, *MONTHS, "1-5", "*/2", "", "*", "7", "-1", "1-", "/2", "x"]) for _ in "ab")
    else:
        # Soup of all that the patterns look at.
        soup = ["0", "1", "2", "5", "9", "12", "31", "*", "/", "-", ",", "mon", "Jan", "_", " ", "\n", "+", "#", "L", "?",
                "é", "٣", "²", "½", ".", "sunday", "٠", "\u00a0", "W", "１"]  # fmt: skip
        spec = "".join(rng.choice(soup) for _ in range(rng.randint(0, 6)))
    largest, smallest = {"minute": (60, 0), "hour": (24, 0), "day_of_week": (7, 0)}.get(field, (0, 1))
    largest = largest or high
    try:
        return {"field": field, "spec": spec, "set": sorted(crontab._expand_cronspec(spec, largest, smallest))}
    except Exception as error:
        return {"field": field, "spec": spec, "error": repr(error)}


ROWS: dict[str, Callable[..., dict | None]] = {
    "crontab": crontab_row,
    "interval": interval_row,
    "rrule": rrule_row,
    "counted": counted_row,
    "weeks": weeks_row,
    "field": field_row,
}


def rows(kind: str, seed: int, names: list[str]) -> Iterator[dict]:
    rng = random.Random(seed)
    clocks: dict[str, Clock] = {}
    while True:
        name = rng.choice(names)
        if name not in clocks:
            clocks[name] = Clock(name)
        row = ROWS[kind](rng, name, clocks[name])
        if row is not None:
            yield row


def main() -> None:
    kind, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    every = len(sys.argv) > 4 and sys.argv[4] == "all"
    names = sorted(zoneinfo.available_timezones() - {"localtime", "Factory"}) if every else ODD_ZONES
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, too_slow)
    for row in islice(rows(kind, seed, names), count):
        print(json.dumps(row))


if __name__ == "__main__":
    main()
