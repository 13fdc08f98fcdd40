"""The planted cases as jobs of a queue: what a table can keep, its workers, and the pipelines that shadow them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import job_worker
import psycopg
from planted_bodies import nested
from planted_cases import CASES, Case
from psycopg.types.json import Jsonb
from stage import HERE, Stage

# What a table that keeps an error as text cannot tell, or tells as text: a string of JSON has no NUL, and an exception no arguments.
OF_CELERY_ALONE = ("unwritable-on-both", "same-error-29")
# What only a job brings: a payload, which has to arrive in shadow as the worker had it.
PAYLOADS: list[Any] = [
    None,
    0,
    10**25,
    0.1,
    1e-7,
    -0.0,
    True,
    "",
    "é\U0001f408 \u2028 \x1b[31m \x7f",
    "{{ x }} {% y %} ${z} %s %(a)s \\u0041 ' \" </script>",
    '{"bailey_truncated":"00","bytes":1}',
    {"bailey_text": "1"},
    {"": 1, " ": [None, True], "a.b": {}, "__type__": "x", "__value__": 1},
    [[], {}, [[]]],
    nested(300),
    "x" * 200_000,
    {"bailey_truncated": "00", "bytes": 1},
]
# Cases with rules are a job type each, because rules are a task's; all others are of this one.
PLAIN = "plain"


def kept(case: Case) -> bool:
    """Whether PostgreSQL keeps what legacy returns: its JSON knows neither NaN nor infinity, its text no NUL and no half of a character."""
    try:
        text = job_worker.dumps(case.legacy())
    except Exception as error:
        text = str(error)
    return not any(word in text for word in ("NaN", "Infinity", "\x00", "\ud800"))


def jobs() -> dict[str, Case]:
    """The cases that a queue can keep, and those of payloads, which both sides give back."""
    found = {name: case for name, case in CASES.items() if name not in OF_CELERY_ALONE and kept(case)}
    for number in range(len(PAYLOADS)):
        found[f"payload-{number}"] = Case(given(number), given(number))
    return found


def given(number: int) -> Callable[[], Any]:
    """What stands for a payload's value where there is no job."""
    return lambda: PAYLOADS[number]


def job_type(name: str, case: Case) -> str:
    """The job type of a case."""
    return name if case.rules else PLAIN


def expected(case: Case) -> tuple[str, list[tuple[str, str]]]:
    """The verdict and the kinds and paths that are to be found where a queue kept the run: of its errors the text alone is known."""
    paths = ("$.message",) if case.kind == "error" else case.paths
    return ("mismatch" if case.kind else "match", [(case.kind, path) for path in paths])


def payload(name: str) -> dict[str, Any]:
    """The payload of a case's job."""
    number = name.removeprefix("payload-")
    return {"case": name} if number == name else {"case": name, "given": PAYLOADS[int(number)]}


def run_all(url: str, cases: Mapping[str, Case]) -> None:
    """Queues a job for each case, and has workers run them all."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(job_worker.TABLE)
        with connection.cursor() as cursor:
            rows = [(job_type(name, case), Jsonb(payload(name))) for name, case in cases.items()]
            cursor.executemany("INSERT INTO jobs (kind, payload) VALUES (%s, %s)", rows)
        workers = [subprocess.Popen([sys.executable, str(HERE / "job_worker.py"), url]) for _ in range(3)]
        assert [worker.wait(180) for worker in workers] == [0, 0, 0]
        ended = connection.execute("SELECT count(*) FROM jobs WHERE state IN ('done', 'failed')").fetchone()
    assert ended == (len(cases),)


def rows(url: str) -> list[Any]:
    """The whole table."""
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT j::text FROM jobs j ORDER BY id").fetchall()


def map_all(stage: Stage, source: str, cases: Mapping[str, Case], **values: Any) -> list[str]:
    """A pipeline for each job type, so that the run of a job is that of a small DAG; their names."""
    profiles = stage.folder / "mappings" / "profiles"
    profiles.mkdir(exist_ok=True)
    (profiles / "planted.yaml").write_text(json.dumps(job_worker.PROFILE), encoding="utf-8")
    types = {job_type(name, case): case.rules for name, case in cases.items()}
    names = []
    for kind, rules in types.items():
        call = {"callable": "planted_cases:shadow_of_job", "environment": "planted"}
        task = {"entry": f"{source}/{kind}", "shadow": "pure", "python": call, "compare": rules}
        mapping = {
            "pipeline": f"jobs-{kind}",
            "tasks": {"run": {key: value for key, value in task.items() if value}},
            **values,
        }
        (stage.folder / "mappings" / f"jobs-{kind}.yaml").write_text(json.dumps(mapping), encoding="utf-8")
        names.append(f"jobs-{kind}")
    return names


def compared(rows: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The comparison of each case, from the report's pipelines."""
    found: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        for comparison in row["comparisons"]:
            name = comparison["legacy"]["arguments"]["case"]
            assert name not in found, f"{name} was compared twice"
            found[name] = comparison
    return found


def told(comparison: Mapping[str, Any]) -> tuple[str, list[tuple[str, str]]]:
    """What a comparison says, as `expected` does."""
    return (comparison["verdict"], [(one["kind"], one["path"]) for one in comparison["differences"]])
