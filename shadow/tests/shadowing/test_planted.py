"""Differences that were planted in a real Celery application are found, each at its place; what is the same is not reported."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import planted_jobs
from planted_cases import CASES, differences, variations
from stage import Stage, wait_until

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


def test_the_same_through_a_queue(tmp_path: Path) -> None:
    cases = planted_jobs.jobs()
    planted = [case for case in cases.values() if case.kind]
    assert len(planted) >= 120 and len(cases) - len(planted) >= 80
    stage = Stage(tmp_path / "stage")
    with cluster() as url:
        planted_jobs.run_all(url, cases)
        stage.settle(jobs={"kind": "queue", "url": url, "profile": "planted"}, scheduler=None)
        planted_jobs.map_all(stage, "jobs", cases, schedule={"crontab": "* * * * *", "timezone": "UTC"})
        stage.json("import")
        stage.json("shadow", "--from-history", "--limit", str(len(cases)))
        rows = stage.json("report", "--all", status=(1,))["pipelines"]
    found = planted_jobs.compared(rows)
    assert found.keys() == set(cases)
    wrong = [
        (
            name,
            planted_jobs.told(found[name]),
            planted_jobs.expected(case),
            found[name]["legacy"],
            found[name]["shadow"],
        )
        for name, case in cases.items()
        if planted_jobs.told(found[name]) != planted_jobs.expected(case)
    ]
    assert not wrong, f"{len(wrong)} of {len(cases)}: " + "\n".join(map(str, wrong[:20]))
    coverage = [one for row in rows for one in row["coverage"]]
    assert sum(one["seen"] for one in coverage) == sum(one["compared"] for one in coverage) == len(cases), coverage
