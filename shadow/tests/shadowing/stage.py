"""A real Redis, worker and beat of the application under `planted_app`, and a workspace before them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from testing.server import Server, wait_until

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
BAILEY = Path(os.environ.get("BAILEY_PROGRAM", ROOT / ".build" / "debug" / "bailey"))

ENDED = ("SUCCESS", "FAILURE", "REVOKED")


class Stage:
    """All of it, in a folder."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self.folder = folder
        self.server = Server(folder / "redis", durable=durable)
        self._processes: list[subprocess.Popen[bytes]] = []
        (folder / "mappings").mkdir(parents=True)
        self.settle()

    def settle(
        self, *, policy: Mapping[str, Any] | None = None, target: Mapping[str, Any] | None = None, **sources: Any
    ) -> None:
        """Writes the settings, with more sources than the one that there is; None takes one away."""
        scheduler = {"kind": "redbeat", "url": self.server.url, "max_interval": 1}
        settings = {
            "version": 1,
            "sources": {name: source for name, source in {"scheduler": scheduler, **sources}.items() if source},
            "environments": {"planted": {"python": sys.executable, "path": [str(HERE)]}},
        }
        if policy:
            settings["policy"] = policy
        if target:
            settings["target"] = target
        (self.folder / "bailey.yaml").write_text(json.dumps(settings), encoding="utf-8")

    def map(self, name: str, task: Mapping[str, Any], *, source: str = "scheduler") -> None:
        """A pipeline of one entry and one task."""
        mapping = {
            "pipeline": name,
            "clock": f"{source}/{name}",
            "tasks": {"run": {"entry": f"{source}/{name}", "shadow": "pure", **task}},
        }
        (self.folder / "mappings" / f"{name}.yaml").write_text(json.dumps(mapping), encoding="utf-8")

    def entry(
        self, name: str, task: str, args: list[Any], seconds: float = 0, schedule: Mapping[str, Any] | None = None
    ) -> None:
        """An entry that beat fires at once, and then in that interval, or by another schedule."""
        definition = {
            "name": name,
            "task": task,
            "args": args,
            "kwargs": {},
            "options": {},
            "schedule": schedule or {"__type__": "interval", "every": seconds, "relative": False},
            "enabled": True,
        }
        client = self.server.client()
        client.hset(f"redbeat:{name}", "definition", json.dumps(definition))
        client.zadd("redbeat::schedule", {f"redbeat:{name}": 1})

    def beat(self) -> subprocess.Popen[bytes]:
        """A beat that fires as often as a test wants."""
        return self.celery("beat", "--loglevel", "WARNING", "--max-interval", "1")

    def environment(self, database: int = 0) -> dict[str, str]:
        """The application's variables, which lead it to a database of the Redis."""
        url = f"{self.server.url.rpartition('/')[0]}/{database}"
        return {**os.environ, "PLANTED_REDIS": url, "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}

    def call(self, code: str, *, database: int = 0) -> None:
        """Has the application run some code of its own to the end, such as a call by hand."""
        words = [sys.executable, "-c", f"from planted_app import app, count\n{code}"]
        subprocess.run(words, env=self.environment(database), check=True, timeout=60)

    def celery(self, *words: str, database: int = 0) -> subprocess.Popen[bytes]:
        """A process of Celery's, which ends with the stage."""
        with (self.folder / f"{words[0]}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "planted_app", *words],
                cwd=self.folder,
                env=self.environment(database),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    @contextmanager
    def running(self, *, worker: tuple[str, ...] = ("--pool", "threads", "--concurrency", "4")) -> Iterator[Stage]:
        """Redis and a worker; beat is each test's own."""
        try:
            self.server.start()
            self.celery("worker", *worker, "--loglevel", "WARNING")
            yield self
        finally:
            for process in self._processes:
                self.end(process)
            self.server.stop()

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """Kills a process and what it started."""
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def fires(self, name: str) -> int:
        """How often beat has fired an entry."""
        meta = json.loads(self.server.client().hget(f"redbeat:{name}", "meta") or "{}")
        return int(meta.get("total_run_count", 0))

    def results(self) -> int:
        """How many results of runs that ended are stored."""
        client = self.server.client()
        keys = list(client.scan_iter("celery-task-meta-*", count=1000))
        return sum(1 for value in client.mget(keys) if value and json.loads(value)["status"] in ENDED) if keys else 0

    def start(self, *words: str) -> subprocess.Popen[str]:
        """A command that goes on."""
        return subprocess.Popen(
            [str(BAILEY), *words],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def json(self, *words: str, status: tuple[int, ...] = (0,), limit: float = 500) -> Any:
        """Runs a command with --json, to its end within the limit (seconds), and reads its document."""
        done = subprocess.run(
            [str(BAILEY), *words, "--json"], cwd=self.folder, capture_output=True, text=True, timeout=limit, check=False
        )
        assert done.returncode in status, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    def text(self, *words: str) -> str:
        """What a command prints for people, in one line."""
        done = subprocess.run(
            [str(BAILEY), *words], cwd=self.folder, capture_output=True, text=True, timeout=500, check=False
        )
        return " ".join(done.stdout.split())

    def coverage(self, name: str) -> Mapping[str, Any]:
        """What the report says was seen and compared of an entry."""
        [row] = [row for row in self.json("report", status=(0, 1))["pipelines"] if row["id"] == name]
        [coverage] = row["coverage"]
        return coverage  # type: ignore[no-any-return]


__all__ = ["Stage", "wait_until"]
