"""The differences that are planted in the jobs of a real queue are found by shadow runs of Airflow as by those of the embedded engine."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import planted_jobs
import pytest
from rest import eventually
from road import Road
from stage import Stage

from testing.postgres import cluster

# Never due while a test runs.
YEARLY = {"crontab": "0 0 1 1 *", "timezone": "UTC"}
# One of each kind that reaches Airflow in a way of its own; `--full` runs all.
SHARE = (
    "differs-14-deep",
    "differs-31-top",
    "error-11",
    "fails-in-shadow",
    "fails-in-legacy",
    "dies-with-a-forged-report",
    "too-deep-in-shadow",
    "beside-what-is-ignored",
    "same-error-26",
    "noise",
    "payload-2",
    "payload-9",
    "payload-11",
    "payload-14",
    "payload-15",
    "payload-16",
)
Verdicts = dict[str, tuple[str, list[tuple[str, str]]]]


def verdicts(stage: Stage, place: str, *words: str) -> Verdicts:
    """The verdict of each case and its differences, as an engine's shadow runs have them, which are in a place."""
    stage.json("shadow", "--from-history", "--limit", "1000", *words, status=(0, 1), limit=5400)
    found: Verdicts = {}
    for name, comparison in planted_jobs.compared(stage.json("report", "--all", status=(0, 1))["pipelines"]).items():
        verdict, differences = planted_jobs.told(comparison)
        # What one engine found does not count for the other.
        run = (comparison["shadow"] or {}).get("run") or comparison["reason"]
        found[name] = (verdict if run.startswith(place) else f"{verdict} of {run}", differences)
    return found


@pytest.mark.versions()
def test_airflow_finds_what_the_embedded_engine_finds_of_jobs(
    road: Road, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = planted_jobs.jobs()
    if not request.config.getoption("--full") or road.airflow.record.version != "33":
        cases = {name: cases[name] for name in SHARE}
    target = json.loads((road.workspace.folder / "bailey.yaml").read_text(encoding="utf-8"))["target"]
    monkeypatch.setenv("TEST_AIRFLOW_PASSWORD", road.workspace.environment["TEST_AIRFLOW_PASSWORD"])
    stage = Stage(tmp_path / "stage")
    # A source's name is that of Airflow's connection.
    source = f"planted_{uuid.uuid4().hex[:8]}"
    with cluster() as url:
        planted_jobs.run_all(url, cases)
        before = planted_jobs.rows(url)
        stage.settle(target=target, scheduler=None, **{source: {"kind": "queue", "url": url, "profile": "planted"}})
        names = planted_jobs.map_all(stage, source, cases, schedule=YEARLY, max_active_runs=8)
        stage.json("import")
        embedded = verdicts(stage, "shadow/jobs-")
        stage.json("generate", status=(0, 1))

        def deployed() -> Any:
            # An Airflow whose parts are behind on a busy machine is refused: then a person asks again.
            stage.json("deploy", "--execute", "--unpause", status=(0, 1))
            return all(road.airflow.found(f"/dags/{name}") for name in names)

        eventually("Airflow has the DAGs", deployed, pause=5)
        try:
            airflow = verdicts(stage, "jobs-", "--engine", "airflow", "--wait", "80m")
            # A shadow takes no job, and leaves each as it was.
            assert planted_jobs.rows(url) == before
        finally:
            for name in names:
                road.airflow.pause(name, True)
    wrong = [
        f"{name}: {planted_jobs.expected(case)}, embedded {embedded.get(name)}, in Airflow {airflow.get(name)}"
        for name, case in cases.items()
        if not embedded.get(name) == airflow.get(name) == planted_jobs.expected(case)
    ]
    kinds = Counter(case.kind or "the same" for case in cases.values())
    print("\n".join(f"{number:4} {kind}" for kind, number in kinds.most_common()))
    assert not wrong, f"{len(wrong)} of {len(cases)}:\n" + "\n".join(wrong)
