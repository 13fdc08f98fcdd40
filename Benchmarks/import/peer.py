"""Readers of the same data as `bailey import`, written the usual way: redis-py and json, psycopg and statistics."""

from __future__ import annotations

import json
import socket
import sys
from collections import defaultdict
from statistics import median, quantiles
from urllib.parse import urlsplit

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


def socket_alone(url: str) -> str:
    """The same replies through a bare socket, of which nothing is made: what no reader can be quicker than."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port)) as connection:
        client = redis.Redis.from_url(url)
        keys = list(client.zrange("redbeat::schedule", 0, -1))
        size = 0
        for start in range(0, len(keys), 500):
            part = keys[start : start + 500]
            command = b"*4\r\n$5\r\nHMGET\r\n$%d\r\n%s\r\n$10\r\ndefinition\r\n$4\r\nmeta\r\n"
            connection.sendall(b"".join(command % (len(key), key) for key in part))
            # Each reply ends with its second value; the number of lines is known.
            lines = 5 * len(part)
            while lines > 0:
                read = connection.recv(1 << 20)
                size += len(read)
                lines -= read.count(b"\r\n")
    return f"{len(keys)} entries, {size} bytes"


def redbeat_itself(url: str) -> str:
    """RedBeat's own reader, an entry at a time, as its scheduler and its users have it."""
    from celery import Celery
    from redbeat import RedBeatSchedulerEntry

    app = Celery("peer", broker=url)
    app.conf.redbeat_redis_url = url
    keys = redis.Redis.from_url(url, decode_responses=True).zrange("redbeat::schedule", 0, -1)
    return f"{sum(1 for key in keys if RedBeatSchedulerEntry.from_key(key, app=app))} entries"


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
    readers = {"redbeat": redbeat, "socket": socket_alone, "itself": redbeat_itself, "queue": queue}
    print(readers[sys.argv[1]](sys.argv[2]))
