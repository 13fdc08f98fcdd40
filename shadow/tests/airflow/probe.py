"""Bodies that tests call: they tell what reached them, and last as long as they are told."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import signal
import time
from pathlib import Path
from typing import Any


def echo(*args: Any, **kwargs: Any) -> dict[str, Any]:
    """What it was called with, and a digest of its bytes."""
    text = json.dumps([args, kwargs], ensure_ascii=False, sort_keys=True)
    return {
        "args": list(args),
        "kwargs": kwargs,
        "sha256": hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
    }


def last(seconds: float, folder: str, name: str = "body") -> dict[str, Any]:
    """Writes `NAME.begun` with its pid, lasts so many seconds, and writes `NAME.done`; `NAME.overlaps` if another one lasts already."""
    place = Path(folder)
    lock = (place / f"{name}.lock").open("w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with (place / f"{name}.overlaps").open("a", encoding="utf-8") as file:
            file.write(f"{os.getpid()}\n")
    with (place / f"{name}.begun").open("a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(seconds)
    with (place / f"{name}.done").open("a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")
    lock.close()
    return {"lasted": seconds}


def nothing() -> None:
    """Nothing at all."""


def effect(job: dict[str, Any]) -> dict[str, Any]:
    """Writes a line into the table `effects` of the database that the job names.

    Its first `busy_for` attempts fail; the first of a job that `kills` ends the task that called it, as a worker's death would.
    """
    import psycopg

    with psycopg.connect(job["url"], autocommit=True) as connection:
        row = connection.execute("SELECT count(*) FROM effects WHERE number = %s", (job["number"],)).fetchone()
        attempts = 0 if row is None else row[0]
        busy, kills = attempts < job.get("busy_for", 0), attempts == 0 and job.get("kills", False)
        connection.execute(
            "INSERT INTO effects (number, by, failed) VALUES (%s, 'airflow', %s)", (job["number"], busy or kills)
        )
    if kills:
        os.kill(os.getppid(), signal.SIGKILL)
        raise SystemExit("its task is dead")
    if busy:
        raise RuntimeError("the service is busy, try again")
    return {"number": job["number"]}
