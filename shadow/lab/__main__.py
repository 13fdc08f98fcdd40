"""`python -m lab up|down|status|env --folder DIR`: exit status 0 done, 1 not running or could not be done, 2 usage."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from pathlib import Path
from types import FrameType

from lab.laboratory import MEMBERS, Laboratory
from lab.processes import LabError
from lab.record import Record


class Interrupted(BaseException):
    """Ctrl-C, or a request to end. Not KeyboardInterrupt: Python may turn a handled one into a death by signal."""


def say(text: str) -> None:
    """Tells a person what happens."""
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Runs one command."""
    parser = argparse.ArgumentParser(prog="python -m lab", description="Starts, shows and removes a real legacy stack.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("up", "start it; harmless if it runs"),
        ("down", "stop and delete it; harmless if there is none"),
        ("status", "say which members run"),
        ("env", "print export lines for a shell"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--folder", type=Path, required=True, help="the folder that holds all of it")
        if name == "up":
            command.add_argument(
                "--speed", type=float, default=600.0, help="how much faster than real the work is (default 600)"
            )
            command.add_argument(
                "--poll", type=float, default=1.0, help="seconds between polls of the queue (default 1)"
            )
    options = parser.parse_args()
    if options.command == "up" and min(options.speed, options.poll) <= 0:
        parser.error("--speed and --poll must be greater than 0")

    laboratory = Laboratory(options.folder, say)
    try:
        if options.command == "up":
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) != signal.SIG_IGN:
                    signal.signal(number, _interrupt)
            laboratory.up(options.speed, options.poll)
            return 0
        if options.command == "down":
            say("the laboratory is gone" if laboratory.down() else f"there is no laboratory in {laboratory.folder}")
            return 0
        record = Record.read(laboratory.folder)
        if record is None or record.state != "running":
            say(f"no laboratory runs in {laboratory.folder}")
            return 1
        return status(laboratory, record) if options.command == "status" else env(record)
    except LabError as error:
        say(f"lab: {error}")
        return 1
    except Interrupted:
        say("lab: interrupted; nothing is left")
        return 130


def status(laboratory: Laboratory, record: Record) -> int:
    """Prints a line per member."""
    missing = laboratory.missing(record)
    for name in MEMBERS:
        print(f"{name:<9} {'gone' if name in missing else 'running':<8} pid {record.pids.get(name, 0)}")
    return 1 if missing else 0


def env(record: Record) -> int:
    """Prints what a shell evaluates."""
    values = {
        "BAILEY_LAB_REDIS_URL": record.redis_url,
        "BAILEY_LAB_POSTGRES_URL": record.postgres_url,
        "BAILEY_LAB_PYTHON": record.python,
        "BAILEY_LAB_PYTHONPATH": record.pythonpath,
        "BAILEY_LAB_EFFECTS": record.effects,
    }
    for name, value in values.items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted


if __name__ == "__main__":
    sys.exit(main())
