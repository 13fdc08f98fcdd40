"""`bailey deploy` before a real Airflow: what it refuses and why, what an unpause fires, what a rename keeps."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from bailey import Workspace
from rest import eventually
from road import Road, probe

from lab import servers

UNREACHABLE, REFUSED = 3, 1
CLOCK = {"crontab": "* * * * *"}
FOREIGN = """from airflow.sdk import DAG

with DAG("taken", schedule=None, tags=["bailey"]):
    pass
"""


def elsewhere(road: Road, folder: Path, name: str = "taken", **target: Any) -> Workspace:
    """A workspace with one pipeline, whose way to the Airflow differs."""
    settings = json.loads((road.workspace.folder / "bailey.yaml").read_text(encoding="utf-8"))
    del settings["version"]
    settings["target"]["airflow"].update(target)
    settings["sources"] = {"scheduler": settings["sources"]["scheduler"]}
    workspace = Workspace(folder, settings, road.workspace.environment)
    workspace.add_mapping({"pipeline": name, "schedule": CLOCK, "tasks": {"work": probe("nothing")}})
    workspace.run("import", status=(0, 1))
    workspace.run("generate", name)
    return workspace


@pytest.mark.parametrize(
    ("target", "status", "words"),
    [
        pytest.param(
            {"url": f"http://127.0.0.1:{servers.free_port()}"}, UNREACHABLE, ("127.0.0.1", "refused"), id="unreachable"
        ),
        pytest.param({"password": "hunter2"}, UNREACHABLE, ("401", "target.airflow.user"), id="wrong password"),
        pytest.param(
            {"deploy": {"kind": "folder", "path": "/proc/dags"}}, UNREACHABLE, ("/proc/dags",), id="folder missing"
        ),
        pytest.param(
            {"deploy": {"kind": "folder", "path": "/proc"}}, UNREACHABLE, ("/proc",), id="folder not writable"
        ),
    ],
)
def test_what_is_in_the_way_is_named(
    road: Road, tmp_path: Path, target: dict[str, Any], status: int, words: tuple[str, ...]
) -> None:
    workspace = elsewhere(road, tmp_path / "work", **target)
    # Who is root sees only by writing that a folder takes none.
    dry = (0, status) if target.get("deploy") else status
    for execute, ends in (([], dry), (["--execute"], status)):
        done = workspace.run("deploy", *execute, "taken", status=ends)
        said = done.stderr
        assert done.returncode == 0 or all(word in said for word in words), said
        assert len([line for line in said.splitlines() if line.startswith("bailey: ")]) == (done.returncode != 0), said
        assert "hunter2" not in said, "a password is never printed"
    assert road.airflow.found("/dags/taken") is None


def test_a_dag_that_is_not_ours_is_left_alone(road: Road, tmp_path: Path) -> None:
    place = road.stack.folder / "dags" / "somebody's.py"
    place.write_text(FOREIGN, encoding="utf-8")
    try:
        road.airflow.wait_for_dag("taken")
        workspace = elsewhere(road, tmp_path / "work")
        said = workspace.run("deploy", "--execute", "--unpause", "taken", status=REFUSED).stdout
        assert "BLY070" in said and "not Bailey's" in said
        assert place.read_text(encoding="utf-8") == FOREIGN
        assert not (road.stack.folder / "dags" / "taken.py").exists()
        assert road.airflow.call("GET", "/dags/taken")["is_paused"]
    finally:
        place.unlink()


def test_connections_that_mappings_name_are_made_where_it_is_known_where_they_lead(road: Road, tmp_path: Path) -> None:
    name = "connected"
    settings = json.loads((road.workspace.folder / "bailey.yaml").read_text(encoding="utf-8"))
    del settings["version"]
    settings["sources"] = {}
    settings["connections"] = {
        "known-warehouse": {"url": road.legacy.postgres_url},
        "known-agents": {"url": "https://me:pass-phrase@127.0.0.1:8443/api/"},
    }
    workspace = Workspace(tmp_path / "work", settings, road.workspace.environment)
    query = {"connection": "known-warehouse", "text": "SELECT 1 AS one"}
    tasks = {
        "count": {"sql": query},
        "ask": {"http": {"connection": "known-agents", "url": "/ask"}, "after": ["count"]},
        "move": {
            "copy": {"from": query, "to": {"connection": "nowhere-said", "table": "ones"}, "window": "all"},
            "after": ["count"],
        },
    }
    workspace.add_mapping({"pipeline": name, "schedule": {"crontab": "0 4 1 1 *"}, "tasks": tasks})
    workspace.run("import", status=(0, 1))
    workspace.run("generate", name)

    def setups(found: dict[str, Any]) -> dict[str, tuple[str, str, list[str]]]:
        return {one["name"]: (one["state"], one["type"], one["tasks"]) for one in found["setup"]}

    would = workspace.json("deploy", name)
    assert setups(would) == {
        "known-agents": ("missing", "http", ["connected.ask"]),
        "known-warehouse": ("missing", "postgres", ["connected.count", "connected.move"]),
        "nowhere-said": ("missing", "postgres", ["connected.move"]),
    }
    (unknown,) = [one for one in would["findings"] if "nowhere-said" in one["text"]]
    assert (unknown["code"], unknown["severity"]) == ("BLY078", "warning")
    assert "connected.move needs it: a PostgreSQL, of type postgres" in unknown["text"]
    assert road.airflow.found("/connections/known-warehouse") is None

    done = workspace.run("deploy", "--execute", name)
    assert "pass-phrase" not in done.stdout + done.stderr
    assert "made  connection known-agents: an HTTP server (type http), https://127.0.0.1:8443/api; for" in done.stdout
    made = road.airflow.call("GET", "/connections/known-agents")
    assert (made["conn_type"], made["host"], made["port"], made["login"]) == (
        "http",
        "https://127.0.0.1:8443/api",
        None,
        "me",
    )
    assert road.airflow.found("/connections/nowhere-said") is None
    road.airflow.pause(name, False)
    road.airflow.trigger(name, "live", {"bailey_mode": "live"})
    assert road.airflow.ended(name, "live") == "failed"
    # What was made leads there; what is not there is what the task says.
    assert road.airflow.states(name, "live")["count"] == "success"
    outcome = road.airflow.outcome(name, "live", "move")
    assert outcome is not None and "no connection “nowhere-said”" in outcome["error"]["message"]

    # What exists is left as it is, and told where it leads elsewhere.
    road.airflow.call(
        "PATCH", "/connections/known-warehouse?update_mask=schema", {**warehouse(road), "schema": "other"}
    )
    told = workspace.json("deploy", name, "--execute")
    assert setups(told)["known-warehouse"][0] == "exists"
    assert [one["code"] for one in told["findings"] if "known-warehouse" in one["text"]] == ["BLY069"]
    assert road.airflow.call("GET", "/connections/known-warehouse")["schema"] == "other"
    road.airflow.pause(name, True)


def warehouse(road: Road) -> dict[str, Any]:
    """What Airflow's API wants of a connection that is changed."""
    found = road.airflow.call("GET", "/connections/known-warehouse")
    return {key: found[key] for key in ("connection_id", "conn_type", "host", "port", "login")}


@pytest.mark.parametrize("gated", [True, False], ids=["gated", "ungated"])
def test_an_unpause_fires_nothing_that_was_due_before(road: Road, tmp_path: Path, gated: bool) -> None:
    name = f"unpaused-{'gated' if gated else 'ungated'}"
    road.workspace.add_mapping(
        {"pipeline": name, "schedule": CLOCK, "tasks": {"work": probe("last", 0, str(tmp_path))}}
    )
    road.build(name, unpause=False, words=[] if gated else ["--ungated"])
    # A tick passes while it is paused: the scheduler has it in mind, and would run it at once.
    eventually("a tick is due", lambda: due(road, name))
    said = road.workspace.run("deploy", "--unpause", name).stdout
    assert "would fire" in said or "would run" in said, said
    assert road.airflow.call("GET", f"/dags/{name}")["is_paused"], "without --execute nothing is changed"
    before = datetime.now(timezone.utc)
    road.deploy(name)
    assert not road.airflow.call("GET", f"/dags/{name}")["is_paused"]
    first = eventually("the next tick has run", lambda: first_run(road, name, before))
    early = [run for run in road.airflow.runs(name) if datetime.fromisoformat(run["logical_date"]) <= before]
    assert early, "the tick that was due has a run, which keeps the scheduler from making one"
    for run in early:
        assert run["dag_run_id"].startswith("bailey__suppressed__")
        assert not {"success", "failed"} & set(road.airflow.states(name, run["dag_run_id"]).values())
    assert road.airflow.states(name, first)["work"] == "success"
    assert len((tmp_path / "body.begun").read_text(encoding="utf-8").split()) >= 1
    begun = (tmp_path / "body.begun").stat()
    assert begun.st_mtime >= before.timestamp()
    road.remove(name)


def due(road: Road, name: str) -> bool:
    """Whether a tick that the scheduler has in mind has passed."""
    after = road.airflow.call("GET", f"/dags/{name}")["next_dagrun_run_after"]
    return after is not None and datetime.fromisoformat(after).timestamp() < time.time() - 2


def first_run(road: Road, name: str, after: datetime) -> str | None:
    """The first run of a tick after an instant, once it has succeeded."""
    for run in road.airflow.runs(name):
        if datetime.fromisoformat(run["logical_date"]) > after and run["state"] == "success":
            return run["dag_run_id"]
    return None


@pytest.mark.full
def test_a_pipeline_that_is_renamed_keeps_its_history(road: Road) -> None:
    mapping = {"pipeline": "name-of-old", "schedule": {"crontab": "0 4 1 1 *"}, "tasks": {"work": probe("nothing")}}
    road.workspace.add_mapping(mapping)
    road.build("name-of-old")
    road.airflow.trigger("name-of-old", "by-hand")
    assert road.airflow.ended("name-of-old", "by-hand") == "success"
    history = [run["dag_run_id"] for run in road.airflow.runs("name-of-old")]
    (road.workspace.folder / "mappings" / "name-of-old.yaml").unlink()
    road.workspace.add_mapping({**mapping, "pipeline": "a-new-name", "dag_id": "name-of-old"})
    road.build("name-of-old", unpause=False)
    dag = eventually(
        "the new name is shown",
        lambda: next(
            (
                found
                for found in [road.airflow.call("GET", "/dags/name-of-old")]
                if found["dag_display_name"] == "a-new-name"
            ),
            None,
        ),
    )
    assert not dag["is_paused"]
    # The unpause has left one more, which ran nothing.
    assert "by-hand" in history
    assert [run["dag_run_id"] for run in road.airflow.runs("name-of-old")] == history
    assert road.airflow.states("name-of-old", "by-hand")["work"] == "success"
    assert road.airflow.found("/dags/a-new-name") is None
    road.airflow.pause("name-of-old", True)
    (road.workspace.folder / "mappings" / "a-new-name.yaml").unlink()


def test_a_run_that_is_late_is_told_of(road: Road, tmp_path: Path) -> None:
    mapping = {"pipeline": "late", "schedule": {"crontab": "0 4 1 1 *"}, "sla": 2}
    road.workspace.add_mapping({**mapping, "tasks": {"work": probe("last", 15, str(tmp_path))}})
    road.build("late")
    road.airflow.trigger("late", "by-hand")

    def told() -> bool:
        logs = [file for file in road.stack.folder.rglob("*.log") if file.is_file()]
        return any(
            "late: the run by-hand of late" in file.read_text(encoding="utf-8", errors="replace") for file in logs
        )

    eventually("the deadline has fired", told)
    road.airflow.ended("late", "by-hand")
    road.remove("late")


@pytest.mark.versions("211")
def test_a_run_that_is_late_is_told_of_in_211(road: Road, tmp_path: Path) -> None:
    # Airflow 2 looks at the ticks after the next of a task's last success only: each run here outlasts two ticks.
    mapping = {"pipeline": "late", "schedule": {"interval": 20}, "sla": 5}
    road.workspace.add_mapping({**mapping, "tasks": {"work": probe("last", 50, str(tmp_path))}})
    road.build("late")

    def told() -> bool:
        logs = [file for file in road.stack.folder.rglob("*.log") if file.is_file()]
        return any("late: tasks of late" in file.read_text(encoding="utf-8", errors="replace") for file in logs)

    eventually("the SLA's miss is told of", told, limit=300)
    road.remove("late")


@pytest.mark.full
@pytest.mark.versions()
def test_a_connection_that_leads_elsewhere_is_named(road: Road) -> None:
    clock = road.entry("connection-entry", 3600.0)
    road.pipeline("connected", clock, {"work": {"entry": clock, **probe("nothing")}})
    road.workspace.run("import", status=(0, 1))
    road.workspace.run("generate", "connected", status=(0, 1))
    road.workspace.run("deploy", "--execute", "connected")
    found = road.workspace.json("deploy", "connected")
    [name] = [one["name"] for one in found["setup"] if one["kind"] == "connection"]
    assert {"BLY068", "BLY069"}.isdisjoint(one["code"] for one in found["findings"])
    before = road.airflow.call("GET", f"/connections/{name}")
    body = {"connection_id": name, "conn_type": before["conn_type"], "host": before["host"]}
    port = servers.free_port()
    other = subprocess.Popen(["redis-server", "--port", str(port), "--save", ""], stdout=subprocess.DEVNULL)
    try:
        eventually("redis-server answers", lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
        for more, code, words in (
            ({"port": port, "schema": before["schema"]}, "BLY068", "two servers"),
            ({"port": before["port"], "schema": "7"}, "BLY068", "two databases"),
            ({"port": servers.free_port(), "schema": before["schema"]}, "BLY069", "gives no answer"),
        ):
            road.airflow.call("PATCH", f"/connections/{name}", body | more)
            found = road.workspace.json("deploy", "connected", status=(0, 1))
            [finding] = [one for one in found["findings"] if one["code"] in ("BLY068", "BLY069")]
            assert finding["code"] == code and words in finding["text"], finding
            assert found["holds"] is (code == "BLY069")
    finally:
        road.airflow.call("PATCH", f"/connections/{name}", body | {"port": before["port"], "schema": before["schema"]})
        other.kill()
        other.wait()
