"""A worker of a queue table that keeps results and errors (`python job_worker.py URL`): takes jobs with FOR UPDATE SKIP LOCKED until none is left."""

from __future__ import annotations

import sys

import psycopg
from kombu.utils.json import dumps
from planted_cases import CASES

TABLE = """
CREATE TABLE jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, kind text NOT NULL, payload jsonb NOT NULL,
    state text NOT NULL DEFAULT 'waiting', made timestamptz NOT NULL DEFAULT now(), began timestamptz, done timestamptz,
    tries integer NOT NULL DEFAULT 0, result json, error text
)
"""
TAKE = """
UPDATE jobs SET state = 'working', began = clock_timestamp() WHERE id = (
    SELECT id FROM jobs WHERE state = 'waiting' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, payload
"""
END = "UPDATE jobs SET state = %s, done = clock_timestamp(), result = %s, error = %s WHERE id = %s"
PROFILE = {
    "profile": "planted",
    "table": "public.jobs",
    "columns": {
        "id": "id",
        "type": "kind",
        "payload": "payload",
        "status": "state",
        "queued": "made",
        "started": "began",
        "finished": "done",
        "attempts": "tries",
        "result": "result",
        "error": "error",
    },
    "statuses": {"queued": ["waiting"], "running": ["working"], "success": ["done"], "failed": ["failed"]},
}


def work(url: str) -> None:
    """Works until nothing waits."""
    with psycopg.connect(url, autocommit=True) as connection:
        while taken := connection.execute(TAKE).fetchone():
            job, payload = taken
            case = CASES.get(payload["case"])
            try:
                result = dumps(case.legacy() if case else payload["given"])
            except Exception as error:
                words = f"{type(error).__qualname__}: {error}" if str(error) else type(error).__qualname__
                connection.execute(END, ("failed", None, words, job))
            else:
                connection.execute(END, ("done", result, None, job))


if __name__ == "__main__":
    work(sys.argv[1])
