"""`bailey status` on a real Redis and beat: each stage of a pipeline, who ran its ticks, and what is not known."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from desk import Desk

from bailey_runtime.switch import Group, Switch
from testing.server import free_port, wait_until


@pytest.fixture(autouse=True)
def plain(desk: Desk) -> None:
    """No settings but a test's own."""
    desk.settle()


def test_the_stages_of_a_pipeline(desk: Desk) -> None:
    entry = desk.entry()
    assert (desk.status(entry)["stage"], desk.status(entry)["owner"]) == ("planned", "legacy")
    desk.run("generate", entry.pipeline)
    assert desk.status(entry)["stage"] == "generated"
    # Its gate asks for the first time.
    switch = Switch(desk.world.server.client(), Group((entry.name,)))
    now = int(desk.redis.time()[0]) * 1_000_000
    assert switch.call("claim", str(now), f"{entry.pipeline}/r0", "coalesce", "", str(now), "", "")[0] == "shadow"
    status = desk.status(entry)
    assert status["stage"] == "shadowing"
    assert status["waits_for"].startswith("compared-ticks: 0 of 5")
    assert {line["rule"]: line["verdict"] for line in status["policy"]["lines"]}["deployed"] == "pass"
    # Nothing of this world consumes Celery's messages.
    silent = {"message_parity": {"required": False}, "round_trip": {"required": False}}
    desk.settle(policy={"compared_ticks": 0, "in_a_row": 0})
    assert desk.status(entry)["waits_for"].startswith("message-parity: nobody has compared the message of “run”")
    desk.settle(policy={"compared_ticks": 0, "in_a_row": 0, **silent})
    assert desk.status(entry)["stage"] == "ready"
    assert desk.status(entry)["waits_for"] == f"a person: bailey cutover {entry.pipeline} --execute"

    desk.left_closing(entry)
    status = desk.status(entry)
    assert (status["stage"], status["owner"]) == ("closing", "closing")
    desk.run("cutover", entry.pipeline, "--execute")
    status = desk.status(entry)
    assert (status["stage"], status["owner"]) == ("airflow", "airflow")
    assert status["waits_for"] == f"clean ticks, then bailey retire {entry.pipeline}"
    tick = desk.claim(entry, "r1", ahead=3)
    status = desk.status(entry)
    newest = status["ticks"][0]
    assert (newest["runner"], newest["run"], newest["how"]) == ("airflow", f"{entry.pipeline}/r1", "live")
    assert status["next_tick"] > newest["tick"]

    desk.run("rollback", entry.pipeline, "--execute")
    assert (desk.status(entry)["stage"], desk.status(entry)["owner"]) == ("rolled-back", "legacy")
    # Only the newest ticks are told, and legacy goes on meanwhile: the claim is among them once both have run.
    seen: dict[int, str] = {}

    def legacy_goes_on() -> bool:
        ticks = desk.status(entry)["ticks"]
        seen.update({one["tick"]: one["runner"] for one in ticks})
        return bool(ticks[0]["runner"].startswith("legacy"))

    wait_until("legacy goes on after the claim", legacy_goes_on, 60)
    assert "airflow" in seen.values(), (tick, seen)
    text = desk.world.bailey("status").stdout
    assert f"{entry.pipeline}" in text and "rolled-back" in text


def test_what_cannot_be_read_is_said(desk: Desk, tmp_path: Path) -> None:
    entry = desk.entry()
    desk.cut_over(entry)
    settings = (desk.world.folder / "bailey.yaml").read_text(encoding="utf-8")
    other = tmp_path / "elsewhere"
    shutil.copytree(desk.world.folder / "mappings", other / "mappings")
    shutil.copytree(desk.world.folder / ".bailey", other / ".bailey")
    # The legacy system is down.
    down = settings.replace(f":{desk.world.server.port}/", f":{free_port()}/")
    (other / "bailey.yaml").write_text(down, encoding="utf-8")
    report = desk.run("status", entry.pipeline, "--config", str(other / "bailey.yaml"))
    [status] = report["pipelines"]
    assert (status["stage"], status["owner"]) == ("unknown", None)
    assert status["waits_for"] == "a legacy system that cannot be read; see bailey doctor"
    assert any("Redis at" in text for text in report["unknown"])
    assert all(tick["runner"] == "unknown" for tick in status["ticks"])
    # Bailey's own state is lost: the switches tell of what was moved.
    shutil.rmtree(other / ".bailey")
    (other / "bailey.yaml").write_text(settings, encoding="utf-8")
    report = desk.run("status", "--config", str(other / "bailey.yaml"))
    [status] = [one for one in report["pipelines"] if one["id"] == entry.pipeline]
    assert (status["stage"], status["owner"]) == ("airflow", "airflow")
    assert any("run bailey import" in text for text in report["unknown"])
    # And so it can be rolled back from there.
    done = desk.run("rollback", entry.pipeline, "--execute", "--config", str(other / "bailey.yaml"))
    assert [one["outcome"] for one in done["pipelines"]] == ["done"]
    desk.legacy_resumes(entry)


def test_no_such_pipeline(desk: Desk) -> None:
    for command in ("status", "cutover", "rehearse", "retire"):
        done = desk.world.bailey(command, "nobody")
        assert (done.returncode, done.stdout) == (2, ""), (command, done.stdout)
        assert "there is no pipeline “nobody”" in done.stderr, (command, done.stderr)
    done = desk.world.bailey("rollback", "nobody", "--execute", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["pipelines"][0]["outcome"] == "nothing"
