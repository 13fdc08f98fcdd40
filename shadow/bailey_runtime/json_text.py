"""Where things stand in a JSON text: for splicing values without changing one byte of the rest."""

from __future__ import annotations

import json
from json.decoder import scanstring
from typing import NamedTuple

_SPACE = " \t\n\r"
# Numbers stay text: nothing is rounded, and none is too long.
_DECODER = json.JSONDecoder(strict=False, parse_float=str, parse_int=str, parse_constant=str)


class Member(NamedTuple):
    """A member of an object: its key, and where its value begins and ends."""

    key: str
    start: int
    end: int


def members(text: str) -> list[Member]:
    """The members of the object that a JSON text is, in their order, repeated keys included.

    Raises ValueError if the text is no JSON object.
    """
    at = _after_space(text, 0)
    _expect(text, at, "{")
    found: list[Member] = []
    at = _after_space(text, at + 1)
    while text[at : at + 1] != "}":
        if found:
            _expect(text, at, ",")
            at = _after_space(text, at + 1)
        _expect(text, at, '"')
        key, at = scanstring(text, at + 1, False)
        at = _after_space(text, at)
        _expect(text, at, ":")
        start = _after_space(text, at + 1)
        _, end = _DECODER.raw_decode(text, start)
        found.append(Member(key, start, end))
        at = _after_space(text, end)
    if _after_space(text, at + 1) != len(text):
        raise ValueError(f"something follows the object at character {at + 1}")
    return found


def member(text: str, key: str) -> str | None:
    """The text of a member's value, the last one where the key is repeated; None if there is none."""
    values = [text[found.start : found.end] for found in members(text) if found.key == key]
    return values[-1] if values else None


def replaced(text: str, key: str, value: str) -> str:
    """The same object with that member's value; where it has no such member, one is added at the end."""
    known = members(text)
    places = [found for found in known if found.key == key]
    if not places:
        end = text.rindex("}")
        comma = ", " if known else ""
        return f"{text[:end]}{comma}{json.dumps(key)}: {value}{text[end:]}"
    # Of repeated keys the last counts, as Python and Bailey read them.
    place = places[-1]
    return text[: place.start] + value + text[place.end :]


def _after_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _expect(text: str, at: int, character: str) -> None:
    if text[at : at + 1] != character:
        raise ValueError(f"{character} expected at character {at}, found {text[at : at + 1]!r}")
