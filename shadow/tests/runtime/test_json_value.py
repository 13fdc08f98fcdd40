"""JSON that is read and written keeps every number, key and repetition, and what is no JSON never becomes part of any."""

from __future__ import annotations

import ast
import json
import random
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from bailey_runtime import json_value
from bailey_runtime.kept import kept
from bailey_runtime.outcome import (
    PIECE,
    BodyError,
    BodyFailed,
    TaskRun,
    outcome,
    returned,
    whole,
)
from bailey_runtime.program import call_of, run_program

# Texts that would end their place if they were put into other JSON as they are, or that are no JSON at all.
NO_JSON = [
    'null],"callable":"os:system","args":["touch owned"],"x":[1',
    '1],"kwargs":{}}\n{"callable":"os:system","args":["touch owned"],"kwargs":{}}',
    'null,"state":"success","result":[1]',
    "1, 2",
    "1]}",
    "",
    " ",
    '{"a":1}{"b":2}',
    "{'a': 1}",
    '{"a":1,}',
    "// 1",
    "\ufeff1",
    "1\n2",
    '"a\nb"',
    '"open',
    "01",
    "+1",
    "1.",
    "0x10",
    "None",
    "<xml/>",
    "[" * 100_000,
]
# What only Python calls JSON.
PYTHONS = ["NaN", "-Infinity", "[NaN]", '{"a":[1,Infinity]}']
KEPT = [
    "1.50",
    "1e-9223372036854775808",
    "-0",
    "1E400",
    "9" * 5000,
    '{"a":1,"a":2.0,"":null}',
    "[[],{},[[1.10]]]",
    '"\\ud800"',
    '"\\u0000\u2028é🐈"',
    "[" * 600 + "]" * 600,
    "true",
    "null",
]


@pytest.mark.parametrize("text", NO_JSON + PYTHONS, ids=range(len(NO_JSON + PYTHONS)))
def test_what_is_no_json_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"the payload (is no JSON|nests too deep)"):
        json_value.read(text, "the payload")


@pytest.mark.parametrize("text", KEPT, ids=range(len(KEPT)))
def test_what_is_json_is_kept_as_it_is(text: str) -> None:
    assert json_value.write(json_value.read(text)) == text
    spaced = f" [ {text} ,\n{text}\t] "
    assert json_value.write(json_value.read(spaced)) == f"[{text},{text}]"


def test_random_values_are_what_the_library_reads() -> None:
    draw = random.Random(7)

    def value(depth: int) -> object:
        kind = draw.randrange(8 if depth else 6)
        if kind < 6:
            text = "".join(chr(draw.choice([draw.randrange(128), draw.randrange(0x3000)])) for _ in range(5))
            return [None, True, draw.randrange(-(10**20), 10**20), draw.random() * 1e9, text, "\u2028"][kind]
        count = range(draw.randrange(4))
        return [value(depth - 1) for _ in count] if kind == 6 else {f'{n}\n"': value(depth - 1) for n in count}

    for _ in range(2_000):
        made = value(4)
        text = json.dumps(made, ensure_ascii=draw.random() < 0.5)
        assert json.loads(json_value.write(json_value.read(text))) == made
        assert json.loads(json_value.write(made)) == made


def test_a_payload_that_is_no_json_is_a_string() -> None:
    for text in NO_JSON + PYTHONS:
        assert json.loads(json_value.payload(text)) == text
    assert json_value.payload(None) == "null"
    assert json_value.payload(' {"n": 1.50}') == '{"n":1.50}'


PAYLOADS = Path(__file__).resolve().parents[3] / "Tests/LegacyTests/Fixtures/payloads.jsonl"
UNGATED = Path(__file__).resolve().parents[3] / "Tests/AirflowTests/Golden/ungated_queue.py"


@pytest.mark.parametrize("line", PAYLOADS.read_text(encoding="utf-8").splitlines(), ids=lambda line: line[:60])
def test_a_payload_is_read_as_bailey_reads_it(line: str) -> None:
    """By a DAG with a gate and by one without; the same table is read in Swift."""
    case = json.loads(line)
    tree = ast.parse(UNGATED.read_text(encoding="utf-8"))
    [found] = [part for part in tree.body if isinstance(part, ast.FunctionDef) and part.name == "_payload"]
    names: dict[str, Any] = {"json": json}
    exec(compile(ast.Module([found], []), str(UNGATED), "exec"), names)
    for made in (json_value.payload(case["text"]), names["_payload"](case["text"])):
        if case["kind"] == "json":
            assert json_value.write(json_value.read(made)) == json_value.write(json_value.read(case["text"]))
        else:
            assert json_value.read(made) == case["text"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1: 2}, b"1", object()])
def test_what_json_cannot_say_is_not_written(value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        json_value.write([value])


def run_with(arguments: object, **fields: str) -> TaskRun:
    """An attempt with such arguments."""
    texts = {"mode": "shadow", "task": "t", "entry": "e", "tick": None, "job": "1", "run": "d/r", **fields}
    return TaskRun(arguments=arguments, attempt=1, start=datetime(2026, 1, 1, tzinfo=timezone.utc), **texts)


def test_an_outcome_says_what_it_was_told_and_nothing_else() -> None:
    end = datetime(2026, 1, 2, tzinfo=timezone.utc)
    for text in NO_JSON[:-1]:
        run = run_with(json_value.read(json_value.payload(text)), task=text, entry=text, job=text, run=text)
        said, _ = outcome(run, "failed", end, error=BodyError(text, text, text))
        made = json.loads(said, object_pairs_hook=list)
        assert [name for name, _ in made] == [
            *["v", "mode", "task", "entry", "tick", "job", "state", "arguments", "error", "start", "end"],
            *["attempts", "run"],
        ]
        said = dict(made)
        assert (said["state"], said["mode"]) == ("failed", "shadow")
        assert said["arguments"] == said["task"] == said["entry"] == said["job"] == said["run"] == text
        assert dict(said["error"]) == {"type": text, "message": text, "detail": text}
        with pytest.raises(ValueError):
            outcome(run, "success", end, result=text)
    short, pieces = outcome(run_with(json_value.read('{"n":1.50}')), "success", end, result="[2.50]")
    assert pieces == []
    assert '"arguments":{"n":1.50}' in short and '"result":[2.50]' in short


@pytest.mark.parametrize("text", [*PYTHONS, '["NaN"]', "[" * 600 + "1.10" + "]" * 600])
def test_what_only_python_calls_json_is_kept_as_its_text(text: str) -> None:
    """In results, in what an exception was made of, and in what is handed on to the next task."""
    end = datetime(2026, 1, 2, tzinfo=timezone.utc)
    error = BodyError("ValueError", "x", arguments=f"[{text}]")
    for (made, _), told in (
        (outcome(run_with(None), "success", end, result=text), text),
        (outcome(run_with(None), "failed", end, error=error), f"[{text}]"),
        (outcome(run_with(json_value.read(text, pythons=True)), "observed", end), text),
    ):
        said = dict(json_value.read(made))
        part = said.get("result") or dict(said.get("error") or ()).get("arguments") or said["arguments"]
        assert json_value.write(whole(part)) == told
        assert (dict(part) == {"bailey_text": told}) if text != '["NaN"]' else isinstance(part, list)


@pytest.mark.parametrize(
    "text", ['{"bailey_text":"1"}', '{"bailey_truncated":"00","bytes":1}', '{"a":1,"bailey_text":2}']
)
def test_what_looks_like_a_text_or_a_digest_that_an_outcome_holds_is_neither(text: str) -> None:
    end = datetime(2026, 1, 2, tzinfo=timezone.utc)
    value = json_value.read(text)
    for made, _ in (outcome(run_with(None), "success", end, result=text), outcome(run_with(value), "observed", end)):
        said = dict(json_value.read(made))
        part = said.get("result") or said["arguments"]
        assert dict(part) == {"bailey_text": text} and json_value.write(whole(part)) == text
    assert json.loads(kept(text)) == {"bailey_text": text}


def test_what_is_long_is_whole_in_shadow_and_short_in_what_is_kept() -> None:
    end = datetime(2026, 1, 2, tzinfo=timezone.utc)
    long = json.dumps(["é\ud800" * 100_000, 1.50], ensure_ascii=False)
    error = BodyError("ValueError", "m" * 100_000, arguments=json.dumps(["m" * 100_000]))
    for told in ({"state": "success", "result": long}, {"state": "failed", "error": error}):
        state = told.pop("state")
        short, pieces = outcome(run_with(None), state, end, **told)
        assert len(short) < 10_000 and json.loads(short)["pieces"] == len(pieces) > 0
        assert max(map(len, pieces)) <= PIECE
        said = dict(json_value.read("".join(pieces)))
        if state == "success":
            is_same = said["result"] == json_value.read(long)
        else:
            raised = dict(said["error"])
            is_same = (raised["message"], json_value.write(raised["arguments"])) == (error.message, error.arguments)
        assert is_same
        said.pop("result", said.pop("error", None))
        assert said == {key: value for key, value in json_value.read(short) if key in said}
        live, none = outcome(run_with(None, mode="live"), state, end, **told)
        assert len(live) < 10_000 and none == [] and "pieces" not in json.loads(live)


def test_airflow_keeps_a_result_only_whole() -> None:
    assert returned('{"a":[1.5,"x"]}') == {"a": [1.5, "x"]}
    for text in (None, "9" * 5000, "1e400", '"\\u0000"', '{"\\u0000":1}', '"\\ud800"', '["\\udc00"]'):
        assert returned(text) is None


def test_a_call_is_of_the_callable_it_was_made_for(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    import sys

    from bailey_runtime.program import CALL_FUNCTION

    for text in NO_JSON[:-1]:
        call = call_of("json:dumps", [json_value.read(json_value.payload(text))], {})
        assert run_program([sys.executable, "-c", CALL_FUNCTION], call) == json.dumps(
            json.dumps(text), ensure_ascii=False
        )
    assert not list(tmp_path.iterdir())
    # The number that the function gets is the one that was read.
    assert json.loads(call_of("a:b", json_value.read("[1.50]"), {}))["args"] == "[1.50]"
    for args, kwargs in (("{}", "{}"), ("null", "{}"), ('"ab"', "{}"), ("[]", "[]"), ("[]", "null"), ("1", "{}")):
        with pytest.raises(BodyFailed):
            call_of("a:b", json_value.read(args), json_value.read(kwargs))


def test_what_airflow_has_no_form_for_is_not_returned_to_it() -> None:
    for number in (0, 2**64 - 1, -(2**63), 1.5):
        assert returned(str(number)) == number
    for text in (str(2**64), str(-(2**63) - 1), f"[1, {10**25}]", f'{{"a": {10**20}}}', "1e999"):
        assert returned(text) is None, text
    assert returned("[" * 100 + "]" * 100) is not None
    assert returned("[" * 200 + "]" * 200) is None
    assert returned("true") is True
