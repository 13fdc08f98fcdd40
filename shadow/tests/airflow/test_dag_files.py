"""Generated files in Airflow's own parser, version by version: no error, the plan's structure, legacy's ticks."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
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
# How many random legacy systems there are with --full, and without.
INVENTORIES, FEW = int(os.environ.get("BAILEY_INVENTORIES", "300")), 8
ENTRIES = 12
# How many ticks are compared; all of them where a schedule has as many.
TICKS = 50
MOVING = ("sql", "copy", "http", "wait")
SEED = int(os.environ.get("BAILEY_SEED", str(random.randrange(2**32))))


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis that holds the random companies, one a database."""
    folder = tmp_path_factory.mktemp("redis")
    port = servers.free_port()
    log = folder / "log"
    command = [*servers.redis_command(port, folder), "--databases", str(INVENTORIES + 2)]
    server = start(command, log=log, folder=folder, environment=os.environ)
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


@dataclass(frozen=True)
class Generated:
    """A workspace and what was generated in it, with gates and without."""

    workspace: Workspace
    gated: Path
    ungated: Path


class Companies:
    """Random companies; what is generated for a target is generated once."""

    def __init__(self, url: str, folder: Path, count: int) -> None:
        print(f"BAILEY_SEED={SEED}, {count} inventories", file=sys.stderr)
        self._url = url
        self._folder = folder
        self._made: list[tuple[str, list[dict[str, Any]]]] = []
        self._generated: dict[str, list[Generated]] = {}
        for number in range(count):
            draw = random.Random(f"{SEED}/{number}")
            company = RandomCompany(draw, f"{url}/{number}")
            company.save_entries(draw.randrange(1, ENTRIES + 1))
            self._made.append((company.zone, company.mappings()))

    def generated(self, airflow: str) -> list[Generated]:
        """What Bailey makes of every company for a version of Airflow, as `target.airflow.version` has it."""
        if airflow not in self._generated:
            self._generated[airflow] = [self._generate(airflow, number) for number in range(len(self._made))]
        return self._generated[airflow]

    def _generate(self, airflow: str, number: int) -> Generated:
        zone, mappings = self._made[number]
        settings = {
            "sources": {
                "legacy": {
                    "kind": "redbeat",
                    "celery": {"settings": {}},
                    "url": f"{self._url}/{number}",
                    "timezone": zone,
                }
            },
            "environments": {"company": company_environment()},
            "alerts": [{"name": name, "webhook": "https://example.com/secret"} for name in ("ops", "all")],
            "target": {"airflow": {"version": airflow}},
        }
        workspace = Workspace(self._folder / airflow / str(number), settings)
        for mapping in mappings:
            workspace.add_mapping(mapping)
        workspace.run("import", status=(0, 1))
        places = []
        for words in ([], ["--ungated"]):
            workspace.run("generate", *words, status=(0, 1))
            places.append(workspace.dags.rename(workspace.folder / ("ungated" if words else "gated")))
        return Generated(workspace, *places)


@pytest.fixture(scope="module")
def companies(request: pytest.FixtureRequest, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Companies:
    """All of them with --full, else a few."""
    count = INVENTORIES if request.config.getoption("--full") else FEW
    return Companies(redis_url, tmp_path_factory.mktemp("companies"), count)


def inspect(folders: list[Path], version: str, place: Path) -> list[dict[str, Any]]:
    """What the Airflow of the version makes of each folder of DAG files. `place` is a folder for its own files."""
    place.mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")},
        "AIRFLOW_HOME": str(place / "home"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(SHADOW / "plugins"),
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "120",
        "PYTHONPATH": str(SHADOW),
    }
    script, out = Path(__file__).with_name("inspect_dags.py"), place / "seen"
    done = subprocess.run(
        [str(default_python(version)), str(script), str(out), *map(str, folders)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    seen = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert len(seen) == len(folders)
    return seen


def assert_clean(folders: list[Path], airflow: str) -> None:
    """Linter and formatter have nothing to say of the files; of those for 2.11 the linter's advice is to move to 3."""
    ruff = str(Path(sys.executable).with_name("ruff"))
    rules = "AIR,E9,F" if airflow == "3" else "E9,F"
    for words in (["check", "--select", rules], ["format", "--check", "--diff"]):
        done = subprocess.run(
            [ruff, *words, "--isolated", "--no-cache", "--line-length", "120", *map(str, folders)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def assert_as_planned(workspace: Workspace, *sights: dict[str, Any], gates: tuple[bool, ...] = (True,)) -> int:
    """Compares what Airflow sees, of files with gates or without, with the plan and with legacy's ticks; returns how many pipelines that were."""
    plan = workspace.json("plan", status=(0, 1))
    pipelines = {pipeline["id"]: pipeline for pipeline in plan["pipelines"]}
    for seen, gated in zip(sights, gates):
        assert seen["errors"] == {}
        assert seen["warnings"] == []
        assert set(seen["dags"]) == set(pipelines)
        for name, pipeline in pipelines.items():
            dag = seen["dags"][name]
            assert dag["catchup"] is False
            assert_parameters(pipeline, dag["params"], gated)
            assert_structure(pipeline, dag["tasks"], gated)
        assert_ticks(workspace, pipelines, seen)
    return len(pipelines)


def assert_structure(pipeline: dict[str, Any], tasks: dict[str, Any], gated: bool) -> None:
    """Every task of the plan is there, nothing else but a gate, and each runs after what the plan says."""
    gate = {"gate"} if gated else set()
    planned = {task["id"]: task for task in pipeline["tasks"]}
    # A task that takes a queue's jobs runs once per job, after one that claims them.
    mapped = {name for name, task in planned.items() if task["runs"] == "queue" or task["for_each"]}
    entrances = {name: f"take_{name}" if name in mapped else name for name in planned}
    assert set(tasks) == {*gate, *planned, *entrances.values()}, pipeline["id"]
    upstream = {name: {other for other, task in tasks.items() if name in task["downstream"]} for name in tasks}
    for name, task in planned.items():
        entrance = entrances[name]
        assert upstream[entrance] == (set(task["after"]) or gate), f"{pipeline['id']}.{name}"
        # One after a task that is skipped where it is only observed looks itself whether all succeeded.
        looks = (
            gated
            and task["trigger_rule"] == "all_success"
            and any(planned[one]["runs"] in MOVING for one in task["after"])
        )
        assert tasks[entrance]["trigger_rule"] == ("none_failed" if looks else task["trigger_rule"])
        assert entrance == name or upstream[name] == {entrance}


def assert_parameters(pipeline: dict[str, Any], seen: dict[str, Any], gated: bool) -> None:
    """The DAG's parameters are the plan's; behind a gate there is its own too."""
    quiet = "shadow" if pipeline["entries"] else "trial"
    gate = {"bailey_mode": [quiet, {"enum": [quiet, "live"]}]} if gated else {}
    planned = {
        one["name"]: [one["default"], {"type": one["type"], **({"enum": one["choices"]} if one["choices"] else {})}]
        for one in pipeline["params"]
    }
    assert seen == {**gate, **planned}


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
    target = {"airflow": {"version": target_of(version)}}
    workspace = Workspace(tmp_path / "company", {**legacy.settings(), "target": target})
    for mapping in (ROOT / "mappings" / "examples" / "laboratory").glob("*.yaml"):
        shutil.copy(mapping, workspace.folder / "mappings")
    workspace.run("import")
    workspace.run("generate")
    (seen,) = inspect([workspace.dags], version, tmp_path / "airflow")
    assert assert_as_planned(workspace, seen) >= 7


@pytest.mark.parametrize("version", VERSIONS)
def test_a_warehouses_pipelines_and_one_that_tells_people(version: str, redis_url: str, tmp_path: Path) -> None:
    # One entry of legacy's, which becomes a pipeline of its own.
    url = f"{redis_url}/{INVENTORIES + 1}"
    interval = {"__type__": "interval", "every": 3600, "relative": False}
    entry = {"name": "e", "task": "t", "args": [], "kwargs": {}, "options": {}, "schedule": interval, "enabled": True}
    with redis.Redis.from_url(url) as client:
        client.hset("redbeat:e", "definition", json.dumps(entry))
        client.zadd("redbeat::schedule", {"redbeat:e": 1})
    settings = {
        "sources": {"scheduler": {"kind": "redbeat", "url": url, "timezone": "UTC", "celery": {"settings": {}}}},
        "target": {"airflow": {"version": target_of(version)}},
        "connections": {name: {"url": "postgresql://localhost/a"} for name in ("application", "warehouse")},
        "pools": {"warehouse": 4},
        "alerts": [{"name": name, "webhook": "https://example.com/secret"} for name in ("ops", "all")],
    }
    workspace = Workspace(tmp_path / "bridge", settings)
    shutil.copytree(ROOT / "mappings/examples/warehouse/mappings", workspace.folder / "mappings", dirs_exist_ok=True)
    notify = {"failed": ["ops", "all"], "late": "all"}
    task = {"command": ["true"], "sla": "5m", "notify": {"retried": ["ops"], "late": ["ops"]}}
    telling = {"pipeline": "telling", "schedule": {"interval": "1h"}, "sla": "30m", "notify": notify}
    workspace.add_mapping({**telling, "tasks": {"load": task, "quiet": {"command": ["true"], "after": ["load"]}}})
    workspace.run("import", status=(0, 1))
    sights = []
    for words in ([], ["--ungated"]):
        workspace.run("generate", *words, status=(0, 1))
        place = workspace.dags.rename(workspace.folder / ("ungated" if words else "gated"))
        sights += inspect([place], version, tmp_path / place.name)
    assert assert_as_planned(workspace, *sights, gates=(True, False)) == 5


@pytest.mark.parametrize("version", VERSIONS)
def test_pipelines_of_random_inventories(version: str, companies: Companies, tmp_path: Path) -> None:
    generated = companies.generated(target_of(version))
    gated = inspect([one.gated for one in generated], version, tmp_path / "gated")
    ungated = inspect([one.ungated for one in generated], version, tmp_path / "ungated")
    found, fallen = 0, []
    for number, (one, *sights) in enumerate(zip(generated, gated, ungated)):
        try:
            found += assert_as_planned(one.workspace, *sights, gates=(True, False))
        except AssertionError as error:
            fallen.append(f"inventory {number} of BAILEY_SEED={SEED}: {error}")
    print(f"{version}: {found} pipelines of {len(generated)} inventories", file=sys.stderr)
    # All that fell are told, for a run of this takes long.
    assert not fallen, "\n\n".join(fallen)
    assert found >= len(generated)


def test_mappings_say_all_that_they_can(redis_url: str) -> None:
    mappings = []
    # A few companies leave something out by chance; a hundred do not.
    for number in range(100):
        company = RandomCompany(random.Random(f"{SEED}/{number}"), f"{redis_url}/{INVENTORIES}")
        company.save_entries(ENTRIES)
        mappings += company.mappings()
    schema = json.loads((ROOT / "mappings" / "schema" / "mapping.schema.json").read_text(encoding="utf-8"))
    said = {key for mapping in mappings for key in mapping if not key.startswith("x-")}
    of_tasks = {key for mapping in mappings for task in mapping["tasks"].values() for key in task}
    # A file of a person's own holds tasks that the plan does not say. Jobs, workflows and what signatures call need entries of their kinds.
    assert said == set(schema["properties"]) - {"dag", "workflow"}
    assert of_tasks == set(schema["$defs"]["task"]["properties"]) - {"limit", "canvas"}


@pytest.mark.parametrize("airflow", ["3", pytest.param("2.11", marks=pytest.mark.full)])
def test_files_of_random_inventories_are_clean(airflow: str, companies: Companies) -> None:
    generated = companies.generated(airflow)
    assert_clean([folder for one in generated for folder in (one.gated, one.ungated)], airflow)


def target_of(version: str) -> str:
    """The setting for files that are to run in the version."""
    return "2.11" if version == "211" else "3"
