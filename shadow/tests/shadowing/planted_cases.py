"""What legacy returns or raises in each case, and what the body in shadow does: differences that must be found, and variations that must not."""

from __future__ import annotations

import os
import random
import signal
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

from planted_bodies import (
    Colour,
    Fragile,
    Fragment,
    Inner,
    Refusal,
    Wordless,
    chained,
    deaf,
    failing,
    forging,
    leaving,
    loud,
    nested,
    noisy,
    noted,
    value,
)


@dataclass(frozen=True)
class Case:
    """Both sides, and where they differ: `kind` is empty where they do not."""

    legacy: Callable[[], Any]
    shadow: Callable[[], Any]
    kind: str = ""
    paths: tuple[str, ...] = ()
    rules: dict[str, Any] = field(default_factory=dict)
    retries: int = 0


# Pairs of values that are not the same.
UNEQUAL: list[tuple[Any, Any]] = [
    (1, 2),
    (0, 1),
    (1, -1),
    (0.1, 0.1 + 1e-12),
    (1e300, 1e301),
    (10**20, 10**20 + 1),
    (True, 1),
    (False, None),
    (None, 0),
    (None, ""),
    ("1", 1),
    ("a", "A"),
    ("a", "a "),
    ("\u00e9", "e\u0301"),
    ("", "\x00"),
    ("naïve", "naive"),
    ("x" * 5000, "x" * 4999 + "y"),
    ([], None),
    ({}, []),
    (float("nan"), None),
    (float("inf"), float("-inf")),
    (datetime(2026, 1, 2, 3, 4, 5), datetime(2026, 1, 2, 3, 4, 5, 1)),
    (datetime(2026, 1, 2, tzinfo=timezone.utc), datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=1)))),
    (date(2026, 1, 2), date(2026, 1, 3)),
    (time(1, 2), time(1, 2, 3)),
    (Decimal("1.0"), Decimal("1.00")),
    (Decimal("1.5"), 1.5),
    (uuid.UUID(int=1), uuid.UUID(int=2)),
    (b"\x00\xff", b"\x00\xfe"),
    (b"text", "text"),
    (Colour.RED, Colour.BLUE),
    ("\ud800", "\udbff"),
]
# Where kombu keeps the value inside an object of its own.
TYPED = (datetime, date, time, Decimal, uuid.UUID, bytes)


def typed_path(a: Any, b: Any) -> str:
    """Where two values that kombu writes as objects differ."""
    if isinstance(a, TYPED) and type(a) is type(b):
        return ".__value__.hex" if isinstance(a, uuid.UUID) else ".__value__"
    return ""


# Values, and the same written otherwise.
EQUAL: list[tuple[Any, Any]] = [
    (1, 1.0),
    (100, 1e2),
    (0.0, -0.0),
    (10**25, 10**25),
    (0.1, 0.1),
    ({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}),
    ((1, 2), [1, 2]),
    ([], ()),
    ({}, {}),
    (None, None),
    ("Ошибка \U0001f408", "Ошибка \U0001f408"),
    ("a\n\t\x1b[31m", "a\n\t\x1b[31m"),
    (float("nan"), float("nan")),
    (float("inf"), float("inf")),
    (datetime(2026, 1, 2, 3), datetime(2026, 1, 2, 3)),
    (datetime(2026, 1, 2, tzinfo=timezone.utc), datetime(2026, 1, 2, tzinfo=timezone.utc)),
    (date(2026, 1, 2), date(2026, 1, 2)),
    (time(1, 2, 3), time(1, 2, 3)),
    (Decimal("1.50"), Decimal("1.50")),
    (uuid.UUID(int=7), uuid.UUID(int=7)),
    (b"text", b"text"),
    (b"\x00\xff", b"\x00\xff"),
    (Colour.RED, Colour.RED),
    (Colour.RED, "red"),
    ([[[[[1]]]]], [[[[[1]]]]]),
    ({"": 1, " ": 2}, {" ": 2, "": 1}),
    ({1: "a"}, {"1": "a"}),
    (["x" * 10000], ["x" * 10000]),
    (True, True),
    ("a\ud800", "a\ud800"),
    ({"text": "é" * 100_000, "n": float("nan")}, {"n": float("nan"), "text": "é" * 100_000}),
    (nested(300), nested(300)),
    # What the records of Airflow's tasks hold in the place of odd values.
    ({"bailey_text": "1"}, {"bailey_text": "1"}),
    ({"bailey_truncated": "00", "bytes": 1}, {"bytes": 1, "bailey_truncated": "00"}),
]
# Exceptions, each the same on both sides when it is made anew.
EXCEPTIONS: list[Callable[[], BaseException]] = [
    lambda: ValueError("bad thing"),
    lambda: ValueError(),
    lambda: ValueError("two\nlines"),
    lambda: ValueError("row 42: 0x7f3a at line 7"),
    lambda: ValueError("a: b: c"),
    lambda: ValueError(1, "two", None, [3]),
    lambda: ValueError({"code": 5}),
    lambda: KeyError("key"),
    lambda: KeyError(("a", 1)),
    lambda: OSError(2, "No such file"),
    lambda: FileNotFoundError(2, "No such file", "/tmp/x"),
    lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad byte"),
    lambda: Refusal("mine"),
    lambda: Inner.Refusal("inner"),
    lambda: noted("with a note"),
    chained,
    lambda: ZeroDivisionError("division by zero"),
    lambda: AssertionError(),
    lambda: StopIteration(5),
    lambda: ValueError("Ошибка \U0001f408"),
    lambda: RuntimeError("x" * 3000),
    lambda: TimeoutError("late"),
    lambda: AttributeError("no attribute"),
    lambda: NotImplementedError(),
    lambda: ValueError(float("nan"), float("-inf"), 10**25),
    lambda: ValueError(b"\xff", datetime(2026, 1, 2), Decimal("1.50"), {1, 1}),
    lambda: RuntimeError("é" * 100_000),
    lambda: ValueError("\ud800"),
    lambda: ValueError(nested(40)),
    lambda: Wordless("a word", 2),
    lambda: Fragile("a word", 2),
    lambda: Fragment("a word", 2),
]
OTHER_EXCEPTIONS: list[tuple[Callable[[], BaseException], Callable[[], BaseException], str]] = [
    (lambda: ValueError("x"), lambda: TypeError("x"), "$.type"),
    (lambda: ValueError("x"), lambda: ValueError("y"), "$.arguments[0]"),
    (lambda: ValueError("x"), lambda: ValueError(), "$.arguments[0]"),
    (lambda: ValueError("x 1"), lambda: ValueError("x 2"), "$.arguments[0]"),
    (lambda: ValueError("x\ny"), lambda: ValueError("x\nz"), "$.arguments[0]"),
    (lambda: ValueError("x", 1), lambda: ValueError("x", 2), "$.arguments[1]"),
    (lambda: KeyError("a"), lambda: KeyError("b"), "$.arguments[0]"),
    (lambda: KeyError(1), lambda: KeyError("1"), "$.arguments[0]"),
    (lambda: OSError(2, "no"), lambda: OSError(13, "no"), "$.type"),
    (lambda: Refusal("x"), lambda: Inner.Refusal("x"), "$.type"),
    (lambda: Refusal("x"), lambda: ValueError("x"), "$.type"),
    (lambda: ValueError(float("nan")), lambda: ValueError(float("inf")), "$.arguments[0]"),
    (lambda: RuntimeError("x" * 100_000), lambda: RuntimeError("x" * 99_999 + "y"), "$.arguments[0]"),
    (lambda: ValueError(b"\xff"), lambda: ValueError(b"\xfe"), "$.arguments[0].__value__"),
    (lambda: Fragile("x", 1), lambda: Fragile("y", 1), "$.arguments[0]"),
    (lambda: Fragile("x", 1), lambda: TypeError("x"), "$.type"),
    (lambda: Fragile("x", 1), lambda: Refusal("x"), "$.type"),
]


def placed(of: Any) -> Iterator[tuple[str, Any, str]]:
    """A value at different places, and the path there."""
    yield "top", of, "$"
    yield "key", {"rows": 3, "found": of}, "$.found"
    yield "element", [0, of, 2], "$[1]"
    yield "deep", {"pages": [{"n": 1}, {"n": 2, "a key": of}]}, '$.pages[1]["a key"]'


def differences() -> Iterator[tuple[str, Case]]:
    for number, (a, b) in enumerate(UNEQUAL):
        for (place, x, path), (_, y, _) in zip(placed(a), placed(b)):
            yield f"differs-{number}-{place}", Case(value(x), value(y), "result", (path + typed_path(a, b),))
    shapes: list[tuple[Any, Any, tuple[str, ...]]] = [
        ({"a": 1}, {}, ("$.a",)),
        ({}, {"a": None}, ("$.a",)),
        ([1, 2, 3], [1, 2], ("$[2]",)),
        ([1, 2], [2, 1], ("$[0]", "$[1]")),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]}, ("$.a[0].c",)),
        ({"a.b": 1}, {"a.b": 2}, ('$["a.b"]',)),
        ({"x\ny": 1}, {"x\ny": 2}, ('$["x\\ny"]',)),
    ]
    for number, (a, b, paths) in enumerate(shapes):
        yield f"shape-{number}", Case(value(a), value(b), "result", paths)
    for number, (one, other, path) in enumerate(OTHER_EXCEPTIONS):
        yield f"error-{number}", Case(failing(one), failing(other), "error", (path,))
    yield "fails-in-shadow", Case(value(1), failing(lambda: ValueError("x")), "state", ("$",))
    yield "fails-in-legacy", Case(failing(lambda: ValueError("x")), value(1), "state", ("$",))
    yield "unwritable-in-shadow", Case(value(1), value(object), "state", ("$",))
    yield "dies-in-shadow", Case(value(1), lambda: os._exit(0), "state", ("$",))
    yield "dies-with-a-forged-report", Case(value(1), forging(lambda: os._exit(0)), "state", ("$",))
    yield "is-killed-in-shadow", Case(value(1), lambda: os.kill(os.getpid(), signal.SIGKILL), "state", ("$",))
    yield "aborts-in-shadow", Case(value(1), os.abort, "state", ("$",))
    yield "exits-in-shadow", Case(value(1), forging(lambda: sys.exit(0)), "state", ("$",))
    yield "interrupted-in-shadow", Case(value(1), failing(KeyboardInterrupt), "state", ("$",))
    yield "too-deep-in-shadow", Case(value(1), value(nested(700)), "state", ("$",))
    rows = [{"number": number, "text": "x" * 40} for number in range(3000)]
    yield (
        "one-place-of-many",
        Case(
            value({"rows": rows}),
            value({"rows": [*rows[:-1], {**rows[-1], "text": "y"}]}),
            "result",
            ("$.rows[2999].text",),
        ),
    )
    yield (
        "beyond-tolerance",
        Case(
            value({"x": 1.0}), value({"x": 1.3}), "result", ("$.x",), {"tolerance": [{"path": "$.x", "absolute": 0.25}]}
        ),
    )
    yield (
        "not-as-its-pattern",
        Case(
            value({"id": "00ff"}),
            value({"id": "00fg"}),
            "result",
            ("$.id",),
            {"pattern": [{"path": "$.id", "pattern": "[0-9a-f]{4}"}]},
        ),
    )
    yield "another-element", Case(value([1, 2, 2]), value([2, 1, 1]), "result", ("$[2]", "$[*]"), {"unordered": ["$"]})
    yield (
        "beside-what-is-ignored",
        Case(
            value({"at": 1, "n": 1}),
            value({"at": 2, "n": 2}),
            "result",
            ("$.n",),
            {"ignore": [{"name": "clock", "path": "$.at", "because": "b"}]},
        ),
    )


def variations() -> Iterator[tuple[str, Case]]:
    for number, (a, b) in enumerate(EQUAL):
        yield f"same-{number}", Case(value(a), value(b))
        yield f"same-{number}-deep", Case(value({"rows": [{"v": a}]}), value({"rows": [{"v": b}]}))
    for number, make in enumerate(EXCEPTIONS):
        yield f"same-error-{number}", Case(failing(make), failing(make))
    yield "unwritable-on-both", Case(value(object), value(object))
    yield "noise", Case(noisy({"n": 1}), noisy({"n": 1}))
    yield "noise-in-shadow", Case(value({"n": 1}), noisy({"n": 1}))
    yield "loud-in-shadow", Case(value({"n": 1}), loud({"n": 1}))
    yield "deaf-in-shadow", Case(value({"n": 1}), deaf({"n": 1}))
    yield "leaves-others-behind", Case(value({"n": 1}), leaving({"n": 1}))
    yield (
        "ignored",
        Case(
            value({"at": 1, "n": 1}),
            value({"at": 2, "n": 1}),
            rules={"ignore": [{"name": "clock", "path": "$.at", "because": "b"}]},
        ),
    )
    yield (
        "within-tolerance",
        Case(value({"x": 1.0}), value({"x": 1.2}), rules={"tolerance": [{"path": "$.x", "absolute": 0.25}]}),
    )
    yield "without-order", Case(value([{"a": 1}, {"a": 2}]), value([{"a": 2}, {"a": 1}]), rules={"unordered": ["$"]})
    yield (
        "as-its-pattern",
        Case(
            value({"id": "00ff"}),
            value({"id": "beef"}),
            rules={"pattern": [{"path": "$.id", "pattern": "[0-9a-f]{4}"}]},
        ),
    )


def large() -> Iterator[tuple[str, Case]]:
    """Results of twenty megabytes, which take long to run everywhere."""
    rows = [{"number": number, "text": "é" * 90} for number in range(100_000)]
    yield "large-and-the-same", Case(value(rows), value([dict(reversed(row.items())) for row in rows]))
    yield "large-and-not", Case(value(rows), value([*rows[:-1], {"number": 99_999}]), "result", ("$[99999].text",))


CASES: dict[str, Case] = {**dict(differences()), **dict(variations())}
LARGE: dict[str, Case] = dict(large())


def shadow(name: str) -> Any:
    """The body in shadow."""
    return (LARGE if name in LARGE else CASES)[name].shadow()


def shadow_of_job(payload: dict[str, Any]) -> Any:
    """The body in shadow of a job: that of its case, or what gives back a part of its payload."""
    case = CASES.get(payload["case"])
    return case.shadow() if case else payload["given"]


def noisy_result(steady: int) -> dict[str, Any]:
    """A result that differs from itself in ways of its own at each place, and not at others."""
    tags = ["a", "b", "c", "d", "e", "f"]
    random.shuffle(tags)
    return {
        "steady": steady,
        "at": datetime.now(timezone.utc).isoformat(),
        "id": uuid.uuid4().hex,
        "score": 1.0 + random.random() * 1e-9,
        "tags": tags,
        "rows": [{"n": 1, "nonce": random.random()}, {"n": 2, "nonce": random.random()}],
        # In some of the runs alone.
        "mood": random.choice(["good", "good", "bad"]),
    }


def changed_noise(steady: int) -> dict[str, Any]:
    """The same in shadow, but for one place that is no noise."""
    return {**noisy_result(steady), "steady": steady + 1}
