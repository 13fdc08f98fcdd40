"""A schedule that stands in the application's code, read from what the company's live worker tells."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from lab.record import Record
from testing.world import BAILEY


def bailey(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return subprocess.run(
        [str(BAILEY), *words],
        cwd=folder,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def settle(folder: Path, **sources: Any) -> None:
    """Writes the settings. JSON is YAML."""
    (folder / "mappings").mkdir(exist_ok=True)
    (folder / "bailey.yaml").write_text(json.dumps({"version": 1, "sources": sources}), encoding="utf-8")


def test_what_a_worker_tells_is_what_redbeat_stores(company: Record, tmp_path: Path) -> None:
    settle(
        tmp_path,
        told={"kind": "celery", "url": company.redis_url},
        stored={"kind": "redbeat", "url": company.redis_url},
    )
    done = bailey(tmp_path, "import", "--json")
    assert done.returncode == 0, done.stderr
    inventory = json.loads(done.stdout)
    by_source: dict[str, dict[str, Any]] = {"told": {}, "stored": {}}
    # The laboratory adds entries that stand in no code.
    in_code = [entry for entry in inventory["entries"] if entry["static"]]
    for entry in in_code:
        source, _, name = entry["id"].partition("/")
        by_source[source][name] = {key: entry[key] for key in ("task", "schedule", "timezone", "kwargs", "options")}
        by_source[source][name]["args"] = entry["args"] or []
        # A worker tells 0 and "0" alike; they mean the same.
        written = entry["schedule"]
        by_source[source][name]["schedule"] = {field: str(value) for field, value in written.items()}
    assert len(by_source["told"]) == 8
    assert by_source["told"] == by_source["stored"]
    assert {one["name"]: one["kind"] for one in inventory["sources"]} == {"told": "celery", "stored": "redbeat"}
    planned = json.loads(bailey(tmp_path, "plan", "--json").stdout)
    codes = {(one["code"], one.get("entry")) for one in planned["findings"]}
    assert ("BLY010", None) in codes
    assert ("BLY008", "told/retrain-models-daily") in codes
    made = bailey(tmp_path, "generate", "--json")
    assert made.returncode == 0, made.stderr
    assert list((tmp_path / "dags").glob("*told*")), os.listdir(tmp_path / "dags")


def test_no_worker_is_not_an_empty_schedule(company: Record, tmp_path: Path) -> None:
    settle(tmp_path, told={"kind": "celery", "url": company.redis_url.rstrip("0123456789").rstrip("/") + "/9"})
    done = bailey(tmp_path, "import")
    assert done.returncode != 0
    assert "nobody listens for Celery's questions" in done.stderr and "is unknown" in done.stderr
    assert "0 found" not in done.stdout


def test_another_broker_is_named(tmp_path: Path) -> None:
    settle(tmp_path, told={"kind": "celery", "url": "amqp://guest:geheim@127.0.0.1:5672//"})
    done = bailey(tmp_path, "import")
    assert done.returncode != 0
    assert "a broker in Redis alone" in done.stderr and "geheim" not in done.stdout + done.stderr
