"""Produces results as beat and workers would, and watches the watcher: `live.py BAILEY RATE SECONDS ENTRIES`."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from testing.server import Server

BAILEY, RATE, SECONDS, ENTRIES = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
TICKS_A_SECOND = 10
LOOK_EVERY = 5.0


def moment(at: float) -> dict[str, Any]:
    """An instant as RedBeat keeps it."""
    then = datetime.fromtimestamp(at, UTC)
    fields = {name: getattr(then, name) for name in ("year", "month", "day", "hour", "minute", "second", "microsecond")}
    return {"__type__": "datetime", **fields, "timezone": "UTC"}


def entries(client: Any) -> None:
    every = ENTRIES / RATE
    pipe = client.pipeline()
    for number in range(ENTRIES):
        schedule = {"__type__": "interval", "every": every, "relative": False}
        definition = {
            "name": f"e{number}",
            "task": f"live.t{number}",
            "args": [number],
            "kwargs": {},
            "options": {},
            "schedule": schedule,
            "enabled": True,
        }
        pipe.hset(f"redbeat:e{number}", "definition", json.dumps(definition))
        pipe.zadd("redbeat::schedule", {f"redbeat:e{number}": time.time() + 1})
    pipe.execute()


class Producer(threading.Thread):
    """Each tick: beat's clock moves, and a moment later the result is stored and told, as Celery's backend does it."""

    def __init__(self, client: Any) -> None:
        super().__init__(daemon=True)
        self.client, self.made, self.late = client, 0, 0.0
        self.history: list[tuple[float, int]] = []

    def run(self) -> None:
        begin, count = time.time(), 0
        for step in range(SECONDS * TICKS_A_SECOND):
            due = begin + step / TICKS_A_SECOND
            if (wait := due - time.time()) > 0:
                time.sleep(wait)
            self.late = max(self.late, time.time() - due)
            wanted = (step + 1) * RATE // TICKS_A_SECOND
            clock, results, now = self.client.pipeline(transaction=False), self.client.pipeline(), time.time()
            for number in range(count, wanted):
                entry, run = number % ENTRIES, number // ENTRIES + 1
                meta = {"last_run_at": moment(now), "total_run_count": run}
                clock.hset(f"redbeat:e{entry}", "meta", json.dumps(meta))
                task = str(uuid.uuid4())
                stored = {
                    "status": "SUCCESS",
                    "result": {"n": number, "rows": list(range(20))},
                    "traceback": None,
                    "children": [],
                    "date_done": datetime.fromtimestamp(now, UTC).isoformat(),
                    "name": f"live.t{entry}",
                    "args": [entry],
                    "kwargs": {},
                    "worker": "celery@live",
                    "retries": 0,
                    "queue": "celery",
                    "task_id": task,
                }
                text = json.dumps(stored)
                results.setex(f"celery-task-meta-{task}", 3600, text)
                results.publish(f"celery-task-meta-{task}", text)
            clock.execute()
            results.execute()
            count = wanted
            self.made = count
            self.history.append((time.time(), count))


def resident(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmRSS:\s+(\d+)", text)
    return int(found[1]) // 1024 if found else 0


def compared(state: Path) -> int:
    with sqlite3.connect(f"file:{state}?mode=ro", uri=True, timeout=30) as connection:
        return int(connection.execute("SELECT count(*) FROM compared").fetchone()[0])


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Server(folder / "redis", durable=False)
        server.start()
        try:
            client = server.client()
            entries(client)
            settings = {
                "version": 1,
                "sources": {"live": {"kind": "redbeat", "url": server.url, "max_interval": 1, "lock_key": "none"}},
            }
            (folder / "bailey.yaml").write_text(json.dumps(settings), encoding="utf-8")
            (folder / "mappings").mkdir()
            for number in range(ENTRIES):
                task = {"entry": f"live/e{number}", "command": ["true"]}
                mapping = {"pipeline": f"e{number}", "clock": f"live/e{number}", "tasks": {"run": task}}
                (folder / "mappings" / f"e{number}.yaml").write_text(json.dumps(mapping), encoding="utf-8")
            subprocess.run([BAILEY, "import"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
            watch(folder, client)
        finally:
            server.stop()


def watch(folder: Path, client: Any) -> None:
    words = [BAILEY, "shadow", "--for", f"{SECONDS + 15}s", "--json"]
    errors = (folder / "errors").open("w+", encoding="utf-8")
    watching = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=errors, text=True)
    while "watching live" not in (folder / "errors").read_text(encoding="utf-8"):
        if watching.poll() is not None:
            sys.exit((folder / "errors").read_text(encoding="utf-8"))
        time.sleep(0.1)
    producer = Producer(client)
    producer.start()
    [state] = folder.glob(".bailey/*.sqlite")
    begin, behind, memory = time.time(), [], []
    while producer.is_alive():
        time.sleep(LOOK_EVERY)
        done, now = compared(state), time.time()
        # When what is compared now had been produced.
        reached = next((at for at, count in producer.history if count > done), now)
        behind.append(max(0.0, now - reached))
        memory.append(resident(watching.pid))
        if len(memory) % 12 == 0:
            print(
                f"  {now - begin:5.0f} s: {producer.made} made, {done} compared, {behind[-1]:.1f} s behind, {memory[-1]} MB"
            )
    output = watching.communicate()[0]
    done = compared(state)
    text = (folder / "errors").read_text(encoding="utf-8")
    print(f"made {producer.made}, compared {done}, missed {producer.made - done}, status {watching.returncode}")
    print(f"behind at the most {max(behind):.1f} s; the producer itself was late by {producer.late:.1f} s at the most")
    print(
        f"memory after a tenth {memory[len(memory) // 10]} MB, at the end {memory[-1]} MB, at the most {max(memory)} MB"
    )
    losses = json.loads(output)["losses"]
    gaps = [line for line in text.splitlines() if "gap" in line or "left out" in line]
    for line in [*losses[:3], *gaps[:3]]:
        print(f"  {line}")


main()
