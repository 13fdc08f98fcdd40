"""Measures how the time of commands that only read grows with the number of entries."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import redis
from measure import redis_server

SIZES = [1_000, 3_000, 10_000]
# Seconds that a command may take for ten thousand entries.
LIMITS = {"status": 3.0, "backtest": 8.0}
# A command that costs the same per entry has 1; what is done once makes it less, and a busy machine somewhat more.
WORST = 1.35
# The span of the backtest: three years.
COMMANDS = [
    ["plan"],
    ["status"],
    ["status", "entry-1"],
    ["backtest", "--days", "365", "--ahead", "730"],
    ["report"],
    ["doctor"],
    ["cutover", "s__entry_1"],
    ["rollback", "s__entry_1"],
    ["watch", "--once"],
]


def add_entries(url: str, start: int, end: int) -> None:
    """Adds entries with hourly and daily crontabs, each with a call of its own."""
    pipeline = redis.Redis.from_url(url).pipeline(transaction=False)
    for number in range(start, end):
        hour = "*" if number % 3 == 0 else str(number % 24)
        crontab = {
            "__type__": "crontab",
            "minute": str(number % 60),
            "hour": hour,
            "day_of_week": "*",
            "day_of_month": "*",
            "month_of_year": "*",
        }
        moment = {
            "__type__": "datetime",
            "year": 2026,
            "month": 11,
            "day": 23,
            "hour": 7,
            "minute": 0,
            "second": 0,
            "microsecond": 1,
            "timezone": "UTC",
        }
        key = f"redbeat:entry-{number}"
        call = {"name": f"entry-{number}", "task": f"company.task_{number % 50}", "args": [number], "kwargs": {}}
        definition = json.dumps(call | {"options": {"queue": "q"}, "schedule": crontab, "enabled": True})
        meta = json.dumps({"last_run_at": moment, "total_run_count": 3})
        pipeline.hset(key, mapping={"definition": definition, "meta": meta})
        pipeline.zadd("redbeat::schedule", {key: 1.0})
    pipeline.execute()


def seconds(words: list[str], folder: Path) -> float:
    """How long the quicker of two runs takes; a status of 1 says that something does not hold, which is no failure."""
    best = float("inf")
    for _ in range(2):
        start = time.perf_counter()
        ended = subprocess.run(words, cwd=folder, capture_output=True, check=False, timeout=600)
        best = min(best, time.perf_counter() - start)
        if ended.returncode not in (0, 1):
            raise SystemExit(f"{words[1:]} ended with the status {ended.returncode}: {ended.stderr.decode()[-500:]}")
        if best > 30:
            break
    return best


def main() -> None:
    """Prints a line for each command, and ends with 1 if one grows too fast or takes too long."""
    bailey = str(Path(sys.argv[1]).resolve())
    chosen = sys.argv[2:]
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name, redis_server(Path(name)) as url:
        work = Path(name) / "work"
        work.mkdir()
        settings = f"version: 1\nsources:\n  s: {{kind: redbeat, url: {url}, timezone: UTC}}\n"
        (work / "bailey.yaml").write_text(settings, encoding="utf-8")
        have = 0
        for size in SIZES:
            add_entries(url, have, size)
            have = size
            import_time = seconds([bailey, "import"], work)
            times.setdefault("import", []).append(import_time)
            plan = subprocess.run([bailey, "plan", "--json"], cwd=work, capture_output=True, check=False)
            first = json.loads(plan.stdout)["pipelines"][0]["id"]
            for command in COMMANDS:
                words = [first if word.endswith(("entry-1", "entry_1")) else word for word in command]
                label = " ".join(command[:1] + (["ONE"] if words != command else []))
                if chosen and label not in chosen:
                    continue
                times.setdefault(label, []).append(seconds([bailey, *words], work))
    print(f"{'COMMAND':14}" + "".join(f"{size:>10,}" for size in SIZES) + "    GROWTH (1 is linear)")
    failed = False
    for label, measured in times.items():
        # What starting the program costs grows with nothing.
        growth = (measured[-1] / measured[0]) / (SIZES[-1] / SIZES[0])
        verdict = ""
        if growth > WORST:
            verdict = "  FASTER THAN ITS WORK"
        limit = LIMITS.get(label)
        if limit is not None and measured[-1] > limit:
            verdict += f"  LONGER THAN {limit} s"
        failed = failed or verdict != ""
        print(f"{label:14}" + "".join(f"{value:>8.2f} s" for value in measured) + f"    {growth:5.2f}{verdict}")
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
