"""An application whose results are elsewhere than its broker: what `init --discover` writes is imported and shadowed at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from finding import bailey, discovered

from testing.server import Server, wait_until

APPLICATION = """
import os
from celery import Celery

app = Celery("kept", broker=os.environ["KEPT_BROKER"], backend=os.environ["KEPT_RESULTS"])
app.conf.update(timezone="UTC", result_extended=True, redbeat_redis_url=os.environ["KEPT_BROKER"])


@app.task(name="kept.add")
def add(a, b):
    return a + b


app.conf.beat_schedule = {"adds": {"task": "kept.add", "schedule": 1.0, "args": [2, 3]}}
"""
SCHEDULERS = {"code": [], "redbeat": ["--scheduler", "redbeat.RedBeatScheduler"]}
KINDS = {"code": "celery", "redbeat": "redbeat"}


@contextmanager
def working(folder: Path, broker: str, results: str, scheduler: str) -> Iterator[None]:
    """A worker with its own beat, at work until some results are there."""
    (folder / "kept_app.py").write_text(APPLICATION, encoding="utf-8")
    words = ["worker", "-B", "-s", str(folder / "memory"), "--concurrency", "2", "--pool", "threads"]
    process = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "kept_app", *words, *SCHEDULERS[scheduler]],
        cwd=folder,
        env={**os.environ, "KEPT_BROKER": broker, "KEPT_RESULTS": results},
        stdout=(folder / "worker.log").open("wb"),
        stderr=subprocess.STDOUT,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


@dataclass(frozen=True)
class Kept:
    """Where an application's broker is, and its results."""

    broker: str
    results: str
    kind: str


@pytest.fixture(scope="module", params=SCHEDULERS)
def kept(request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """An application at work, of which some runs have ended; its results are in a database of another server."""
    server.client().flushall()
    folder = tmp_path_factory.mktemp(request.param)
    other = Server(folder / "results", durable=False)
    other.start()
    try:
        results = f"{other.url.removesuffix('/0')}/7"
        with working(folder, server.url, results, request.param):
            there = other.client(db=7)
            wait_until("runs have ended", lambda: len(list(there.scan_iter("celery-task-meta-*"))) >= 3, 90)
            yield Kept(server.url, results, KINDS[request.param])
    finally:
        other.stop()


@pytest.mark.parametrize("variable", ["KEPT_RESULTS", "CELERY_RESULT_BACKEND"])
def test_init_reads_the_results_where_they_are(kept: Kept, variable: str, tmp_path: Path) -> None:
    urls = {"KEPT_URL": kept.broker, variable: kept.results}
    # One of the usual names is found by itself.
    named = ["--results", variable] if variable == "KEPT_RESULTS" else []
    done = bailey(tmp_path, "init", "--discover", "--redbeat", "KEPT_URL", *named, **urls)
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "bailey.yaml").read_text(encoding="utf-8")
    assert f'kind: "{kept.kind}"' in written and f'results_url: "${{{variable}}}"' in written, written
    source = "celery" if kept.kind == "celery" else "scheduler"
    entry = f"{source}/adds"
    # What is due each second is better left, unless somebody says so.
    mapping = {"pipeline": "adds", "clock": entry, "tasks": {"work": {"entry": entry}}}
    (tmp_path / "mappings" / "adds.yaml").write_text(json.dumps(mapping), encoding="utf-8")
    assert bailey(tmp_path, "import", **urls).returncode == 0
    done = bailey(tmp_path, "shadow", "--from-history", "--json", **urls)
    assert done.returncode in (0, 1), done.stderr
    assert sum(json.loads(done.stdout)["verdicts"].values()) > 0, done.stdout


def test_discover_takes_the_workers_word_and_says_which_url_is_missing(kept: Kept, tmp_path: Path) -> None:
    found = discovered(tmp_path, kept.broker, kept.results)
    assert f'results_url: "{kept.results}"' in found["settings"]
    beside = discovered(tmp_path, kept.broker, kept.results.removesuffix("/7"))
    assert f'results_url: "{kept.results.removesuffix("/7")}?db=7"' in beside["settings"]
    alone = discovered(tmp_path, kept.broker)
    assert "results_url" not in alone["settings"]
    (source,) = [one for one in alone["systems"] if one["kind"] == kept.kind]
    assert f"Its results are at {kept.results}" in source["advice"]
