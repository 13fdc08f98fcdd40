"""Measures reports of many runs: `report.py BAILEY PIPELINES RUNS`."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from testing.server import Server

BAILEY, PIPELINES, RUNS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
BEGIN = 1_795_392_000


def entries(client: Any) -> None:
    for number in range(PIPELINES):
        fields = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year")
        schedule = {"__type__": "crontab", **dict.fromkeys(fields, "*")}
        call = {"name": f"e{number}", "task": f"app.t{number}", "args": [number], "kwargs": {}, "options": {}}
        client.hset(f"redbeat:e{number}", "definition", json.dumps(call | {"schedule": schedule, "enabled": True}))
        client.zadd("redbeat::schedule", {f"redbeat:e{number}": 1.0})


def outcome(side: str, number: int, run: int, result: Any, end: int) -> dict[str, Any]:
    stamp = datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    start = datetime.fromtimestamp(end - 1, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "side": side,
        "run": f"{side}-{number}-{run}",
        "state": "success",
        "arguments": {"args": [number], "kwargs": {}},
        "has_result": True,
        "result": result,
        "start": start,
        "end": stamp,
        "attempts": 1,
    }


def fill(state: Path, forms: dict[str, str], first: int, last: int) -> None:
    """Puts comparisons into the state, in the form of a Bailey that reports could read: one in twenty differs, at one of five places."""
    chance = random.Random(7)
    with sqlite3.connect(state) as connection:
        for number in range(PIPELINES):
            pipeline = f"e{number}"
            for run in range(first, last):
                end = BEGIN + run * 60
                rows = [{"id": row, "name": f"row {row}", "score": chance.random(), "on": True} for row in range(25)]
                legacy = {"rows": rows, "count": len(rows), "note": "x" * 60}
                other = json.loads(json.dumps(legacy))
                differs = chance.random() < 0.05
                differences = []
                if differs:
                    place = chance.randrange(5)
                    other["rows"][place]["score"] += 1
                    path = f"$.rows[{place}].score"
                    values = {"legacy": rows[place]["score"], "shadow": other["rows"][place]["score"]}
                    text = f"the result differs at {path}"
                    differences = [{"kind": "result", "path": path, "text": text} | values]
                tick = datetime.fromtimestamp(end - 1, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                verdict = "mismatch" if differs else "match"
                document = {
                    "entry": f"s/{pipeline}",
                    "tick": tick,
                    "pipeline": pipeline,
                    "verdict": verdict,
                    "differences": differences,
                    "legacy": outcome("legacy", number, run, legacy, end),
                    "shadow": outcome("shadow", number, run, other, end + 5),
                }
                values = (pipeline, f"s/{pipeline}", tick, forms[pipeline], verdict, end * 1_000_000, end * 1_000_000)
                cursor = connection.execute(
                    "INSERT INTO compared (pipeline, entry, run, form, verdict, compared_us, ran_us, legacy_us, shadow_us, state, document)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, 1000000, 1000000, 'success', ?)",
                    (*values, json.dumps(document)),
                )
                if differs:
                    connection.execute(
                        "INSERT INTO cause VALUES (?, 'result', '$.rows[*].score', '')", (cursor.lastrowid,)
                    )


def measured(words: list[str], folder: Path) -> tuple[float, int]:
    """Seconds and the most memory (MB) of a command; a status of 1 says that something differs."""
    began = time.perf_counter()
    process = subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        sys.exit(f"{words[1:]} ended with {status}")
    return time.perf_counter() - began, usage.ru_maxrss // 1024


def drawn(page: str, folder: Path) -> float:
    """Seconds in which the browser starts, loads and draws a page; the median of five."""
    assert CHROMIUM
    words = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--user-data-dir={folder}/profile",
    ]
    times = []
    for _ in range(5):
        began = time.perf_counter()
        picture = [f"--screenshot={folder}/page.png", "--window-size=1200,900", page]
        subprocess.run(words + picture, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Server(folder / "redis", durable=False)
        server.start()
        try:
            entries(server.client())
            settings = {"version": 1, "sources": {"s": {"kind": "redbeat", "url": server.url, "timezone": "UTC"}}}
            (folder / "bailey.yaml").write_text(json.dumps(settings), encoding="utf-8")
            (folder / "mappings").mkdir()
            for number in range(PIPELINES):
                task = {"entry": f"s/e{number}", "command": ["true"]}
                mapping = {"pipeline": f"e{number}", "clock": f"s/e{number}", "tasks": {"run": task}}
                (folder / "mappings" / f"e{number}.yaml").write_text(json.dumps(mapping), encoding="utf-8")
            subprocess.run([BAILEY, "import"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
            subprocess.run(
                [BAILEY, "report", "--bundle", "empty.tar"], cwd=folder, check=True, stdout=subprocess.DEVNULL
            )
            with tarfile.open(folder / "empty.tar") as bundle:
                dags = json.load(bundle.extractfile("dags.json") or sys.exit("no dags.json"))
            forms = {dag["pipeline"]: dag["form"] for dag in dags}
            [state] = folder.glob(".bailey/*.sqlite")
            before = 0
            for runs in (RUNS, RUNS * 4):
                fill(state, forms, before, runs)
                before = runs
                page = folder / f"page-{runs}.html"
                print(f"{PIPELINES} pipelines × {runs} runs, a state of {state.stat().st_size >> 20} MB:")
                for label, options in (("text", []), ("html", ["--html", str(page)]), ("json", ["--json"])):
                    seconds, memory = measured([BAILEY, "report", *options], folder)
                    size = f", {page.stat().st_size / 1e6:.2f} MB" if label == "html" else ""
                    print(f"  {label:5} {seconds:6.2f} s, {memory} MB of memory{size}")
                if CHROMIUM:
                    blank = folder / "blank.html"
                    blank.write_text("<!doctype html><p>nothing</p>", encoding="utf-8")
                    page_seconds, blank_seconds = drawn(page.as_uri(), folder), drawn(blank.as_uri(), folder)
                    print(
                        f"  Chromium draws it in {page_seconds:.2f} s, an empty page in {blank_seconds:.2f} s: {page_seconds - blank_seconds:+.2f} s"
                    )
        finally:
            server.stop()


main()
