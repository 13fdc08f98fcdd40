"""JSON as values that lose nothing: numbers keep their text, objects their order and their repeated keys. Pure.

What arrives as text is read here before it becomes part of anything, and what is made of it is written here: no text of JSON is
ever put together from texts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn


class Number(str):
    """A number as it was written."""


class Written(str):
    """A piece of JSON text that `write` has made."""


class Members(list[tuple[str, Any]]):
    """The members of an object, in their order."""


def read(text: str, what: str = "the text", *, pythons: bool = False) -> Any:
    """The value that a JSON text is; of `pythons` JSON also NaN and the infinities, as numbers that are written as they are.

    Raises ValueError, with what it is that cannot be read, where the text is no JSON, or nests deeper than this process can follow.
    """
    if not isinstance(text, str):
        raise ValueError(f"{what} is no text but {type(text).__name__}")
    try:
        return (_PYTHONS if pythons else _DECODER).decode(text)
    except RecursionError as error:
        raise ValueError(f"{what} nests too deep to be read") from error
    except ValueError as error:
        raise ValueError(f"{what} is no JSON: {error}") from error


def write(value: Any) -> str:
    """A value as JSON text on one line; an object may be a mapping too."""
    text = "".join(_parts(value))
    # Half a surrogate pair has no bytes in UTF-8, and goes as an escape as it came.
    return "".join(c if c < "\ud800" or c > "\udfff" else f"\\u{ord(c):04x}" for c in text) if _has_half(text) else text


def payload(text: str | None, what: str = "the payload") -> str:
    """A payload as a queue stores it, as JSON text: nothing is `null`, and a text that is no JSON is a string.

    As Bailey reads it in the histories that it shadows: what nests deeper than 512 levels is a string, and what holds half a surrogate pair.
    """
    if text is None:
        return "null"
    try:
        value = read(text, what)
    except ValueError:
        return write(text)
    written = "".join(_parts(value))
    return write(text) if is_deep(value) or _has_half(written) else written


def is_strict(text: str) -> bool:
    """Whether a text that `read` knows, as Python's JSON or as anybody's, is anybody's."""
    if "NaN" not in text and "Infinity" not in text:
        return True
    try:
        read(text)
    except ValueError:
        return False
    return True


# The keys by which an outcome says that it holds a text, or the digest, of a value in the value's place.
_MARKS = ("bailey_text", "bailey_truncated")


def is_marked(value: Any) -> bool:
    """Whether a value of somebody else's looks like what an outcome holds in the place of one."""
    members = value if isinstance(value, Members) else value.items() if isinstance(value, Mapping) else ()
    return any(key in _MARKS for key, _ in members)


# How many levels of arrays and objects Bailey follows.
_DEEPEST = 512


def is_deep(value: Any, within: int = 0) -> bool:
    """Whether it nests deeper than Bailey follows, in so many others."""
    level = [value]
    for _ in range(_DEEPEST + 1 - within):
        level = [part for item in level for part in _inner(item)]
        if not level:
            return False
    return True


def _inner(value: Any) -> Sequence[Any]:
    if isinstance(value, Members):
        return [part for _, part in value]
    return value if isinstance(value, list) else ()


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON's")


_DECODER = json.JSONDecoder(
    object_pairs_hook=Members, parse_float=Number, parse_int=Number, parse_constant=_refuse, strict=True
)

_PYTHONS = json.JSONDecoder(
    object_pairs_hook=Members, parse_float=Number, parse_int=Number, parse_constant=Number, strict=True
)


def _parts(value: Any) -> Iterator[str]:
    # A list of what is still to be written instead of recursion: what could be read can be written.
    waiting: list[Any] = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Written):
            yield item
        elif isinstance(item, Number):
            yield str(item)
        elif isinstance(item, (Members, Mapping)):
            members = item if isinstance(item, Members) else list(item.items())
            inner: list[Any] = [Written("{")]
            for at, (key, part) in enumerate(members):
                if not isinstance(key, str):
                    raise ValueError(f"{key!r} is no key of JSON's")
                inner += [Written(("," if at else "") + json.dumps(key, ensure_ascii=False) + ":"), part]
            waiting += reversed([*inner, Written("}")])
        elif isinstance(item, Sequence) and not isinstance(item, (str, bytes, bytearray)):
            inner = [Written("[")]
            for at, part in enumerate(item):
                inner += [Written(","), part] if at else [part]
            waiting += reversed([*inner, Written("]")])
        else:
            yield json.dumps(item, ensure_ascii=False, allow_nan=False)


def _has_half(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
