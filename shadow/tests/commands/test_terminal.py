"""Names that legacy data holds are shown, and are no commands to a terminal; none of them forges a line."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path

from testing.server import Server
from testing.world import BAILEY

# Colours, a cleared screen, a title; a line that was over; C1's CSI; text that runs backwards; ends of lines beyond ASCII.
HOSTILE = "x\u001b[2J\u001b]0;t\u0007\rFORGED\nFORGED ok\u009b31m\u202egnp\u2066\u2028FORGED\u0085FORGED\u007f\t"
OBEYED = re.compile("[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")


def definition(name: str) -> str:
    """An entry as RedBeat writes one."""
    schedule = {"__type__": "interval", "every": 3600.0, "relative": False}
    rest = {"args": [HOSTILE], "kwargs": {HOSTILE: 1}, "options": {"queue": HOSTILE}, "schedule": schedule}
    return json.dumps({"name": name, "task": HOSTILE, "enabled": True, **rest})


def test_nothing_of_it_reaches_the_terminal(tmp_path: Path) -> None:
    server = Server(tmp_path / "redis", durable=False)
    server.start()
    try:
        client = server.client()
        for name, text in {
            HOSTILE: definition(HOSTILE),
            "plain": definition("plain"),
            f"{HOSTILE}2": "{",
            f"{HOSTILE}3": definition(HOSTILE).replace("interval", "none\\u001b"),
            f"{HOSTILE}4": json.dumps({"name": HOSTILE, HOSTILE: HOSTILE}),
        }.items():
            client.hset(f"redbeat:{name}", mapping={"definition": text})
            client.zadd("redbeat::schedule", {f"redbeat:{name}": time.time() + 3000})
        result = {"status": "FAILURE", "result": {"exc_type": HOSTILE, "exc_message": [HOSTILE]}, "traceback": HOSTILE}
        record = {**result, "name": HOSTILE, "args": [HOSTILE], "kwargs": {HOSTILE: 1}, "task_id": HOSTILE}
        client.set("celery-task-meta-r", json.dumps({**record, "date_done": "2026-11-28T00:00:00+00:00"}))
        source = {"kind": "redbeat", "url": server.url, "max_interval": 1}
        (tmp_path / "bailey.yaml").write_text(json.dumps({"version": 1, "sources": {"s": source}}), encoding="utf-8")
        (tmp_path / "mappings").mkdir()
        mapping = {"pipeline": "p", "description": HOSTILE, "tasks": {"t": {"entry": "s/plain", "command": [HOSTILE]}}}
        (tmp_path / "mappings" / "p.yaml").write_text(json.dumps(mapping), encoding="utf-8")
        seen = 0
        for words in (
            ["import"],
            ["plan"],
            ["generate"],
            ["shadow", "--from-history"],
            ["report", "--html", "report.html"],
            ["status"],
            ["backtest"],
            ["doctor"],
            ["cutover", "p"],
            ["cutover", HOSTILE],
            ["rollback", HOSTILE],
            ["retire", "p"],
            ["plan", "--inventory", HOSTILE],
        ):
            for more in ([], ["--json"]):
                if more and words[-1] == "report.html":
                    continue
                done = subprocess.run(
                    [str(BAILEY), *words, *more], cwd=tmp_path, capture_output=True, timeout=120, check=False
                )
                text = (done.stdout + done.stderr).decode("utf-8")
                assert done.returncode in (0, 1, 2, 3), (words, text)
                assert not OBEYED.search(text), (words, more, OBEYED.findall(text), text[-3000:])
                assert not re.search("^FORGED", text, re.MULTILINE), (words, text)
                seen += "FORGED" in text
                if more and done.stdout:
                    json.loads(done.stdout)
        assert seen > 8
        names = [entry["name"] for entry in json.loads(bailey_json(tmp_path, "import"))["entries"]]
        assert HOSTILE in names
        page = (tmp_path / "report.html").read_text(encoding="utf-8")
        assert not re.search("[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]", page)
    finally:
        server.stop()


def bailey_json(folder: Path, command: str) -> str:
    """What a command prints with --json."""
    done = subprocess.run([str(BAILEY), command, "--json"], cwd=folder, capture_output=True, timeout=120, check=False)
    return done.stdout.decode("utf-8")
