"""`bailey cutover` and `rollback` of rows that a real beat with django-celery-beat's own scheduler runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from beat_world import SOURCE, TASK, Beat, Switch, beat, fired, make

from testing.server import wait_until

BAILEY = Path(__file__).resolve().parents[3] / ".build/debug/bailey"
OVERRIDE = ("--override", "test", "--reason", "no shadowing here")
PIPELINE = "d__each"


class Desk:
    """A workspace before the database, and a beat whose loop takes a second."""

    def __init__(self, folder: Path, url: str, one: Beat, switch: Switch) -> None:
        self.folder, self.beat, self.switch = folder, one, switch
        folder.joinpath("mappings").mkdir()
        # So often that nobody would move it, which is said; here it is.
        mapping = {"pipeline": PIPELINE, "clock": "d/each", "absorbs": [], "tasks": {"run": {"entry": "d/each"}}}
        folder.joinpath("mappings/each.yaml").write_text(json.dumps(mapping), encoding="utf-8")
        source = {"kind": "django_celery_beat", "url": url, "broker_url": one.server.url, "max_interval": 1}
        document = {"version": 1, "sources": {"d": source | {"celery": {"settings": {}, "environment": "application"}}}}
        document["environments"] = {"application": {"python": sys.executable}}
        folder.joinpath("bailey.yaml").write_text(json.dumps(document), encoding="utf-8")
        assert self.bailey("import").returncode == 0
        # The first command installs the switch, and moves nothing before a gate has asked there.
        first = self.cutover()
        assert first.returncode == 1 and "has asked the switch" in first.stdout + first.stderr, first.stderr
        assert switch.ask(PIPELINE, one.of("each")[0] - 1, "r0")["mode"] == "shadow"

    def bailey(self, *words: str, die_at: int | None = None) -> subprocess.CompletedProcess[str]:
        environment = os.environ | ({} if die_at is None else {"BAILEY_DIE_AT": str(die_at)})
        return subprocess.run(
            [str(BAILEY), *words],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def cutover(self, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
        return self.bailey("cutover", PIPELINE, "--execute", "--installation", "a", *OVERRIDE, *words, **more)

    def rollback(self, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
        return self.bailey("rollback", PIPELINE, "--execute", *words, **more)

    def state(self) -> str:
        row = self.switch.connection.execute("SELECT state FROM bailey_beat.switch WHERE pipeline = %s", (PIPELINE,))
        found = row.fetchone()
        return "legacy" if found is None else str(found[0])


@pytest.fixture
def desk(database: str, switch: Switch, tmp_path: Path) -> Iterator[Desk]:
    make("each", every=3)
    folder = tmp_path / "beat"
    folder.mkdir()
    with beat(database, folder, loop=1) as one:
        fired(one, "each", 900)
        yield Desk(tmp_path, database, one, switch)


def test_moved_it_is_run_by_the_gate_alone_and_given_back_by_beat(desk: Desk) -> None:
    looked = desk.bailey("cutover", PIPELINE)
    assert "would" in looked.stdout + looked.stderr, looked.stdout + looked.stderr
    done = desk.cutover()
    assert done.returncode == 0, done.stdout + done.stderr
    assert desk.state() == "airflow"
    last = len(desk.beat.of("each"))
    tick = float(int(time.time()) + 1)
    assert desk.switch.ask(PIPELINE, tick, "r1")["mode"] == "live"
    status = json.loads(desk.bailey("status", "--json").stdout)
    assert "airflow" in json.dumps(status)
    time.sleep(6)  # Two ticks, and several loops of beat.
    assert len(desk.beat.of("each")) == last
    back = desk.rollback()
    assert back.returncode == 0, back.stdout + back.stderr
    assert fired(desk.beat, "each", 120) >= tick + 3 - 0.5
    assert desk.cutover().returncode == 0
    assert desk.rollback().returncode == 0


def test_killed_at_each_line_of_the_journal_the_next_command_goes_on(desk: Desk) -> None:
    killed = 0
    for line in range(1, 30):
        if desk.cutover(die_at=line).returncode == 0:
            break
        killed += 1
        if line % 2:
            again = desk.cutover()
            assert again.returncode == 0, again.stdout + again.stderr
            assert desk.state() == "airflow", line
            while desk.rollback(die_at=1 + line % 3).returncode == -9:
                killed += 1
                if desk.rollback().returncode == 0:
                    break
        else:
            desk.rollback()
        assert desk.state() == "legacy", line
        row = desk.switch.row("each")
        assert row["enabled"] and row["start_time"] is None, line
    assert killed > 8
    desk.rollback()
    witnesses = f"SELECT count(*) FROM {TASK} WHERE task = 'bailey.witness' AND enabled"
    assert desk.switch.connection.execute(witnesses).fetchone() == (0,)
    fired(desk.beat, "each", 120)


def test_without_a_beat_nothing_is_moved(desk: Desk) -> None:
    desk.beat.stop()
    before = desk.switch.row("each")
    done = desk.cutover()
    assert done.returncode == 1 and "not-driven" in done.stdout + done.stderr or "no beat" in done.stdout + done.stderr
    assert desk.state() == "legacy" and desk.switch.row("each") == before


def test_a_lost_switch_is_told_and_given_back_by_the_journal(desk: Desk) -> None:
    assert desk.cutover().returncode == 0
    desk.switch.connection.execute("DROP SCHEMA bailey_beat CASCADE")
    told = desk.bailey("status")
    assert "no switch is there" in told.stdout + told.stderr, told.stdout + told.stderr
    back = desk.rollback()
    assert back.returncode == 0, back.stdout + back.stderr
    wait_until("the row is enabled", lambda: desk.switch.row("each")["enabled"])
    fired(desk.beat, "each", 120)
    from beat_world import install

    install(desk.switch.connection.info.dsn)


def test_beat_fires_a_copy_whose_message_is_that_of_the_dag(desk: Desk) -> None:
    desk.switch.connection.execute(
        f"""UPDATE {TASK} SET args = '[1, "é"]', headers = '{{"x": 1}}', expire_seconds = 60 WHERE name = 'each'"""
    )
    assert desk.bailey("import").returncode == 0

    def rehearsed() -> dict[str, Any]:
        done = desk.bailey("rehearse", PIPELINE, "--execute", "--json")
        rehearsal: dict[str, Any] = json.loads(done.stdout)["rehearsal"]
        return rehearsal

    # Nobody has said here which Celery beat is of, and 5.7 adds a header.
    [message] = rehearsed()["messages"]
    assert [one["property"] for one in message["differences"]] == ["headers.celery_beat_task"], message
    document = json.loads(desk.folder.joinpath("bailey.yaml").read_text(encoding="utf-8"))
    document["sources"]["d"]["celery"] = {"app": "beat_app:app", "environment": "application"}
    document["environments"]["application"] |= {
        "path": [str(Path(__file__).resolve().parent)],
        "env": {"BEAT_DATABASE": document["sources"]["d"]["url"], "BEAT_BROKER": desk.beat.server.url},
    }
    desk.folder.joinpath("bailey.yaml").write_text(json.dumps(document), encoding="utf-8")
    assert desk.bailey("import").returncode == 0
    sent = len(desk.beat.of("each"))
    rehearsal = rehearsed()
    [message] = rehearsal["messages"]
    assert message["verdict"] == "same" and "headers.periodic_task_name" in message["same"], json.dumps(message)
    # What beat fires goes on meanwhile, and nothing of the copy is left: no row, no message, no queue.
    wait_until("beat fires its own", lambda: len(desk.beat.of("each")) > sent, 60)
    rows = desk.switch.connection.execute(f"SELECT name FROM {TASK} WHERE name LIKE 'bailey%'").fetchall()
    assert rows == [] and desk.switch.connection.execute("SELECT FROM bailey_beat.copy").fetchall() == []
    client = redis.Redis.from_url(desk.beat.server.url)
    assert [key for key in client.scan_iter() if b"bailey-rehearsal" in key] == []
    assert any(step["name"] == "entries of d" and step["passed"] for step in rehearsal["steps"]), rehearsal


def test_what_a_rehearsal_that_died_has_left_is_taken_away_by_the_next(desk: Desk) -> None:
    for name in ("bailey-rehearsal-0123456789abcdef-1", "kept"):
        row = json.dumps(desk.switch.row("each"))
        desk.switch.call("copy", SOURCE, row, name, json.dumps({"queue": "nobody", "exchange": "nobody"}), 1_000_000)
    wait_until("beat has fired it", lambda: desk.switch.call("fired", SOURCE, "kept")["answer"] == "fired", 120)
    assert desk.switch.call("uncopy", SOURCE, "bailey-rehearsal-0123456789abcdef-")["count"] == 1
    assert desk.switch.row("kept")["total_run_count"] == 1
    assert desk.switch.call("fired", SOURCE, "bailey-rehearsal-0123456789abcdef-1")["answer"] == "gone"
    desk.switch.connection.execute(f"DELETE FROM {TASK} WHERE name = 'kept'")
    assert desk.switch.call("fired", SOURCE, "kept")["answer"] == "gone"
    # Beat goes on without them.
    sent = len(desk.beat.of("each"))
    wait_until("beat fires its own", lambda: len(desk.beat.of("each")) > sent, 60)
