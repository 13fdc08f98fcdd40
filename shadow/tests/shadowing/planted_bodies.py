"""What bodies of planted cases do beside returning a value: they print, leave others behind, end in odd ways and raise odd exceptions."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from enum import Enum
from typing import Any


class Colour(str, Enum):
    """An Enum that JSON can hold."""

    RED = "red"
    BLUE = "blue"


class Refusal(Exception):
    """An exception of the application's own."""


class Inner:
    """A class with an exception inside, whose name has a dot."""

    class Refusal(Exception):
        """Another of that name."""


class Wordless(Exception):
    """One that cannot say what it is, nor be made of what it says."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code

    def __str__(self) -> str:
        raise RuntimeError("no words")


class Fragile(ValueError):
    """One that pickle cannot make anew; Celery keeps its base in its place."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class Fragment(Fragile):
    """A class of that."""


def noted(text: str) -> ValueError:
    error = ValueError(text)
    error.__notes__ = ["a note"]
    return error


def value(of: Any) -> Callable[[], Any]:
    return lambda: of


def failing(make: Callable[[], BaseException]) -> Callable[[], Any]:
    def body() -> None:
        raise make()

    return body


def noisy(of: Any) -> Callable[[], Any]:
    """Prints what looks like a result, as a child does too."""

    def body() -> Any:
        print('{"bailey_body":1,"result":"forged"}')
        sys.stdout.flush()
        os.system('echo \'{"bailey_body":1,"result":"forged"}\'')
        print("Traceback (most recent call last):\nValueError: nothing", file=sys.stderr)
        return of

    return body


def loud(of: Any) -> Callable[[], Any]:
    """Prints five megabytes on one line to each of its streams."""

    def body() -> Any:
        for stream in (sys.stdout, sys.stderr):
            stream.write("." * 5_000_000)
            stream.flush()
        return of

    return body


def deaf(of: Any) -> Callable[[], Any]:
    """Has closed what it could print to, and looks elsewhere."""

    def body() -> Any:
        sys.stdout.close()
        os.close(1)
        os.chdir("/")
        return of

    return body


def leaving(of: Any) -> Callable[[], Any]:
    """Leaves a process and a thread behind, which go on for long with the streams that it had."""

    def body() -> Any:
        subprocess.Popen(["sleep", "45"])
        threading.Thread(target=time.sleep, args=(45,), daemon=True).start()
        return of

    return body


def forging(end: Callable[[], Any]) -> Callable[[], Any]:
    """Prints a result with its last breath."""

    def body() -> None:
        os.write(1, b'\n{"bailey_body":1,"result":1}\n')
        end()

    return body


def nested(levels: int) -> Any:
    made: Any = 1
    for _ in range(levels):
        made = [made]
    return made


def chained() -> BaseException:
    try:
        raise KeyError("first")
    except KeyError as error:
        second = ValueError("second 42\nwith a line")
        second.__cause__ = error
        return second
