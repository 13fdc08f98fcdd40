"""Differences that were planted in a real Celery application are found, each at its place; what is the same is not reported."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import job_worker
import psycopg
from planted_cases import CASES, differences, variations
from psycopg.types.json import Jsonb
from stage import HERE, Stage, wait_until

from testing.postgres import cluster


def test_every_planted_difference_is_found_and_no_harmless_variation_is(tmp_path: Path) -> None:
    planted, harmless = len(list(differences())), len(list(variations()))
    assert planted >= 120 and harmless >= 80
    stage = Stage(tmp_path / "stage")
    with stage.running():
        for name, case in CASES.items():
            stage.entry(name, "planted.case", [name], 86_400)
            task = {"python": {"callable": "planted_cases:shadow", "environment": "planted"}, "compare": case.rules}
            stage.map(name, {key: value for key, value in task.items() if value})
        stage.celery("beat", "--loglevel", "WARNING")
        wait_until("every case ran", lambda: stage.results() == len(CASES), 180)
        stage.json("import")
        stage.json("shadow", "--from-history")
        report = stage.json("report", status=(1,))
    rows = {row["id"]: row for row in report["pipelines"]}
    wrong = []
    for name, case in CASES.items():
        if len(rows[name]["comparisons"]) != 1:
            wrong.append((name, rows[name]["coverage"]))
            continue
        [comparison] = rows[name]["comparisons"]
        found = [(one["kind"], one["path"]) for one in comparison["differences"]]
        if found != [(case.kind, path) for path in case.paths]:
            wrong.append((name, found, case.kind, case.paths, comparison["legacy"], comparison["shadow"]))
        # Each was the run of a tick, and every tick was compared.
        coverage = rows[name]["coverage"][0]
        assert (coverage["fired"], coverage["compared"], coverage["not_scheduled"]) == (1, 1, 0), (name, coverage)
    kinds = Counter(case.kind or "the same" for case in CASES.values())
    print("\n".join(f"{number:4} {kind}" for kind, number in kinds.most_common()))
    assert not wrong, f"{len(wrong)} of {len(CASES)}: " + "\n".join(map(str, wrong[:20]))


# What a table that keeps an error as text cannot tell, or tells as text: a string of JSON has no NUL, and an exception no arguments.
OF_CELERY_ALONE = ("unwritable-on-both", "same-error-29")


def kept(name: str) -> bool:
    """Whether PostgreSQL keeps what legacy returns: its JSON knows neither NaN nor infinity, its text no NUL and no half of a character."""
    try:
        text = job_worker.dumps(CASES[name].legacy())
    except Exception as error:
        text = str(error)
    return not any(word in text for word in ("NaN", "Infinity", "\x00", "\ud800"))


def through_a_queue(name: str) -> tuple[str, list[str]]:
    """The kind and the paths that are to be found where a queue kept the run: of its errors the text alone is known."""
    case = CASES[name]
    return (case.kind, ["$.message"]) if case.kind == "error" else (case.kind, list(case.paths))


def test_the_same_through_a_queue(tmp_path: Path) -> None:
    names = [name for name in CASES if name not in OF_CELERY_ALONE and kept(name)]
    planted = [name for name in names if CASES[name].kind]
    assert len(planted) >= 120 and len(names) - len(planted) >= 80
    stage = Stage(tmp_path / "stage")
    (stage.folder / "mappings" / "profiles").mkdir()
    (stage.folder / "mappings" / "profiles" / "planted.yaml").write_text(
        json.dumps(job_worker.PROFILE), encoding="utf-8"
    )
    with cluster() as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute(job_worker.TABLE)
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO jobs (kind, payload) VALUES (%s, %s)", [(name, Jsonb({"case": name})) for name in names]
            )
        stage.settle(jobs={"kind": "queue", "url": url, "profile": "planted"}, scheduler=None)
        tasks: dict[str, Any] = {}
        for number, name in enumerate(names):
            task = {
                "entry": f"jobs/{name}",
                "shadow": "pure",
                "python": {"callable": "planted_cases:shadow_of_job", "environment": "planted"},
                "compare": CASES[name].rules,
            }
            tasks[f"t{number}"] = {key: value for key, value in task.items() if value}
        mapping = {"pipeline": "jobs", "schedule": {"crontab": "* * * * *", "timezone": "UTC"}, "tasks": tasks}
        (stage.folder / "mappings" / "jobs.yaml").write_text(json.dumps(mapping), encoding="utf-8")
        workers = [subprocess.Popen([sys.executable, str(HERE / "job_worker.py"), url]) for _ in range(3)]
        assert [worker.wait(120) for worker in workers] == [0, 0, 0]
        ended = connection.execute("SELECT count(*) FROM jobs WHERE state IN ('done', 'failed')").fetchone()
        assert ended == (len(names),)
        stage.json("import")
        stage.json("shadow", "--from-history")
        report = stage.json("report", "--all", status=(1,))
    [row] = report["pipelines"]
    found = {one["legacy"]["arguments"]["case"]: one for one in row["comparisons"]}
    assert found.keys() == set(names)
    wrong = []
    for name in names:
        kind, paths = through_a_queue(name)
        told = [(one["kind"], one["path"]) for one in found[name]["differences"]]
        if told != [(kind, path) for path in paths]:
            wrong.append((name, told, kind, paths, found[name]["legacy"], found[name]["shadow"]))
    assert not wrong, f"{len(wrong)} of {len(names)}: " + "\n".join(map(str, wrong[:20]))
    for one in row["coverage"]:
        assert (one["seen"], one["compared"], one["unpaired"]) == (1, 1, 0), one
