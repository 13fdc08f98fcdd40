"""A legacy system that Bailey's sources know nothing of goes all the way in a running Airflow: import to retire, by the same commands."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from bailey import PROGRAM, ROOT, company_environment
from rest import eventually
from road import Road, probe

ALMANAC = ROOT / "Tests" / "ThirdSystem" / "almanac"
DAG, ENTRY = "almanac-nightly", "report"


class Almanac:
    """The file, and its own clock: each minute it runs what is enabled."""

    def __init__(self, path: Path) -> None:
        self.path = path
        entry = {"minute": "*", "task": "report", "enabled": True}
        path.write_text(
            json.dumps({"entries": {ENTRY: entry, "other": entry}, "runs": [], "switches": {}}), encoding="utf-8"
        )
        self._ended = threading.Event()
        self._clock = threading.Thread(target=self._run, daemon=True)

    def read(self) -> dict[str, Any]:
        """What is in it."""
        return json.loads(self.path.read_text(encoding="utf-8"))

    def change(self, body: Callable[[dict[str, Any]], None]) -> None:
        """Changes it alone."""
        with open(f"{self.path}.lock", "a", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            document = self.read()
            body(document)
            new = self.path.with_suffix(".legacy")
            new.write_text(json.dumps(document), encoding="utf-8")
            os.replace(new, self.path)

    def tick(self, tick: datetime) -> None:
        """Runs what is enabled, once."""
        text = tick.strftime("%Y-%m-%dT%H:%M:%SZ")

        def run(document: dict[str, Any]) -> None:
            for name, entry in document["entries"].items():
                if entry["enabled"]:
                    document["runs"].append(
                        {"entry": name, "tick": text, "by": "legacy", "id": f"legacy-{name}-{text}"}
                    )

        self.change(run)

    def _run(self) -> None:
        due = datetime.now(timezone.utc).replace(second=0, microsecond=0) + timedelta(minutes=1)
        while not self._ended.wait(max(0.0, (due - datetime.now(timezone.utc)).total_seconds())):
            self.tick(due)
            due += timedelta(minutes=1)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Its clock goes."""
        self._clock.start()
        try:
            yield
        finally:
            self._ended.set()
            self._clock.join()


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> str:
    """`bailey` with one line more."""
    found = str(Path(PROGRAM).with_name("BaileyWithAlmanac"))
    monkeypatch.setattr("bailey.PROGRAM", found)
    return found


@pytest.mark.full
def test_it_goes_all_the_way(road: Road, program: str, tmp_path: Path) -> None:
    shutil.copytree(ALMANAC, road.stack.folder / "dags" / "almanac", ignore=shutil.ignore_patterns("__pycache__"))
    almanac = Almanac(tmp_path / "almanac.json")
    workspace = road.workspace
    settings = json.loads((workspace.folder / "bailey.yaml").read_text(encoding="utf-8"))
    sources = {"almanac": {"kind": "almanac", "url": str(almanac.path)}}
    environment = {**company_environment()}
    environment["path"] = settings["environments"]["company"]["path"]
    settings.update({"sources": sources, "environments": {"company": environment}})
    own = type(workspace)(tmp_path / "workspace", settings, workspace.environment)
    own.add_mapping(
        {
            "pipeline": DAG,
            "clock": f"almanac/{ENTRY}",
            "tasks": {"work": probe("nothing", entry=f"almanac/{ENTRY}")},
            "policy": {"clean_ticks": 1},
        }
    )
    before = almanac.read()
    full = datetime.now(timezone.utc).replace(second=0, microsecond=0)
    for past in (3, 2, 1):
        almanac.tick(full - timedelta(minutes=past))
    with almanac.running():
        own.run("import")
        own.run("plan", status=(0, 1))
        own.run("generate", DAG)
        assert "from almanac.airflow import AlmanacGate" in (own.dags / f"{DAG}.py").read_text(encoding="utf-8")
        own.run("shadow", "--from-history", DAG, status=(0, 1))
        assert own.json("report", DAG, status=(0, 1, 2))["bailey"] == "report"
        own.run("deploy", "--execute", "--unpause", DAG)

        own.run("cutover", DAG, "--execute", "--override", "a test", "--reason", "the third system walks")
        assert almanac.read()["entries"][ENTRY]["enabled"] is False
        assert own.json("status", DAG)["pipelines"][0]["owner"] == "airflow"
        # Its owner enables the entry behind everybody's back; whoever watches closes it again.
        almanac.change(lambda document: document["entries"][ENTRY].update(enabled=True))
        own.run("watch", "--once", status=(0, 1))
        assert almanac.read()["entries"][ENTRY]["enabled"] is False
        own.run("rollback", DAG, "--execute")
        assert almanac.read()["entries"] == before["entries"]
        own.run("cutover", DAG, "--execute", "--override", "a test", "--reason", "and once more")

        early = own.json("retire", DAG, status=(0, 1))
        assert early["entries"] == [{"key": ENTRY, "state": "airflow"}]
        eventually("a tick was clean", lambda: own.json("retire", DAG, status=(0, 1))["holds"])
        # One that is killed when the switch is marked is completed, and nothing gives it back meanwhile.
        marked = {**own.environment, "BAILEY_DIE_AT": "4"}
        killed = subprocess.run(
            [program, "retire", DAG, "--execute"], cwd=own.folder, env=marked, capture_output=True, check=False
        )
        assert killed.returncode == -9
        if almanac.read()["switches"][DAG].get("retiring"):
            refused = own.json("rollback", DAG, "--execute", status=1)
            assert refused["pipelines"][0]["refusal"]["reason"] == "retiring"
        done = own.json("retire", DAG, "--execute", "--wait", "3m")
        assert done["outcome"] == "done", done
        assert list(almanac.read()["entries"]) == ["other"] and almanac.read()["switches"] == {}
        assert done["archive"]["entries"][ENTRY]["enabled"] is False
        file = (road.stack.folder / "dags" / f"{DAG}.py").read_text(encoding="utf-8")
        assert "Almanac" not in file and "bailey_runtime" not in file
        assert own.json("status", DAG)["pipelines"][0]["stage"] == "retired"
        assert own.json("retire", DAG, "--execute")["outcome"] == "already"
        count = len(road.airflow.runs(DAG))
        eventually(
            "it runs on",
            lambda: [run["state"] for run in road.airflow.runs(DAG)[count:]].count("success") >= 1,
        )
    # No tick by both.
    legacy = Counter(run["tick"] for run in almanac.read()["runs"] if run["entry"] == ENTRY)
    claimed = {claim["tick"] for claim in done["archive"]["switch"]["claims"]}
    assert set(legacy.values()) == {1} and claimed and not claimed & set(legacy)
    road.airflow.pause(DAG, True)
