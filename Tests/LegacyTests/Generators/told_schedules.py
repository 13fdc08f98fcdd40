"""What a worker tells of random schedules, and what they are: JSON lines. Run it inside the Celery that is to be recorded.

python told_schedules.py COUNT SEED: each line has `told` (what `inspect conf` answers) and `redbeat` (the schedule as RedBeat would store it, by
Celery's own attributes; null where the text has lost something).
"""

import json
import random
import sys
from datetime import timedelta

import celery
from celery.schedules import crontab, schedule
from celery.utils.serialization import jsonify
from kombu.utils.encoding import safe_repr

LIMITS = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day_of_week": (0, 6),
    "day_of_month": (1, 31),
    "month_of_year": (1, 12),
}


def field(name: str) -> object:
    low, high = LIMITS[name]
    numbers = sorted(random.sample(range(low, high + 1), random.randint(1, 4)))
    texts = [
        "*",
        f"*/{random.randint(1, 20)}",
        ",".join(map(str, numbers)),
        f"{low}-{numbers[-1]}",
        f"{low}-{high}/{random.randint(1, 5)}",
    ]
    if name == "day_of_week":
        texts += ["mon-fri", "sat,sun", "Sunday"]
    lists = [numbers, set(numbers), tuple(numbers), frozenset(numbers)]
    if name in ("minute", "hour"):
        lists.append(range(low, high, random.randint(2, 9)))
    return random.choice([*texts, *texts, *lists, numbers[0]])


def plain(value: object) -> object:
    return value if isinstance(value, (int, str)) else sorted(value)  # type: ignore[call-overload]


def entry() -> tuple[dict[str, object], object]:
    """An entry, and its schedule as RedBeat stores it."""
    kind = random.randrange(6)
    if kind < 3:
        fields = {name: field(name) for name in LIMITS if random.random() < 0.6}
        table = crontab(**fields)
        stored = {name: plain(fields.get(name, "*")) for name in LIMITS}
        return {"task": "t", "schedule": table}, {"__type__": "crontab", **stored}
    relative = random.random() < 0.3
    extra = {"relative": True} if relative else {}
    if kind == 3:
        every = random.choice([random.randint(1, 100_000), round(random.uniform(0.001, 9000), random.randint(0, 6))])
        return {"task": "t", "schedule": every, **extra}, {
            "__type__": "interval",
            "every": float(every),
            "relative": relative,
        }
    delta = timedelta(
        days=random.choice([0, 0, 1, 40]),
        seconds=random.randint(1, 86_399),
        microseconds=random.choice([0, 5, 999_999]),
    )
    if kind == 4:
        return {"task": "t", "schedule": delta, **extra}, {
            "__type__": "interval",
            "every": delta.total_seconds(),
            "relative": relative,
        }
    return {"task": "t", "schedule": schedule(delta, relative=relative)}, None


def main() -> None:
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    random.seed(seed)
    made = 0
    while made < count:
        try:
            written, stored = entry()
        except ValueError:
            continue  # A day that no month has.
        told = jsonify(written, unknown_type_filter=safe_repr)
        print(json.dumps({"celery": celery.__version__, "told": told, "redbeat": stored}))
        made += 1


main()
