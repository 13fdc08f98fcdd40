"""The switch of a group of RedBeat entries: the scripts beside this file, called through a Redis client.

The scripts decide; this names their keys and reads their replies. `client` is a `redis.Redis` that does not decode responses.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from redis.exceptions import NoScriptError, ResponseError

_FOLDER = Path(__file__).parent / "scripts"


class SwitchError(Exception):
    """The switch cannot be used, and asking again will not change that."""


@dataclass(frozen=True)
class Group:
    """The entries that move together, by their names in RedBeat; the first decides."""

    entries: tuple[str, ...]
    prefix: str = "redbeat:"

    @property
    def keys(self) -> list[bytes]:
        """The keys that every script takes."""
        found: list[str] = []
        for name in self.entries:
            entry = self.prefix + name
            tagged = entry if _has_tag(entry) else f"{{{entry}}}"
            found += [entry, f"bailey:switch:{tagged}", f"bailey:claims:{tagged}"]
        return [_bytes(key) for key in [*found, f"{self.prefix}:lock", f"{self.prefix}:schedule"]]


@dataclass(frozen=True)
class EntryStatus:
    """One entry and its switch, as read at one instant; None is what is not there."""

    definition: bytes | None
    meta: bytes | None
    switch: dict[str, bytes]

    def text(self, name: str) -> str:
        """A field of the switch; empty where it is absent."""
        return _text(self.switch.get(name, b""))

    def number(self, name: str) -> int | None:
        """A field that holds an instant or a count."""
        stored = self.text(name)
        return int(stored) if stored else None


class Switch:
    """Calls the scripts for one group."""

    def __init__(self, client: Any, group: Group) -> None:
        self._client = client
        self._group = group
        self._keys = group.keys

    def call(self, script: str, *arguments: str | bytes) -> list[str]:
        """A script's reply, as texts.

        Raises SwitchError for a switch of another version or a wrong call, and redis' own errors for everything else.
        """
        text, digest = _script(script)
        parts = [*self._keys, *(_bytes(argument) for argument in arguments)]
        try:
            try:
                reply = self._client.evalsha(digest, len(self._keys), *parts)
            except NoScriptError:
                reply = self._client.eval(text, len(self._keys), *parts)
        except ResponseError as error:
            found = str(error)
            # A right that is missing may be given again.
            if "BAILEY-RIGHTS" not in found and "BAILEY" in found:
                raise SwitchError(
                    f"{found[found.index('BAILEY') + 7 :]}; install the bailey-runtime it needs"
                ) from error
            if "CROSSSLOT" in found or "same slot" in found:
                raise SwitchError(
                    f"the keys of {', '.join(self._group.entries)} are not in one slot of the cluster; "
                    "RedBeat needs a key prefix with a tag there, such as {redbeat}:"
                ) from error
            raise
        return [_text(part) for part in reply]

    def behind(self, limit: float) -> int:
        """How many replicas have not confirmed within a second, tried for `limit` seconds, what was told here last; a failover to one of those
        would forget it. 0 where there are none, or where this user may not ask.
        """
        try:
            replicas = int(self._client.info("replication").get("connected_slaves", 0))
            for _ in range(max(1, round(limit))):
                # A call of a script leaves a mark, so that this connection has something to wait for.
                left = replicas - int(self._client.wait(replicas, 1000)) if replicas else 0
                if left <= 0:
                    return 0
        except ResponseError:
            return 0
        return left

    def status(self) -> list[EntryStatus]:
        """All entries, read at one instant."""
        reply = self.call("status", "0")
        names = reply[4].split(" ")
        found: list[EntryStatus] = []
        at = 5
        for _ in self._group.entries:
            values = [unpacked(part) for part in reply[at : at + len(names)]]
            at += len(names) + 3
            definition, meta = unpacked(reply[at]), unpacked(reply[at + 1])
            at += 9
            switch = {name: value for name, value in zip(names, values) if value is not None}
            found.append(EntryStatus(definition, meta, switch))
        return found


def packed(value: bytes | None) -> bytes:
    """A value that may be absent, as the scripts take it."""
    return b"-" if value is None else b"=" + value


def unpacked(text: str) -> bytes | None:
    """A value that may be absent, as the scripts give it."""
    return _bytes(text[1:]) if text[:1] == "=" else None


@lru_cache(maxsize=None)
def _script(name: str) -> tuple[bytes, str]:
    text = b"\n".join((_FOLDER / f"{part}.lua").read_bytes() for part in ("common", name))
    return text, hashlib.sha1(text).hexdigest()


def _has_tag(key: str) -> bool:
    start = key.find("{")
    return start >= 0 and key.find("}", start + 1) > start + 1


def _text(stored: bytes | str | int) -> str:
    return stored.decode("utf-8", "surrogateescape") if isinstance(stored, bytes) else str(stored)


def _bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
