"""`python -m lab [airflow] up|down|status|env --folder DIR`: exit status 0 done, 1 not running or could not be done, 2 usage."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from lab.airflow import AirflowStack
from lab.airflow_settings import EXECUTORS, VERSIONS
from lab.laboratory import Laboratory
from lab.processes import LabError
from lab.record import AirflowRecord, Record
from lab.stack import Stack


class Interrupted(BaseException):
    """Ctrl-C, or a request to end. Not KeyboardInterrupt: Python may turn a handled one into a death by signal."""


def say(text: str) -> None:
    """Tells a person what happens."""
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Runs one command."""
    parser = argparse.ArgumentParser(prog="python -m lab", description="Starts, shows and removes real servers.")
    systems = parser.add_subparsers(dest="command", required=True)
    for_company(add_commands(systems, "the company's legacy stack"))
    airflow = systems.add_parser("airflow", help="the same for an Airflow")
    for_airflow(add_commands(airflow.add_subparsers(dest="airflow_command", required=True), "an Airflow"))
    options = parser.parse_args()
    try:
        if options.command == "airflow":
            return run(AirflowStack(options.folder, say), options.airflow_command, options)
        return run(Laboratory(options.folder, say), options.command, options)
    except LabError as error:
        say(f"lab: {error}")
        return 1
    except Interrupted:
        say("lab: interrupted; nothing is left")
        return 130


def add_commands(commands: Any, what: str) -> argparse.ArgumentParser:
    """Adds the four commands; returns the parser of `up`."""
    parsers = {}
    for name, text in (
        ("up", f"start {what}; harmless if it runs"),
        ("down", "stop and delete it; harmless if there is none"),
        ("status", "say which members run"),
        ("env", "print export lines for a shell"),
    ):
        parsers[name] = commands.add_parser(name, help=text)
        parsers[name].add_argument("--folder", type=Path, required=True, help="the folder that holds all of it")
    parsers["up"].add_argument(
        "--owner", type=int, metavar="PID", help="remove it when this process has ended, in whatever way"
    )
    return parsers["up"]


def for_company(up: argparse.ArgumentParser) -> None:
    """What only the legacy stack is told."""
    up.add_argument("--speed", type=positive, default=600.0, help="how much faster than real the work is (default 600)")
    up.add_argument("--poll", type=positive, default=1.0, help="seconds between polls of the queue (default 1)")


def for_airflow(up: argparse.ArgumentParser) -> None:
    """What only an Airflow is told."""
    up.add_argument("--version", choices=VERSIONS, default=VERSIONS[0], help=f"default {VERSIONS[0]}")
    up.add_argument("--executor", choices=sorted(EXECUTORS), default="local", help="default local")
    up.add_argument("--python", type=Path, help="the interpreter of its environment (default .env-airflowVERSION's)")
    up.add_argument("--redis", default="", metavar="URL", help="CeleryExecutor's broker (default: one of its own)")
    up.add_argument("--queues", default="", help="those that CeleryExecutor's worker consumes (default: Airflow's own)")


def positive(text: str) -> float:
    """A number above 0."""
    value = float(text)
    if value <= 0:
        raise ValueError(text)
    return value


def run(stack: Stack[Any], command: str, options: argparse.Namespace) -> int:
    """Runs the command on the stack."""
    if command == "up":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, _interrupt)
        if isinstance(stack, AirflowStack):
            stack.up(options.version, options.executor, options.python, options.redis, options.owner, options.queues)
        else:
            stack.up(options.speed, options.poll, options.owner)
        return 0
    if command == "down":
        say(f"{stack.NAME} is gone" if stack.down() else f"there is no {stack.NAME[4:]} in {stack.folder}")
        return 0
    record = stack.running()
    if command == "status":
        return status(stack, record)
    values = airflow_env(record, stack.folder) if isinstance(record, AirflowRecord) else company_env(record)
    for name, value in values.items():
        print(f"export BAILEY_LAB_{name}={shlex.quote(value)}")
    return 0


def status(stack: Stack[Any], record: Any) -> int:
    """Prints a line per member."""
    missing = stack.missing(record)
    for name in stack.members(record):
        print(f"{name:<13} {'gone' if name in missing else 'running':<8} pid {record.pids.get(name, 0)}")
    return 1 if missing else 0


def company_env(record: Record) -> Mapping[str, str]:
    """Where the company's systems are."""
    return {
        "REDIS_URL": record.redis_url,
        "POSTGRES_URL": record.postgres_url,
        "PYTHON": record.python,
        "PYTHONPATH": record.pythonpath,
        "EFFECTS": record.effects,
    }


def airflow_env(record: AirflowRecord, folder: Path) -> Mapping[str, str]:
    """Where the Airflow is, and as whom to speak to it; the user `op` may do what Bailey needs, `admin` everything."""
    return {
        "AIRFLOW_URL": record.api_url,
        "AIRFLOW_USER": "op",
        "AIRFLOW_PASSWORD": record.op_password,
        "AIRFLOW_ADMIN_PASSWORD": record.admin_password,
        "AIRFLOW_DAGS": str(folder / "dags"),
        "AIRFLOW_PYTHON": record.python,
        "AIRFLOW_VERSION": record.version,
    }


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted


if __name__ == "__main__":
    sys.exit(main())
