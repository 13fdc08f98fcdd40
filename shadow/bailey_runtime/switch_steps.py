"""What a script is to be called with, computed from the switch as it was read. Pure: nothing here reads or writes."""

from __future__ import annotations

from . import redbeat_bytes
from .switch import EntryStatus, packed

Arguments = list  # of str or bytes, as Switch.call takes them


def settle(entries: list[EntryStatus], fence: str) -> Arguments:
    """The arguments of `settle`. Raises ValueError if beat's own meta cannot be read."""
    # An entry that went during a first close is given back instead; one that Airflow owned already cannot fire any more.
    arguments: Arguments = [fence, "accept" if entries[0].text("heal") else "refuse"]
    for entry in entries:
        parked = entry.switch.get("parked")
        last = redbeat_bytes.last_run(entry.meta)
        if entry.text("heal") and (entry.meta == parked or not redbeat_bytes.has_fired(entry.meta)):
            last = None
        until = redbeat_bytes.last_run(parked) or redbeat_bytes.PARKED_AT
        arguments += [
            packed(entry.meta),
            "" if last is None else str(last),
            redbeat_bytes.parked(entry.meta, until),
            str(until // 1_000_000),
        ]
    return arguments


def repark(entries: list[EntryStatus], fence: str) -> Arguments:
    """The arguments of `repark`."""
    arguments: Arguments = [fence]
    for entry in entries:
        closed = b"" if entry.definition is None else redbeat_bytes.closed(entry.definition)
        arguments += [packed(entry.definition), closed, packed(entry.meta), _opened(entry)]
    return arguments


def _opened(entry: EntryStatus) -> bytes:
    """What legacy is to have back if the application has written another definition."""
    if entry.definition is None:
        return b""
    planned = entry.switch.get("planned") or entry.switch.get("definition")
    return entry.definition if planned is None else redbeat_bytes.opened(entry.definition, planned)


def give_back(entries: list[EntryStatus], fence: str, zone: str) -> Arguments:
    """The arguments of `give_back`: legacy resumes after the last tick that anybody ran.

    An entry that is gone stays gone, and a definition that the application changed meanwhile stays changed. `zone` is the
    Celery application's, for entries that beat never wrote its own zone into.
    """
    arguments: Arguments = [fence, "skip", "keep"]
    for entry in entries:
        stored = entry.switch.get("meta")
        parked = entry.switch.get("parked")
        known = [at for at in (entry.number("last_claim"), entry.number("last_legacy")) if at is not None]
        if entry.meta != parked and redbeat_bytes.has_fired(entry.meta):
            # Legacy's clock was running: what it fired meanwhile is its own.
            fired = redbeat_bytes.last_run(entry.meta)
            if fired is not None:
                stored = entry.meta
                known.append(fired)
        if entry.text("state") == "closing" and not entry.text("heal"):
            new = b"*"
        elif not known or redbeat_bytes.last_run(stored) == max(known):
            new = packed(stored)
        else:
            zone_of = redbeat_bytes.zone_of(stored) or zone
            new = packed(redbeat_bytes.with_last_run(stored, max(known), zone_of))
        arguments += [entry.text("last_claim"), entry.text("last_legacy"), packed(entry.meta), new]
        arguments += [packed(entry.definition), _opened(entry)]
    return arguments
