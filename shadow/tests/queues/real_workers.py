"""Processes of the tests of real queues: the software's own worker on jobs that leave one line each, and the runs of a DAG.

`python real_workers.py KIND URL …`
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import uuid
from pathlib import Path
from time import sleep
from typing import Any

import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

EFFECT = "INSERT INTO effects (n, by, failed) VALUES (%s, %s, %s)"


def procrastinate_app(url: str, *, synchronous: bool = False) -> Any:
    """An application of procrastinate's, as its users write one."""
    import procrastinate

    kind = procrastinate.SyncPsycopgConnector if synchronous else procrastinate.PsycopgConnector
    app = procrastinate.App(connector=kind(conninfo=url))

    @app.task(name="shop.send_mail", queue="mails")
    async def send_mail(n: int, seconds: float = 0, bad: bool = False) -> None:
        await _body(url, n, seconds, bad)

    @app.task(name="shop.stock", queue="stock")
    async def stock(n: int, seconds: float = 0, bad: bool = False) -> None:
        await _body(url, n, seconds, bad)

    return app


async def _body(url: str, n: int, seconds: float, bad: bool) -> None:
    await asyncio.sleep(seconds or random.random() * 0.002)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(EFFECT, (n, "legacy", bad))
    if bad:
        raise ValueError("no such mail")


async def procrastinate_worker(url: str, queues: str) -> None:
    """Its worker, for some queues or for all; it ends by SIGTERM as that of its command line does."""
    app = procrastinate_app(url)
    names = None if queues == "*" else queues.split(",")
    async with app.open_async():
        await app.run_worker_async(
            queues=names, concurrency=2, fetch_job_polling_interval=0.2, abort_job_polling_interval=1
        )


async def pgqueuer_worker(url: str) -> None:
    """PgQueuer's worker."""
    from pgqueuer import PgQueuer
    from pgqueuer.models import Job

    connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
    application = PgQueuer.from_psycopg_connection(connection)

    @application.entrypoint("send_mail")
    async def send_mail(job: Job) -> None:
        told = json.loads(job.payload or b"{}")
        await _body(url, told["n"], told.get("seconds", 0), told.get("bad", False))

    @application.entrypoint("stock")
    async def stock(job: Job) -> None:
        await send_mail(job)

    await application.run(batch_size=5)


def run_dags(url: str, job_type: str, backlog: Path) -> None:
    """A DAG's runs, one after another; a run that was killed is begun again under its own id."""
    from bailey_runtime import queue as switch

    connection = psycopg.connect(url, application_name="dag")
    while True:
        if not backlog.exists():
            draft = backlog.with_suffix(".new")
            draft.write_text(f"dag/{uuid.uuid4()}")
            draft.replace(backlog)
        run = backlog.read_text()
        if switch.mode(connection, "q", job_type, run) == "live":
            for job in switch.take(connection, "q", job_type, run, 10):
                told = json.loads(job["payload"] or "{}")
                told = told.get("kwargs", told)
                sleep(random.random() * 0.002)
                # The body's line and the job's end are one.
                connection.execute(EFFECT, (told["n"], "airflow", False))
                switch.finish(connection, "q", job["job"], run, "success", commit=False)
                connection.commit()
        else:
            sleep(0.05)
        backlog.unlink()
        sleep(0.01)


def main() -> None:
    """Runs one process until it is killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("procrastinate", "pgqueuer", "dag"))
    parser.add_argument("url")
    parser.add_argument("--queues", default="mails")
    parser.add_argument("--type")
    parser.add_argument("--backlog", type=Path)
    options = parser.parse_args()
    random.seed(os.getpid())
    if options.kind == "procrastinate":
        asyncio.run(procrastinate_worker(options.url, options.queues))
    elif options.kind == "pgqueuer":
        asyncio.run(pgqueuer_worker(options.url))
    else:
        run_dags(options.url, options.type, options.backlog)


if __name__ == "__main__":
    main()
