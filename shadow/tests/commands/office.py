"""A workspace before the company's stack, whose Redis carries Celery's messages and whose PostgreSQL has a queue."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import redis

from lab.record import Record
from testing.world import BAILEY, ROOT


def quick(folder: Path) -> None:
    """The company's profile, without a pause of legacy's workers: there are none here."""
    profiles = folder / "mappings" / "profiles"
    profiles.mkdir(parents=True)
    text = (ROOT / "mappings" / "profiles" / "background_jobs.yaml").read_text(encoding="utf-8")
    text = text.replace("profile: background_jobs", "profile: quick").replace("hold:\n", "hold:\n  pause: 1s\n")
    (profiles / "quick.yaml").write_text(text, encoding="utf-8")


class Office:
    """A workspace before the company's stack."""

    def __init__(self, folder: Path, record: Record, **policy: Any) -> None:
        self.folder = folder
        self.redis = redis.Redis.from_url(record.redis_url, decode_responses=True)
        settings = {
            "version": 1,
            "sources": {
                "scheduler": {"kind": "redbeat", "url": record.redis_url, "max_interval": 2},
                "jobs": {"kind": "queue", "profile": "background_jobs", "url": record.postgres_url},
            },
            # The laboratory's own interpreter has Celery.
            "environments": {"celery": {"python": sys.executable}},
            "policy": {"compared_ticks": 0, "in_a_row": 0, **policy},
        }
        (folder / "mappings").mkdir()
        (folder / "bailey.yaml").write_text(json.dumps(settings), encoding="utf-8")
        for name in ("heartbeat-metrics", "refresh-cache"):
            entry = f"scheduler/{name}"
            self.map(name, {"entry": entry})

    def map(self, name: str, task: dict[str, Any]) -> None:
        """Writes the mapping of a pipeline of one task."""
        mapping = {"pipeline": name, "clock": f"scheduler/{name}", "tasks": {"run": task}}
        (self.folder / "mappings" / f"{name}.yaml").write_text(json.dumps(mapping), encoding="utf-8")

    def run(self, *words: str, die_at: int | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end; with `die_at` it is killed right after so many lines of the journal."""
        environment = {**os.environ, **({} if die_at is None else {"BAILEY_DIE_AT": str(die_at)})}
        return subprocess.run(
            [str(BAILEY), *words],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def json(self, *words: str, status: int = 0) -> Any:
        """Runs a command with --json and reads its document."""
        done = self.run(*words, "--json")
        assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    def copies(self) -> list[str]:
        """Keys that hold the name of a rehearsal's copy."""
        return sorted(key for key in self.redis.scan_iter(count=1000) if "bailey-rehearsal-" in key) + [
            member for member in self.redis.zrange("redbeat::schedule", 0, -1) if "bailey-rehearsal-" in member
        ]
