"""Numbers and lengths of time in English."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Callable

WEEKDAYS = (
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
)
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def numbers(values: Sequence[int], name: Callable[[int], str] = str) -> str:
    """Ascending numbers with runs of three or more shortened: `1–5, 7 or 9`."""
    items: list[str] = []
    index = 0
    while index < len(values):
        end = index
        while end + 1 < len(values) and values[end + 1] == values[end] + 1:
            end += 1
        if end - index >= 2:
            items.append(f"{name(values[index])}–{name(values[end])}")
        else:
            items += [name(value) for value in values[index : end + 1]]
        index = end + 1
    return " or ".join(filter(None, [", ".join(items[:-1]), items[-1]]))


def duration(length: timedelta) -> str:
    """A length of time: `90 s`, `5 min`, `2 h`, `1 day`."""
    seconds = length / timedelta(seconds=1)
    if not seconds.is_integer():
        return f"{seconds} s"
    whole = int(seconds)
    for size, unit in ((604_800, "week"), (86_400, "day")):
        if whole % size == 0:
            count = whole // size
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    if whole % 3600 == 0:
        return f"{whole // 3600} h"
    return f"{whole // 60} min" if whole % 60 == 0 else f"{whole} s"
