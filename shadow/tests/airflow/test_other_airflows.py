"""Commands before an Airflow that lacks something, is of another version, or whose tokens run out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bailey import Workspace
from proxy import proxy
from road import Road
from test_deploy import elsewhere

REFUSED, UNREACHABLE = 1, 3
DAG = "of-no-account"
PROVIDER = "apache-airflow-providers-standard"
# A token of the test Airflow lasts 60 s, and is taken for 10 s more.
OUTLASTS_A_TOKEN = 100


def named(version: str) -> Any:
    """What makes an Airflow name itself so."""

    def change(path: str, body: bytes) -> bytes:
        return json.dumps({"version": version, "git_version": None}).encode() if path.endswith("/version") else body

    return change


def without_provider(path: str, body: bytes) -> bytes:
    """Leaves a provider out of the list of those that are installed."""
    if not path.startswith("/api/v2/providers"):
        return body
    found = json.loads(body)
    left = [one for one in found["providers"] if one["package_name"] != PROVIDER]
    assert len(left) < len(found["providers"]), "the Airflow has it"
    return json.dumps({**found, "providers": left, "total_entries": len(left)}).encode()


def findings(workspace: Workspace, *words: str, status: int = 0) -> dict[str, dict[str, Any]]:
    """What `deploy` finds, by code."""
    document = workspace.json("deploy", *words, DAG, status=status)
    return {one["code"]: one for one in document["findings"]}


def test_a_provider_that_is_not_installed_is_named_before_deploy(road: Road, tmp_path: Path) -> None:
    with proxy(road.airflow.record.api_url, without_provider) as before:
        workspace = elsewhere(road, tmp_path / "work", DAG, url=before.url)
        # What the runtime brings along needs none; a file without it imports the standard operators.
        assert "BLY071" not in findings(workspace)
        workspace.run("generate", "--ungated", DAG)
        for words in ((), ("--execute",)):
            found = findings(workspace, *words, status=REFUSED)
            assert found["BLY071"]["severity"] == "error" and PROVIDER in found["BLY071"]["text"]
        assert {method for method, path, _ in before.seen if path != "/auth/token"} == {"GET"}
    assert not (road.stack.folder / "dags" / f"{DAG}.py").exists()


@pytest.mark.parametrize("version", ["2.10.5", "1.10.15"])
def test_one_that_is_too_old_is_refused(road: Road, tmp_path: Path, version: str) -> None:
    with proxy(road.airflow.record.api_url, named(version)) as before:
        workspace = elsewhere(road, tmp_path / "work", DAG, url=before.url)
        for words in (("deploy", DAG), ("deploy", "--execute", DAG)):
            said = workspace.run(*words, status=UNREACHABLE).stderr
            assert f"it is Airflow {version}" in said and "2.11" in said, said
        # What needs no Airflow is not refused for it.
        workspace.run("plan", status=(0, 1))
        workspace.run("generate", DAG)
    assert not (road.stack.folder / "dags" / f"{DAG}.py").exists()


def test_one_that_is_newer_is_said_and_used(road: Road, tmp_path: Path) -> None:
    with proxy(road.airflow.record.api_url, named("3.9.0")) as before:
        workspace = elsewhere(road, tmp_path / "work", DAG, url=before.url)
        found = findings(workspace)
        assert found["BLY076"]["severity"] == "warning" and "3.9.0" in found["BLY076"]["text"]


@pytest.mark.full
def test_a_command_outlasts_its_token(road: Road) -> None:
    name = "outlasts-a-token"
    clock = road.entry(f"{name}-entry", task="company.ops.refresh_cache", args=[name])
    call = {"callable": "lab.work:refresh_cache", "environment": "company"}
    road.pipeline(name, clock, {"work": {"entry": clock, "python": call, "shadow": "pure"}})
    road.build(name)
    with proxy(road.airflow.record.api_url) as before:
        with road.settings(lambda settings: settings["target"]["airflow"].update(url=before.url)):
            words = ("shadow", "--engine", "airflow", "--for", f"{OUTLASTS_A_TOKEN}s", name)
            road.workspace.run(*words, limit=300)
    assert len(before.statuses("/auth/token")) >= 2, "it has logged in again"
    refused = [status for status in before.statuses("/api/") if status in (401, 403)]
    assert refused, "a token ran out under it"
    report = road.workspace.json("report", name)
    (pipeline,) = [one for one in report["pipelines"] if one["id"] == name]
    assert pipeline["comparisons"], "a tick was compared"
    road.remove(name, f"{name}-entry")
