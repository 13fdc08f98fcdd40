"""Random entries as an application leaves them in RedBeat, with everything that RedBeat and kombu encode."""

from __future__ import annotations

import random
import string
from datetime import datetime, timedelta, timezone
from typing import Any

# RabbitMQ refuses what is more than 49 days away, and drops the message after it too.
LATER = (datetime.now(timezone.utc) + timedelta(days=30)).isoformat()
WORDS = ["", "a", "Zoë", "half\u2028line", "\0nul", "'quoted' \"twice\"", "\\", "𝄞", "{{ ds }}", "%s"]


def value(r: random.Random, depth: int = 0) -> Any:
    """Any value that a definition's arguments may hold."""
    kinds = [
        "text",
        "int",
        "large",
        "float",
        "bool",
        "null",
        "datetime",
        "offset",
        "zone",
        "uuid",
        "decimal",
        "bytes",
        "own",
    ]
    kind = r.choice(kinds + (["list", "dict"] * 3 if depth < 3 else []))
    at = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=r.randrange(10**8))
    stored = {
        "__type__": "datetime",
        "year": at.year,
        "month": at.month,
        "day": at.day,
        "hour": at.hour,
        "minute": at.minute,
    }
    stored |= {"second": at.second, "microsecond": r.randrange(10**6)}
    return {
        "text": lambda: r.choice(WORDS) + "".join(r.choices(string.printable, k=r.randrange(5))),
        "int": lambda: r.randrange(-100, 100),
        "large": lambda: r.randrange(-(10**25), 10**25) if depth else r.randrange(-(2**63), 2**63),
        "float": lambda: r.choice([0.1, -0.0, 1e-300, 1e22, r.uniform(-1e6, 1e6)]),
        "bool": lambda: r.random() < 0.5,
        "null": lambda: None,
        "datetime": lambda: stored | {"timezone": "UTC"},
        "offset": lambda: stored | {"timezone": r.choice([-18000.0, 0.0, 19800.0])},
        "zone": lambda: stored | {"timezone": r.choice(["America/New_York", "Europe/Berlin"])},
        "uuid": lambda: {"__type__": "uuid", "__value__": {"hex": "%032x" % r.randrange(2**128)}},
        "decimal": lambda: {"__type__": "decimal", "__value__": str(r.randrange(10**9) / 1000)},
        "bytes": lambda: r.choice(
            [{"__type__": "base64", "__value__": "AP8="}, {"__type__": "bytes", "__value__": "text"}]
        ),
        "own": lambda: {"b": 1, "__type__": "ours", "a": 2},
        "list": lambda: [value(r, depth + 1) for _ in range(r.randrange(4))],
        "dict": lambda: {r.choice(WORDS) + str(n): value(r, depth + 1) for n in range(r.randrange(4))},
    }[kind]()


def options(r: random.Random, queues: list[str]) -> dict[str, Any]:
    """Options of an entry that beat accepts."""
    found: dict[str, Any] = {}

    def sometimes(name: str, *choices: Any, often: float = 0.2) -> None:
        if r.random() < often:
            found[name] = r.choice(choices)

    if queues:
        sometimes("queue", *queues)
    sometimes("priority", 0, 1, 3, 5, 6, 9)
    sometimes("expires", 3600, 86400.5, LATER)
    sometimes("countdown", 3600, 7200.5, often=0.05)
    sometimes("headers", {"x": 1}, {"tenant": "Zoë", "n": None}, {"timelimit": [1, 2]})
    sometimes("time_limit", 3000)
    sometimes("soft_time_limit", 1000)
    sometimes("serializer", "json", "yaml", often=0.15)
    sometimes("compression", "zlib", "gzip", "bzip2", often=0.15)
    sometimes("shadow", "another name")
    sometimes("ignore_result", True, False, often=0.1)
    sometimes(
        "link",
        {
            "task": "legacy.plain",
            "args": [],
            "kwargs": {},
            "options": {"queue": "nowhere"},
            "subtask_type": None,
            "immutable": True,
        },
        often=0.05,
    )
    failing = {
        "task": "legacy.plain",
        "args": ["n"],
        "kwargs": {},
        "options": {},
        "subtask_type": None,
        "immutable": False,
    }
    sometimes("link_error", failing, [failing, failing], often=0.05)
    sometimes("root_id", "root", often=0.1)
    sometimes("parent_id", "parent", often=0.1)
    if r.random() < 0.1:
        found |= {"stamped_headers": ["redbeat_name"], "redbeat_name": "n"}
    sometimes("delivery_mode", 1, 2, often=0.1)
    return found


def entry(r: random.Random, number: int, queues: list[str]) -> dict[str, Any]:
    """A definition, due at once."""
    return {
        "name": f"entry-{number}",
        "task": r.choice(["legacy.echo", "legacy.plain"]),
        "args": r.choice([None, [], [value(r) for _ in range(r.randrange(4))]]),
        "kwargs": {"n": number} | {f"k{n}": value(r) for n in range(r.randrange(3))},
        "options": options(r, queues),
        "schedule": {"__type__": "interval", "every": 86400.0, "relative": False},
        "enabled": True,
    }
