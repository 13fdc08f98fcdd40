"""The differences that are planted in a real Celery application are found by shadow runs of Airflow as by those of the embedded engine."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from planted_cases import CASES, LARGE
from rest import eventually
from road import Road
from stage import Stage, wait_until

PIPELINE = "planted"
# Due at one instant, long ago: beat catches up at once, and all of the entries share a tick, so that one DAG run stands for them all.
MONTHLY = {
    "__type__": "crontab",
    "minute": "0",
    "hour": "0",
    "day_of_week": "*",
    "day_of_month": "1",
    "month_of_year": "*",
}
# Never due while a test runs.
YEARLY = {"crontab": "0 0 1 1 *", "timezone": "UTC"}
# One of each kind that reaches Airflow in a way of its own; `--full` runs all.
SHARE = (
    "differs-14-deep",
    "differs-19-key",
    "differs-31-top",
    "error-11",
    "error-12",
    "fails-in-shadow",
    "dies-with-a-forged-report",
    "too-deep-in-shadow",
    "one-place-of-many",
    "beside-what-is-ignored",
    "same-12",
    "same-3",
    "differs-5-top",
    "same-19-deep",
    "same-29",
    "same-30",
    "same-32",
    "same-33",
    "same-error-24",
    "same-error-26",
    "same-error-30",
    "error-15",
    "noise",
    "leaves-others-behind",
)
Verdicts = dict[str, tuple[str, list[tuple[str, str]]]]


def verdicts(stage: Stage, *words: str) -> Verdicts:
    """The verdict of each case and its differences, as an engine's shadow runs have them."""
    stage.json("shadow", "--from-history", *words, status=(0, 1), limit=2700)
    [row] = stage.json("report", "--all", status=(0, 1))["pipelines"]
    place = f"{PIPELINE}/bailey__" if words else f"shadow/{PIPELINE}/"
    found: Verdicts = {}
    for comparison in row["comparisons"]:
        name = comparison["entry"].partition("/")[2]
        assert name not in found, f"{name} was compared twice"
        # What one engine found does not count for the other.
        run = (comparison["shadow"] or {}).get("run") or comparison["reason"]
        verdict = comparison["verdict"] if run.startswith(place) else f"{comparison['verdict']} of {run}"
        found[name] = (verdict, [(one["kind"], one["path"]) for one in comparison["differences"]])
    return found


@pytest.mark.versions()
def test_airflow_finds_what_the_embedded_engine_finds(
    road: Road, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = request.config.getoption("--full") and road.airflow.record.version == "33"
    cases = {**CASES, **LARGE} if whole else {name: CASES[name] for name in SHARE}
    target = json.loads((road.workspace.folder / "bailey.yaml").read_text(encoding="utf-8"))["target"]
    monkeypatch.setenv("TEST_AIRFLOW_PASSWORD", road.workspace.environment["TEST_AIRFLOW_PASSWORD"])
    stage = Stage(tmp_path / "stage")
    stage.settle(target=target)
    tasks: dict[str, Any] = {}
    for number, (name, case) in enumerate(cases.items()):
        call = {"callable": "planted_cases:shadow", "environment": "planted"}
        task = {"entry": f"scheduler/{name}", "shadow": "pure", "python": call, "compare": case.rules}
        tasks[f"t{number}"] = {key: value for key, value in task.items() if value}
    mapping = {"pipeline": PIPELINE, "schedule": YEARLY, "tasks": tasks}
    (stage.folder / "mappings" / f"{PIPELINE}.yaml").write_text(json.dumps(mapping), encoding="utf-8")
    with stage.running():
        for name in cases:
            stage.entry(name, "planted.case", [name], schedule=MONTHLY)
        beat = stage.celery("beat", "--loglevel", "WARNING")
        wait_until("every case ran", lambda: stage.results() == len(cases), 180)
        stage.end(beat)
        stage.json("import")
        embedded = verdicts(stage)
        stage.json("generate", status=(0, 1))

        def deployed() -> Any:
            # An Airflow whose parts are behind on a busy machine is refused: then a person asks again.
            stage.json("deploy", "--execute", "--unpause", status=(0, 1))
            return road.airflow.found(f"/dags/{PIPELINE}")

        eventually("Airflow has the DAG", deployed, pause=5)
        try:
            airflow = verdicts(stage, "--engine", "airflow", "--wait", "40m")
            # The one that keeps an unpause from firing has none of its tasks run.
            runs = [run for run in road.airflow.runs(PIPELINE) if "suppressed" not in run["dag_run_id"]]
        finally:
            road.airflow.pause(PIPELINE, True)
    assert [run["run_type"] for run in runs] == ["manual"] and runs[0]["logical_date"], runs
    expected = {
        name: ("mismatch" if case.kind else "match", [(case.kind, path) for path in case.paths])
        for name, case in cases.items()
    }
    wrong = [
        f"{name}: {expected[name]}, embedded {embedded.get(name)}, in Airflow {airflow.get(name)}"
        for name in cases
        if not embedded.get(name) == airflow.get(name) == expected[name]
    ]
    kinds = Counter(case.kind or "the same" for case in cases.values())
    print("\n".join(f"{number:4} {kind}" for kind, number in kinds.most_common()))
    assert not wrong, f"{len(wrong)} of {len(cases)}:\n" + "\n".join(wrong)
