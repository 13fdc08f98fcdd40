"""Measures `bailey import` against peer.py: time as a ratio, and the peak memory of both at two sizes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import redis

from lab.servers import POSTGRES_SETTINGS, free_port, postgres_program, postgres_user, redis_command

HERE = Path(__file__).parent
ROUNDS = 3

TABLE = """
CREATE SCHEMA tasks;
CREATE TABLE tasks.background_jobs (id bigint PRIMARY KEY, job_id text, job_type text, job_data jsonb, status text,
    created_at timestamp, started_at timestamp, completed_at timestamp, next_retry_at timestamp, retry_count int, max_retries int);
"""
ROWS = """
INSERT INTO tasks.background_jobs
SELECT n, 'job-' || n, (ARRAY['export_data', 'send_email', 'generate_report', 'cleanup'])[1 + n %% 4], '{"n": 1}',
    CASE WHEN n %% 20 = 0 THEN 'failed' ELSE 'completed' END, t, t, t + ((n * 7919) %% 10000) * interval '1 millisecond', NULL, n %% 3, 3
FROM (SELECT n, timestamp '2026-01-01' + n * interval '1 second' AS t FROM generate_series(%s::bigint, %s::bigint) n) s
"""


def measured(words: list[str], folder: Path) -> tuple[float, float]:
    """Seconds and peak memory in MB of the quickest of some runs of a program.

    `time` starts it: a process's peak begins with what its parent used when it forked, and `time` uses next to nothing.
    """
    best = (float("inf"), 0.0)
    note = folder / "time"
    for _ in range(ROUNDS):
        start = time.perf_counter()
        ended = subprocess.run(
            ["/usr/bin/time", "-q", "-f", "%M", "-o", note, *words], cwd=folder, capture_output=True, check=False
        )
        seconds = time.perf_counter() - start
        if ended.returncode != 0:
            raise SystemExit(f"{words[0]} ended with the status {ended.returncode}: {ended.stderr.decode()}")
        best = min(best, (seconds, int(note.read_text(encoding="ascii")) / 1024))
    return best


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """A Redis of its own; gives its URL."""
    port = free_port()
    process = subprocess.Popen(redis_command(port, folder), stdout=subprocess.DEVNULL)
    try:
        client = redis.Redis(port=port)
        while True:
            try:
                client.ping()
                break
            except redis.ConnectionError:
                if process.poll() is not None:
                    raise SystemExit("redis-server did not start") from None
                time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.kill()
        process.wait()


@contextmanager
def postgres_server(folder: Path) -> Iterator[str]:
    """A PostgreSQL of its own; gives its URL."""
    user = postgres_user()
    data = folder / "data"
    data.mkdir()
    account = ["runuser", "-u", user, "--"] if user else []
    if user:
        folder.chmod(0o755)
        subprocess.run(["chown", user, str(data)], check=True)
    initdb = [postgres_program("initdb"), "-D", str(data), "-A", "trust", "-U", "postgres", "--no-sync"]
    subprocess.run([*account, *initdb], check=True, stdout=subprocess.DEVNULL, cwd=data)
    port = free_port()
    settings = POSTGRES_SETTINGS | {"port": str(port)}
    words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    process = subprocess.Popen(
        [postgres_program("postgres"), "-D", str(data), *words], cwd=data, user=user, stderr=subprocess.DEVNULL
    )
    url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    try:
        while True:
            try:
                psycopg.connect(url).close()
                break
            except psycopg.OperationalError:
                if process.poll() is not None:
                    raise SystemExit("postgres did not start") from None
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


def add_entries(url: str, first: int, last: int) -> None:
    """Entries as RedBeat writes them, each after its first run."""
    client = redis.Redis.from_url(url)
    pipeline = client.pipeline(transaction=False)
    for number in range(first, last):
        crontab = {
            "__type__": "crontab",
            "minute": number % 60,
            "hour": "*",
            "day_of_week": "*",
            "day_of_month": "*",
            "month_of_year": "*",
        }
        call = {
            "name": f"entry-{number}",
            "task": f"company.task_{number % 50}",
            "args": [number],
            "kwargs": {"note": "x" * 100},
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
        }
        key = f"redbeat:entry-{number}"
        definition = json.dumps(call | {"options": {"queue": "q"}, "schedule": crontab, "enabled": True})
        meta = json.dumps({"last_run_at": moment | {"timezone": "UTC"}, "total_run_count": 3})
        pipeline.hset(key, mapping={"definition": definition, "meta": meta})
        pipeline.zadd("redbeat::schedule", {key: 1.0})
    pipeline.execute()


def compare(bailey: str, what: str, source: str, sizes: list[int], url: str, grow, folder: Path) -> None:
    """Prints a line for each size."""
    work = folder / "work"
    work.mkdir()
    (work / "bailey.yaml").write_text(f"version: 1\nsources:\n  s: {{{source}, url: {url}}}\n", encoding="utf-8")
    have = 0
    for size in sizes:
        grow(have, size)
        have = size
        ours = measured([bailey, "import"], work)
        peer = measured([sys.executable, str(HERE / "peer.py"), what, url], work)
        print(
            f"{what:8} {size:>9,}   bailey {ours[0]:7.2f} s {ours[1]:7.1f} MB   python {peer[0]:7.2f} s {peer[1]:7.1f} MB"
            f"   time {ours[0] / peer[0]:5.2f}   memory {ours[1] / peer[1]:5.2f}"
        )


def many(bailey: str, size: int, url: str, folder: Path) -> None:
    """Many entries: beside a bare socket that reads the same replies, beside RedBeat's own reader, and what comes after the import."""
    work = folder / "work"
    work.mkdir()
    source = f"{{kind: redbeat, url: {url}, timezone: UTC, celery: {{settings: {{}}}}}}"
    (work / "bailey.yaml").write_text(f"version: 1\nsources:\n  s: {source}\n", encoding="utf-8")
    add_entries(url, 0, size)
    limit = measured([sys.executable, str(HERE / "peer.py"), "socket", url], work)
    nothing = measured([sys.executable, "-c", "import psycopg, redis"], work)
    itself = measured([sys.executable, str(HERE / "peer.py"), "itself", url], work)
    bare = limit[0] - nothing[0]
    print(f"{size:,} entries   bare socket {bare:5.2f} s   RedBeat's own reader {itself[0]:6.2f} s")
    for words in (["import"], ["import", "--json"], ["plan"], ["plan", "--json"], ["generate"]):
        seconds, memory = measured([bailey, *words, *(["--no-ask-workers"] if "import" in words else [])], work)
        print(
            f"{' '.join(words):14} {seconds:6.2f} s {memory:7.1f} MB   {seconds / bare:5.1f} bare sockets"
            f"   RedBeat's reader takes {itself[0] / seconds:4.1f} times as long"
        )


def main() -> None:
    bailey = str(Path(sys.argv[1]).resolve())
    scale = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    print(
        f"bailey import against Python, the quickest of {ROUNDS} runs; ratios are bailey : python, so less than 1 is better"
    )
    with tempfile.TemporaryDirectory() as name, redis_server(Path(name)) as url:
        sizes = [1_000 // scale, 10_000 // scale]
        compare(bailey, "redbeat", "kind: redbeat", sizes, url, lambda a, b: add_entries(url, a, b), Path(name))
    with tempfile.TemporaryDirectory() as name, redis_server(Path(name)) as url:
        many(bailey, 100_000 // scale, url, Path(name))
    with tempfile.TemporaryDirectory() as name, postgres_server(Path(name)) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(TABLE)

            def grow(have: int, size: int) -> None:
                connection.execute(ROWS, (have + 1, size))
                connection.execute("VACUUM ANALYZE tasks.background_jobs")

            sizes = [100_000 // scale, 1_000_000 // scale]
            compare(
                bailey, "queue", "kind: queue, profile: background_jobs, timezone: UTC", sizes, url, grow, Path(name)
            )


if __name__ == "__main__":
    main()
