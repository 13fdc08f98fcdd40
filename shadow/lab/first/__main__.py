"""`python -m lab.first COMMAND --folder DIR`: starts, changes and removes the first company's stack; see `--help`."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from pathlib import Path

from lab.__main__ import Interrupted, _interrupt, positive, say, status
from lab.first.stack import BEATS, STARTS, FirstCompany
from lab.processes import LabError


def main() -> int:
    """Runs one command: exit status 0 done, 1 not running or could not be done, 2 usage."""
    parser = argparse.ArgumentParser(prog="python -m lab.first", description="The first company's systems.")
    commands = parser.add_subparsers(dest="command", required=True)
    parsers = {}
    for name, text in (
        ("up", "start them; harmless if they run"),
        ("down", "stop and delete them; harmless if there are none"),
        ("status", "say which members run"),
        ("env", "print export lines for a shell"),
        ("halt", "end a member, as a person does"),
        ("start", "start a member that was ended"),
    ):
        parsers[name] = commands.add_parser(name, help=text)
        parsers[name].add_argument("--folder", type=Path, required=True, help="the folder that holds all of it")
    up = parsers["up"]
    up.add_argument("--owner", type=int, metavar="PID", help="remove it when this process has ended, in whatever way")
    up.add_argument("--speed", type=positive, default=100.0, help="how much faster than real work is (default 100)")
    up.add_argument("--night", type=int, default=2, help="minutes between two nights (default 2)")
    parsers["halt"].add_argument("member", choices=STARTS)
    parsers["start"].add_argument("member", choices=STARTS)
    parsers["start"].add_argument("--scheduler", choices=sorted(BEATS), default="default", help="of beat")
    parsers["start"].add_argument(
        "--telling", action="store_true", help="a worker with events and extended results, by its command line alone"
    )
    options = parser.parse_args()
    company = FirstCompany(options.folder, say)
    try:
        return run(company, options)
    except LabError as error:
        say(f"lab: {error}")
        return 1
    except Interrupted:
        say("lab: interrupted; nothing is left")
        return 130


def run(company: FirstCompany, options: argparse.Namespace) -> int:
    """Runs the command."""
    if options.command == "up":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, _interrupt)
        company.up(options.speed, options.night, options.owner)
    elif options.command == "down":
        say("the first company is gone" if company.down() else f"there is no first company in {company.folder}")
    elif options.command == "halt":
        company.halt(options.member)
    elif options.command == "start":
        company.start(options.member, options.scheduler, options.telling)
    elif options.command == "status":
        return status(company, company.running())
    else:
        for name, value in company.addresses(company.running()).items():
            print(f"export {name}={shlex.quote(value)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
