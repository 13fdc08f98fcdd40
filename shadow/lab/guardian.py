"""`python -m lab.guardian FILE FOLDER TOKEN STARTER [OWNER]`: removes a stack whose starter or owner died, even by -9.

It ends when the starter has brought the stack up and no owner was named, and when the stack is gone: down kills it, as
everything that carries the stack's token.
"""

from __future__ import annotations

import os
import select
import sys
from pathlib import Path

from lab.processes import Birth
from lab.record import AirflowRecord, FirstRecord, Record, StackRecord

KINDS: tuple[type[StackRecord], ...] = (Record, FirstRecord, AirflowRecord)


def main() -> None:
    """Waits for the ends of the processes, then takes down what they left."""
    file, folder, token, starter, *owners = sys.argv[1:]
    kind = next(kind for kind in KINDS if kind.FILE == file)
    _wait_for_the_end_of(int(starter))
    record = kind.read(Path(folder))
    if record is not None and record.state == "running" and owners:
        _wait_for_the_end_of(int(owners[0]))
        record = kind.read(Path(folder))
    elif record is not None and record.state == "running":
        return
    if record is not None and record.token == token:
        _take_down(kind, Path(folder))


def _wait_for_the_end_of(pid: int) -> None:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    if Birth.of(pid) is None:
        return
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    poll.poll()


def _take_down(kind: type[StackRecord], folder: Path) -> None:
    # What these import is much, and most guardians never need it.
    from lab.airflow import AirflowStack
    from lab.first.stack import FirstCompany
    from lab.laboratory import Laboratory

    stacks = {Record: Laboratory, FirstRecord: FirstCompany, AirflowRecord: AirflowStack}
    stacks[kind](folder, lambda text: None).down()


if __name__ == "__main__":
    main()
