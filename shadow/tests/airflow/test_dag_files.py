"""Generated files in Airflow's own parser, version by version: no error, the plan's structure, legacy's ticks."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from bailey import ROOT, SHADOW, Workspace, company_environment
from inventories import RandomCompany

from lab import servers
from lab.airflow import default_python
from lab.processes import start, wait_for

VERSIONS = ("33", pytest.param("30", marks=pytest.mark.full), pytest.param("211", marks=pytest.mark.full))
COMPANIES = 10
ENTRIES = 55
# How many ticks are compared; all of them where a schedule has as many.
TICKS = 50
SEED = int(os.environ.get("BAILEY_SEED", str(random.randrange(2**32))))


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis that holds the random companies, one a database."""
    folder = tmp_path_factory.mktemp("redis")
    port = servers.free_port()
    log = folder / "log"
    server = start(servers.redis_command(port, folder), log=log, folder=folder, environment=os.environ)
    url = f"redis://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return bool(redis.Redis.from_url(url).ping())
        except redis.exceptions.ConnectionError:
            return False

    try:
        wait_for("redis", answers, limit=20, process=server, log=log)
        yield url
    finally:
        server.kill()
        server.wait()


def inspect(dags: Path, version: str, out: Path) -> dict[str, Any]:
    """What the Airflow of the version makes of a folder of DAG files."""
    home = out.parent / f"home-{out.stem}"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")},
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(SHADOW / "plugins"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "120",
        "PYTHONPATH": str(SHADOW),
    }
    script = Path(__file__).with_name("inspect_dags.py")
    done = subprocess.run(
        [str(default_python(version)), str(script), str(dags), str(out)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return json.loads(out.read_text(encoding="utf-8"))


def assert_clean(workspace: Workspace, version: str) -> None:
    """Linter and formatter have nothing to say of the files; of those for 2.11 the linter's advice is to move to 3."""
    ruff = str(Path(sys.executable).with_name("ruff"))
    rules = "AIR,E9,F" if version == "3" else "E9,F"
    for words in (["check", "--select", rules], ["format", "--check", "--diff"]):
        done = subprocess.run(
            [ruff, *words, "--isolated", "--no-cache", "--line-length", "120", str(workspace.dags)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def assert_as_planned(workspace: Workspace, seen: dict[str, Any]) -> int:
    """Compares what Airflow sees with the plan and with legacy's ticks; returns how many pipelines that were."""
    assert seen["errors"] == {}
    plan = workspace.json("plan", status=(0, 1))
    pipelines = {pipeline["id"]: pipeline for pipeline in plan["pipelines"]}
    assert set(seen["dags"]) == set(pipelines)
    for name, pipeline in pipelines.items():
        dag = seen["dags"][name]
        assert dag["catchup"] is False
        assert_structure(pipeline, dag["tasks"])
    assert_ticks(workspace, pipelines, seen)
    return len(pipelines)


def assert_structure(pipeline: dict[str, Any], tasks: dict[str, Any]) -> None:
    """Every task of the plan is there, nothing else but the gate, and each runs after what the plan says."""
    planned = {task["id"]: task for task in pipeline["tasks"]}
    # A task that takes a queue's jobs runs once per job, after one that claims them.
    entrances = {name: f"take_{name}" if task["runs"] == "queue" else name for name, task in planned.items()}
    assert set(tasks) == {"gate", *planned, *entrances.values()}, pipeline["id"]
    upstream = {name: {other for other, task in tasks.items() if name in task["downstream"]} for name in tasks}
    for name, task in planned.items():
        entrance = entrances[name]
        assert upstream[entrance] == (set(task["after"]) or {"gate"}), f"{pipeline['id']}.{name}"
        assert tasks[entrance]["trigger_rule"] == task["trigger_rule"]
        assert entrance == name or upstream[name] == {entrance}


def assert_ticks(workspace: Workspace, pipelines: dict[str, Any], seen: dict[str, Any]) -> None:
    """The next runs that Airflow would create are legacy's next ticks."""
    inventory = {entry["id"]: entry for entry in workspace.json("import")["entries"]}
    names, questions = [], []
    for name, pipeline in pipelines.items():
        ticks = seen["dags"][name]["ticks"]
        if pipeline["driver"] is None:
            continue
        schedule = inventory[pipeline["driver"]]["schedule"]
        # Legacy counts an interval from the moment of each run, so it has no ticks but those that follow a run.
        follows = schedule["__type__"] == "interval" and ticks
        question = {
            "tz": pipeline["timezone"],
            "schedule": schedule,
            "from": ticks[0] if follows else seen["now"],
            "count": TICKS - 1 if follows else TICKS,
        }
        names.append((name, ticks[1:] if follows else ticks))
        questions.append(json.dumps(question))
    answers = workspace.run("ticks", "--stdin", "--json", text="\n".join(questions) + "\n").stdout.splitlines()
    assert len(answers) == len(names)
    for (name, ticks), question, line in zip(names, questions, answers):
        answer = json.loads(line)
        assert "error" not in answer, f"{name}: {question}: {answer}"
        assert ticks == pytest.approx(answer["ticks"], abs=1e-5), f"{name}: {question}"
        assert len(ticks) >= TICKS - 1 or answer["end"], f"{name}: {question}"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_companys_pipelines(version: str, legacy: Any, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "company", {**legacy.settings(), "target": target(version)})
    for mapping in (ROOT / "mappings" / "examples" / "company").glob("*.yaml"):
        shutil.copy(mapping, workspace.folder / "mappings")
    workspace.run("import")
    workspace.run("generate")
    seen = inspect(workspace.dags, version, tmp_path / f"seen-{version}.json")
    assert assert_as_planned(workspace, seen) >= 7


@pytest.mark.parametrize("number", [pytest.param(n, marks=[pytest.mark.full] if n else []) for n in range(COMPANIES)])
def test_pipelines_of_random_companies(number: int, redis_url: str, tmp_path: Path) -> None:
    print(f"BAILEY_SEED={SEED}, company {number}")
    company = RandomCompany(random.Random(f"{SEED}/{number}"), f"{redis_url}/{number}")
    company.save_entries(ENTRIES)
    mappings = company.mappings()
    versions = ("33",) if number == 0 else ("33", "30", "211")
    found = 0
    for target_version in sorted({target(version)["airflow"]["version"] for version in versions}):
        settings = {
            "sources": {"legacy": {"kind": "redbeat", "url": f"{redis_url}/{number}", "timezone": company.zone}},
            "environments": {"company": company_environment()},
            "target": {"airflow": {"version": target_version}},
        }
        workspace = Workspace(tmp_path / target_version, settings)
        for mapping in mappings:
            workspace.add_mapping(mapping)
        workspace.run("import", status=(0, 1))
        workspace.run("generate", status=(0, 1))
        for version in versions:
            if target(version)["airflow"]["version"] == target_version:
                seen = inspect(workspace.dags, version, tmp_path / f"seen-{version}.json")
                found = assert_as_planned(workspace, seen)
                print(f"{version}: {found} pipelines", file=sys.stderr)
        for words in ([], ["--ungated"]):
            workspace.run("generate", *words, status=(0, 1))
            assert_clean(workspace, target_version)
    assert found * COMPANIES >= 300


def target(version: str) -> dict[str, Any]:
    """The settings for files that are to run in the version."""
    return {"airflow": {"version": "2.11" if version == "211" else "3"}}
