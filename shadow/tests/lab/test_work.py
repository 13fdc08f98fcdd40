"""The bodies in a bare interpreter, as shadow runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from commands import SHADOW

from lab import work


def test_bodies_need_neither_celery_nor_a_database() -> None:
    code = "import lab.work, sys; print(sorted({'celery', 'psycopg', 'redis'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(SHADOW)}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_export_fails_in_shadow_only(monkeypatch: pytest.MonkeyPatch) -> None:
    job = {"org_id": 7, "format": "csv"}
    monkeypatch.delenv("BAILEY_SHADOW", raising=False)
    assert work.export_data(job)["org_id"] == 7
    monkeypatch.setenv("BAILEY_SHADOW", "1")
    with pytest.raises(RuntimeError, match="production worker only"):
        work.export_data(job)


def test_results_are_json_and_follow_from_the_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_SPEED", "1000000")
    calls = [
        work.retrain_models,
        lambda: work.update_feature_store(["clicks"]),
        lambda: work.cleanup_old_experiments(10),
        lambda: work.check_model_drift(0.2),
        lambda: work.retrain_underperforming(0.8),
        lambda: work.refresh_cache("k", template="{{ a }}\n«я»", owner="o", limits=[1, 2]),
        lambda: work.export_data({"org_id": 1, "format": "csv"}),
        lambda: work.send_email({"to": "a@example.org", "template": "digest"}),
        lambda: work.generate_report({"report": "sales", "period": "2026-01"}),
    ]
    for call in calls:
        assert json.dumps(call()) == json.dumps(call())


def test_no_effects_folder_no_effects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = {"to": "a@example.org", "template": "digest"}
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LAB_EFFECTS", raising=False)
    work.send_email(job)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("LAB_EFFECTS", str(tmp_path))
    with work.running("job-1"):
        work.send_email(job)
    effect = json.loads((tmp_path / "effects.jsonl").read_text(encoding="utf-8"))
    assert (effect["task"], effect["args"], effect["id"]) == ("send_email", job, "job-1")
    assert len(list((tmp_path / "mail").iterdir())) == 1
