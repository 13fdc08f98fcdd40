"""`import --from-app`: the schedule of an application's code, loaded in its own interpreter, alone and beside live workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from testing.server import Server, wait_until
from testing.world import BAILEY

HERE = Path(__file__).resolve().parent

# What Celery and RedBeat make of the same application: each entry's schedule as RedBeat stores it.
ORACLE = """
import json, sys
from redbeat.decoder import RedBeatJSONEncoder
from celery.beat import ScheduleEntry
from coded_app import app
app.finalize()
class Encoder(RedBeatJSONEncoder):
    def default(self, value):
        return sorted(value) if isinstance(value, set) else super().default(value)
found = {}
for name, stored in app.conf.beat_schedule.items():
    try:
        entry = ScheduleEntry(**dict(stored, name=name, app=app))
        found[name] = json.loads(json.dumps(entry.schedule, cls=Encoder))
    except Exception as error:
        found[name] = None
print(json.dumps({"entries": found, "zone": str(app.timezone)}))
"""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("broker"), durable=False)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Place:
    """A workspace with one application."""

    def __init__(self, folder: Path, broker: Server, **celery: Any) -> None:
        self.folder = folder
        self.env = {"CODED_BROKER": broker.url}
        source: dict[str, Any] = {"kind": "celery", "url": broker.url}
        if celery:
            source["celery"] = celery
        self.document: dict[str, Any] = {"version": 1, "sources": {"s": source}}
        folder.joinpath("mappings").mkdir()

    def bailey(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        environment = {"python": sys.executable, "path": [str(HERE), str(self.folder)], "env": self.env | env}
        self.document["environments"] = {"lab": environment}
        self.folder.joinpath("bailey.yaml").write_text(json.dumps(self.document), encoding="utf-8")
        return subprocess.run(
            [str(BAILEY), *words], cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
        )

    def inventory(self, *words: str, **env: str) -> dict[str, Any]:
        done = self.bailey("import", *words, "--json", **env)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def notes(inventory: dict[str, Any], name: str | None) -> dict[str, str]:
    """The notes of an entry, or of the source, by their code."""
    places = inventory["sources"] if name is None else [e for e in inventory["entries"] if e["name"] == name]
    return {note["code"]: note["detail"] for place in places for note in place["notes"]}


def test_every_entry_of_the_code_is_what_celery_makes_of_it(broker: Server, tmp_path: Path) -> None:
    place = Place(tmp_path, broker)
    inventory = place.inventory("--from-app", "coded_app:app", "--environment", "lab")
    entries = {entry["name"]: entry for entry in inventory["entries"]}
    unread = {record["key"]: record["reason"] for record in inventory["unread"]}
    env = os.environ | place.env | {"PYTHONPATH": str(HERE)}
    told = subprocess.run([sys.executable, "-c", ORACLE], env=env, capture_output=True, text=True, check=True)
    oracle = json.loads(told.stdout.splitlines()[-1])
    assert set(oracle["entries"]) == set(entries) | set(unread)
    assert inventory["sources"][0]["found"] == len(oracle["entries"])
    for name, entry in entries.items():
        if name in ("sun", "odd"):
            assert entry["schedule"] is None and "BLY027" in notes(inventory, name)
            continue
        meant = dict(oracle["entries"][name])
        # RedBeat writes an interval as a number with a point.
        if "every" in meant:
            meant["every"], entry["schedule"]["every"] = float(meant["every"]), float(entry["schedule"]["every"])
        assert entry["schedule"] == meant, name
        assert entry["timezone"] == oracle["zone"] == "Europe/Moscow"
    assert unread == {"nothing": "no-schedule", "number": "malformed-entry", "what": "not-json"}
    assert entries["nightly"]["options"] == {"queue": "heavy", "expires": 60}
    assert entries["late"]["options"]["expires"] == 10 and entries["late"]["args"] == [5]
    assert "on_after_configure" in notes(inventory, "early")["BLY008"]
    assert "celery.schedules" not in notes(inventory, "sun")["BLY027"]
    assert "sunset" in notes(inventory, "sun")["BLY027"] and "coded_app.Odd" in notes(inventory, "odd")["BLY027"]
    repeats = notes(inventory, "early")["BLY043"]
    assert "KeyError, OSError" in repeats and "at most 7 times" in repeats and "killed after 300 s" in repeats
    assert "BLY044" in notes(inventory, "canvas") and "BLY044" not in notes(inventory, "late")
    assert "not compared with live workers" in notes(inventory, None)["BLY028"]
    # What nobody asked workers for, the code says: where a task's messages go.
    assert inventory["sources"][0]["celery"]["settings"]["task_routes"]["coded.report"] == {"queue": "reports"}
    planned = json.loads(place.bailey("plan", "--json").stdout)
    verdicts = {one["id"]: (one["verdict"], one["reason"]) for one in planned["entries"]}
    assert verdicts["s/nightly"][0] == "migrate"
    assert verdicts["s/sun"][0] == "unsupported" and "sunset" in verdicts["s/sun"][1]
    # Two entries stop beat, which is an error; the others have their DAGs all the same.
    assert place.bailey("generate").returncode == 1 and list(tmp_path.joinpath("dags").glob("s__nightly.py"))


def test_the_settings_name_an_application_for_every_import(broker: Server, tmp_path: Path) -> None:
    place = Place(tmp_path, broker, app="coded_app:app", environment="lab")
    assert len(place.inventory()["entries"]) == 10
    place.document["sources"]["s"]["celery"]["environment"] = "other"
    done = place.bailey("import")
    assert done.returncode != 0 and "no environment “other” in bailey.yaml, which has lab" in done.stderr


@contextmanager
def worker(folder: Path, env: dict[str, str]) -> Iterator[None]:
    """A live worker of the application."""
    words = [sys.executable, "-m", "celery", "-A", "coded_app:app", "worker", "-P", "threads", "-c", "1", "-l", "info"]
    with folder.joinpath("worker.log").open("wb") as log:
        process = subprocess.Popen(
            words,
            cwd=folder,
            env=os.environ | env | {"PYTHONPATH": str(HERE)},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        ready = folder.joinpath("worker.log")
        wait_until("the worker is ready", lambda: b" ready." in ready.read_bytes(), 60)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_what_live_workers_tell_otherwise_is_an_error(broker: Server, tmp_path: Path) -> None:
    place = Place(tmp_path, broker, app="coded_app:app", environment="lab")
    with worker(tmp_path, place.env):
        same = place.inventory()
        assert "by the code of coded_app:app and 1 of 1 workers" in same["sources"][0]["system"]
        assert not [e["name"] for e in same["entries"] if "BLY029" in notes(same, e["name"])]
        assert "BLY029" not in notes(same, None)
        other = place.inventory(CODED_HALF="60", CODED_MORE="yes", CODED_ZONE="UTC")
        differing = {e["name"] for e in other["entries"] if "BLY029" in notes(other, e["name"])}
        # It looks at its configuration before the handler is connected, which so adds nothing any more.
        assert differing == {"half", "only here", "early"}
        assert "60.0" in notes(other, "half")["BLY029"] and "90.5" in notes(other, "half")["BLY029"]
        assert "timezone" in notes(other, None)["BLY029"]
        # What the workers know and the code does not have is an entry all the same.
        place.document["sources"]["s"]["celery"]["app"] = "less:app"
        tmp_path.joinpath("less.py").write_text("from coded_app import app\ndel app.conf.beat_schedule['hourly']\n")
        less = place.inventory()
        assert len(less["entries"]) == len(same["entries"])
        assert "does not have it" in notes(less, "hourly")["BLY029"]


BROKEN = {
    "raises": (
        "raise RuntimeError('no database at redis://u:hidden-word@h/0')",
        "RuntimeError: no database at redis://***@h/0",
    ),
    "exits": ("import sys; sys.exit(3)", "called sys.exit(3)"),
    "ends": ("import os; os._exit(0)", "ended before it had answered"),
    "crashes": ("import os; os.kill(os.getpid(), 11)", "ended with"),
    "hangs": ("import time; time.sleep(60)", "gave no answer within 2 s"),
    "ignores": ("import signal, time\nsignal.signal(15, signal.SIG_IGN)\nwhile True: time.sleep(1)", "within 2 s"),
    "empty": ("x = 1", "the module broken has no “app”"),
    "floods": ("print('x' * 10_000_000)\nraise ValueError('after much')", "after much (broken.py, line 2)"),
    "closes": ("import os\nfor n in range(3): os.close(n)\nraise ValueError('closed')", "closed (broken.py, line 3)"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_application_that_cannot_be_loaded_is_a_clear_error(broker: Server, tmp_path: Path, name: str) -> None:
    text, words = BROKEN[name]
    tmp_path.joinpath("broken.py").write_text(text + "\n", encoding="utf-8")
    place = Place(tmp_path, broker, app="broken:app", environment="lab", timeout=2 if "2 s" in words else 30)
    began = time.monotonic()
    done = place.bailey("import")
    assert done.returncode not in (0, 70), done.stderr
    assert words in done.stderr and "“broken:app”" in done.stderr, done.stderr
    assert "hidden-word" not in done.stdout + done.stderr
    assert time.monotonic() - began < 30


def test_what_an_application_leaves_behind_ends_with_it(broker: Server, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    text = f"import subprocess\nchild = subprocess.Popen(['sleep', '600'])\nopen({str(pid)!r}, 'w').write(str(child.pid))\n"
    tmp_path.joinpath("leaves.py").write_text(text + "from coded_app import app\n", encoding="utf-8")
    place = Place(tmp_path, broker, app="leaves:app", environment="lab")
    assert len(place.inventory()["entries"]) == 10
    wait_until("the child is gone", lambda: not alive(int(pid.read_text())), 10)


@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_what_it_has_started_does_not_outlive_bailey(broker: Server, tmp_path: Path, way: signal.Signals) -> None:
    pid = tmp_path / "pid"
    text = "import subprocess, time\nchild = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
    text += f"open({str(pid)!r}, 'w').write(str(child.pid))\ntime.sleep(600)\n"
    tmp_path.joinpath("hangs.py").write_text(text, encoding="utf-8")
    place = Place(tmp_path, broker, app="hangs:app", environment="lab")
    place.bailey("--version")
    words = [str(BAILEY), "import", "--no-ask-workers"]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as bailey:
        wait_until("it hangs", lambda: pid.exists() and pid.read_text() != "", 30)
        bailey.send_signal(way)
        bailey.wait(timeout=30)
    wait_until("the grandchild is gone", lambda: not alive(int(pid.read_text())), 15)


def test_an_entry_that_cannot_be_told_ends_the_reading_of_no_other(broker: Server, tmp_path: Path) -> None:
    text = """
from celery import Celery
class Evil:
    def __repr__(self): raise RuntimeError("no")
loop = []
loop.append(loop)
app = Celery("x", broker="memory://")
app.conf.beat_schedule = {
    "good": {"task": "t", "schedule": 60}, "evil": {"task": "t", "schedule": Evil()}, "none": None, "empty": {},
    "loop": {"task": "t", "schedule": 60, "args": loop}, "task": {"task": Evil(), "schedule": 1}, 5: {"task": "t", "schedule": 5},
    "odd": {"task": "t", "schedule": 60, "args": (Evil(), b"\\xff", float("inf"))}, "negative": {"task": "t", "schedule": -1},
}
"""
    tmp_path.joinpath("odd.py").write_text(text, encoding="utf-8")
    place = Place(tmp_path, broker, app="odd:app", environment="lab")
    done = place.bailey("import", "--no-ask-workers", "--json")
    assert done.returncode in (0, 1), done.stderr
    found = json.loads(done.stdout)
    assert "good" in [one["name"] for one in found["entries"]]
    told = [one["name"] for one in found["entries"]] + [one["key"] for one in found["unread"]]
    assert len(told) == found["sources"][0]["found"] >= 9, told


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except OSError:
        return False


def test_it_must_be_clear_which_source_is_meant(broker: Server, tmp_path: Path) -> None:
    place = Place(tmp_path, broker)
    place.document["sources"]["t"] = dict(place.document["sources"]["s"])
    done = place.bailey("import", "--from-app", "coded_app:app")
    assert done.returncode == 2 and "write --from-app s=coded_app:app" in done.stderr
    place.document["sources"] = {"r": {"kind": "redbeat", "url": broker.url}}
    done = place.bailey("import", "--from-app", "coded_app:app")
    assert done.returncode == 2 and "has none" in done.stderr
    assert place.bailey("import", "--environment", "lab").returncode == 2
