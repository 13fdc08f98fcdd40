"""Readers of the same data as `bailey import`, written the usual way: redis-py and json, psycopg and statistics."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from statistics import median, quantiles

import psycopg
import redis


def redbeat(url: str) -> str:
    """Every entry of the schedule, its definition and meta parsed."""
    client = redis.Redis.from_url(url)
    keys = [key for key in client.scan_iter("redbeat:*", count=1000) if not key.startswith(b"redbeat::")]
    entries = []
    for start in range(0, len(keys), 500):
        pipeline = client.pipeline(transaction=False)
        for key in keys[start : start + 500]:
            pipeline.hmget(key, "definition", "meta")
        for definition, meta in pipeline.execute():
            entries.append((json.loads(definition), json.loads(meta) if meta else None))
    return f"{len(entries)} entries"


def queue(url: str) -> str:
    """Runs, successes, retries and durations per job type, the rows streamed by a server-side cursor."""
    durations: dict[str, list[float]] = defaultdict(list)
    succeeded: dict[str, int] = defaultdict(int)
    retries: dict[str, int] = defaultdict(int)
    with psycopg.connect(url) as connection, connection.cursor(name="reader") as cursor:
        cursor.itersize = 10_000
        cursor.execute(
            "SELECT job_type, status, started_at, completed_at, retry_count FROM tasks.background_jobs"
            " WHERE status IN ('completed', 'failed')"
        )
        for kind, status, started, completed, count in cursor:
            durations[kind].append((completed - started).total_seconds())
            succeeded[kind] += status == "completed"
            retries[kind] += count
    for values in durations.values():
        median(values)
        quantiles(values, n=20)
    return f"{sum(len(values) for values in durations.values())} rows of {len(durations)} types"


if __name__ == "__main__":
    print({"redbeat": redbeat, "queue": queue}[sys.argv[1]](sys.argv[2]))
