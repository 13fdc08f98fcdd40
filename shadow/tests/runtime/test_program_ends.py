"""What a program printed and left behind is taken as the embedded engine takes it: its result, its error, and when it is over."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import pytest

from bailey_runtime.outcome import BodyFailed
from bailey_runtime.program import CALL_FUNCTION, call_of, run_program

SHELL = ["sh", "-c"]


def shell(script: str) -> str | None:
    return run_program([*SHELL, script], "null")


def call(callable: str, *args: Any) -> str | None:
    return run_program([sys.executable, "-c", CALL_FUNCTION], call_of(callable, list(args), {}))


def test_lines_end_as_other_systems_end_them() -> None:
    assert shell(r"""printf 'noise\r\n{"n": 1}\r\n'""") == '{"n": 1}'
    assert shell(r"""printf '10 %%\r90 %%\r{"n": 2}'""") == '{"n": 2}'
    assert shell("echo '[NaN]'") == "[NaN]"
    for script, kind in (
        (r"""printf 'noise\r\nmyapp.Error2: no\r\n  \r\n' >&2; exit 1""", "Error2"),
        ("exit 1", "exit"),
    ):
        with pytest.raises(BodyFailed) as failed:
            shell(script)
        assert failed.value.error.type == kind


def test_what_only_python_calls_json_comes_back() -> None:
    """A task of Celery's that returns NaN succeeds: so does its body here."""
    assert call("builtins:float", "nan") == "NaN"
    for text in ('{"a": [NaN, -Infinity, "é\\ud800"]}', "1" * 4000):
        assert call("json:loads", text) == text
    with pytest.raises(BodyFailed) as failed:
        call("builtins:exec", "raise ValueError(float('nan'), 10 ** 4000, '\\ud800')")
    assert failed.value.error.type == "ValueError"
    assert failed.value.error.arguments == "[NaN,1" + "0" * 4000 + ',"\\ud800"]'


@pytest.mark.parametrize(
    "body",
    [
        lambda: shell("sleep 60 & echo '{\"n\": 1}'"),
        lambda: call("builtins:exec", "import subprocess; subprocess.Popen(['sleep', '60'])"),
    ],
)
def test_what_a_body_leaves_behind_is_not_waited_for(body: Any) -> None:
    began = time.monotonic()
    assert json.loads(body() or "") in ({"n": 1}, None)
    assert time.monotonic() - began < 50


def test_five_megabytes_on_one_line_are_read_beside_the_result() -> None:
    script = "import sys; sys.stderr.write('.' * 5_000_000); print('x' * 5_000_000)"
    assert call("builtins:exec", script) == "null"


@pytest.mark.parametrize(
    ("made", "kept"),
    [
        # As which Celery keeps it: its nearest base that pickle can make anew, however making it anew goes wrong.
        ("class E(ValueError):\n def __init__(self, a, b): super().__init__(a)", "ValueError"),
        ("class E(ValueError):\n def __init__(self, a, b): super().__init__(a)\n __reduce__ = exit", "ValueError"),
        ("class E(KeyError):\n def __init__(self, a, b=None): super().__init__(a) if b else exit()", "KeyError"),
        ("class E(Exception):\n def __init__(self, a, b): super().__init__(a)", None),
        ("E = lambda a, b: ValueError(a, b)", None),
    ],
)
def test_an_exception_is_told_with_the_class_as_which_celery_keeps_it(made: str, kept: str | None) -> None:
    with pytest.raises(BodyFailed) as failed:
        call("builtins:exec", f"{made}\nraise E('x', 1)")
    assert failed.value.error.type == ("ValueError" if made.startswith("E") else "E")
    assert failed.value.error.kept == (kept and {"type": kept, "module": "builtins"})
