"""What `bailey import` learns of live workers is what Celery's own client learns, and the plan goes by it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import redis
from stack import legacy
from test_parity import ROUTES, asked, given

BAILEY = Path(__file__).resolve().parents[3] / ".build/debug/bailey"


def workspace(folder: Path, port: int, app_given: dict[str, Any], **celery: Any) -> None:
    """A workspace with one entry, whose RedBeat, broker and results are three places."""
    definition = {"name": "one", "task": "legacy.echo", "args": [1], "kwargs": {}, "options": {}, "enabled": True}
    hour = {"__type__": "crontab", "minute": "0", "hour": "*"}
    days = {"day_of_week": "*", "day_of_month": "*", "month_of_year": "*"}
    client = redis.Redis(port=port, db=2)
    client.hset("redbeat:one", mapping={"definition": json.dumps(definition | {"schedule": hour | days})})
    client.zadd("redbeat::schedule", {"redbeat:one": 1})
    settings = app_given["settings"]
    source: dict[str, Any] = {"kind": "redbeat", "url": settings["redbeat_redis_url"], "timezone": "UTC"}
    source |= {"broker_url": settings["broker_url"], "results_url": settings["result_backend"]}
    if celery:
        source["celery"] = celery
    environments = {"company": {"python": "/srv/venv/bin/python", "path": ["/srv"]}}
    document = {"version": 1, "sources": {"s": source}, "environments": environments}
    folder.joinpath("bailey.yaml").write_text(json.dumps(document))
    folder.joinpath("mappings").mkdir(exist_ok=True)


def bailey(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(BAILEY), *words], cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def findings(folder: Path) -> list[dict[str, Any]]:
    return json.loads(bailey(folder, "plan", "--json").stdout)["findings"]


@pytest.mark.parametrize("route", ROUTES)
def test_import_learns_what_celery_learns(route, clean, tmp_path):
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, route, "json")
    with legacy(app_given, "-Q", ROUTES[route][1]):
        learnt = asked(app_given)
        workspace(tmp_path, clean, app_given)
        done = bailey(tmp_path, "import", "--json")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)["sources"][0]["celery"]
        assert found == learnt
        unknown = [one for one in findings(tmp_path) if one["code"] == "BLY039"]
        if route != "function":
            assert not unknown
            assert bailey(tmp_path, "generate").returncode == 0
            text = next(tmp_path.joinpath("dags").glob("*.py")).read_text()
            assert "broker=" in text and "results=" in text and "configuration=" in text
        else:
            assert "code of the application" in unknown[0]["text"]
            assert bailey(tmp_path, "generate").returncode == 1
            # The application itself can tell.
            workspace(tmp_path, clean, app_given, app="legacy_celery:app", environment="company")
            assert not [one for one in findings(tmp_path) if one["code"] == "BLY039"]
            workspace(tmp_path, clean, app_given, app="legacy_celery:app", environment="nowhere")
            assert "nowhere" in [one for one in findings(tmp_path) if one["code"] == "BLY039"][0]["text"]


def test_without_workers_nobody_knows_until_somebody_says(clean, tmp_path):
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    workspace(tmp_path, clean, app_given)
    assert bailey(tmp_path, "import").returncode == 0
    (unknown,) = [one for one in findings(tmp_path) if one["code"] == "BLY039"]
    assert unknown["severity"] == "error" and "have not been asked" in unknown["text"]
    assert bailey(tmp_path, "generate").returncode == 1
    workspace(tmp_path, clean, app_given, settings={"task_default_queue": "work"})
    assert not [one for one in findings(tmp_path) if one["code"] == "BLY039"]


def test_a_backend_that_nobody_reads_needs_another_end(clean, tmp_path):
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    results = app_given["settings"]["result_backend"]
    app_given["settings"]["result_backend"] = "rpc://"
    with legacy(app_given, "-Q", "work"):
        asked(app_given)
        workspace(tmp_path, clean, {**app_given, "settings": app_given["settings"] | {"result_backend": results}})
        assert bailey(tmp_path, "import").returncode == 0
        (unknown,) = [one for one in findings(tmp_path) if one["code"] == "BLY039"]
        assert "rpc://" in unknown["text"] and "wait: events" in unknown["text"]
        mapping = {"pipeline": "p", "clock": "s/one", "tasks": {"run": {"entry": "s/one", "send": {"wait": "sent"}}}}
        tmp_path.joinpath("mappings/p.yaml").write_text(json.dumps(mapping))
        codes = [one["code"] for one in findings(tmp_path)]
        assert "BLY039" not in codes and "BLY042" in codes
