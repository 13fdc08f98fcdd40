"""Jobs of a queue table for a DAG run: taken and settled by the functions of schema `bailey` in the queue's own database.

The decisions are SQL; this only calls it. `connection` is any DB-API connection with `%s` parameters (psycopg2, psycopg 3). Each
function is one transaction of its own and commits it, unless told not to; whatever fails is rolled back and raised, and every call
may be repeated after a lost answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional, TypedDict

from . import json_value


class Job(TypedDict):
    """A job that a run has taken."""

    # The row's id, as text.
    job: str
    # The payload as JSON text, so that its numbers stay as they are; None where the column is null.
    payload: Optional[str]
    # Which attempt this is, from 1; legacy's attempts count.
    attempt: int
    # The application's own key of the job, if it has one.
    key: Optional[str]


# Says which Airflow asks, for as long as the statement lasts, and adds nothing to the run's id.
_NAMED = "%s || left(set_config('bailey.installation', %s, true), 0)"


def mode(connection: Any, queue: str, job_type: str, run: Optional[str] = None, installation: str = "") -> str:
    """`live`, `closing` (ask again) or `shadow`. Where no switch is installed, legacy owns everything: `shadow`.

    A run that still holds jobs is told `live` even after they were given back to legacy: they are its own to finish. To another
    `installation` of Airflow than the one whose runs take the jobs, `shadow` is said.
    """
    installed = _rows(connection, "SELECT to_regprocedure('bailey.mode(text, text, text)') IS NOT NULL", (), True)
    if not installed[0][0]:
        return "shadow"
    sql = f"SELECT bailey.mode(%s, %s, {_NAMED})"
    return str(_rows(connection, sql, (queue, job_type, run, installation), True)[0][0])


def is_due(connection: Any, queue: str, job_types: Sequence[str], run: str, installation: str = "") -> Optional[bool]:
    """Whether a run would find a job of one of these types to take, or has one still; None where the switch is too old to say.

    It asks for the modes first, which brings on what a command that was killed has left half done.
    """
    modes = {name: mode(connection, queue, name, run, installation) for name in job_types}
    live = [name for name, found in modes.items() if found == "live"]
    if not live:
        return False
    known = _rows(connection, "SELECT to_regprocedure('bailey.is_due(text, text, text)') IS NOT NULL", (), True)
    if not known[0][0]:
        return None
    sql = f"SELECT bailey.is_due(%s, %s, {_NAMED})"
    return any(_rows(connection, sql, (queue, name, run, installation), True)[0][0] for name in live)


def take(connection: Any, queue: str, job_type: str, run: str, most: int, installation: str = "") -> list[Job]:
    """Takes up to `most` due jobs for the run, oldest first.

    A run takes a type's jobs once: called again, it gets those that it has not finished. Nothing is taken unless the type is Airflow's, and
    this `installation` of Airflow the one whose runs take: the first that does, where `bailey cutover` named none.
    """
    sql = f"SELECT job, payload::text, attempt, key FROM bailey.take(%s, %s, {_NAMED}, %s)"
    rows = _rows(connection, sql, (queue, job_type, run, installation, most), True)
    if not rows:
        return []
    # As its row holds it, which jsonb would change. A switch that an older Bailey has installed keeps none: of a column that is not there
    # the row as JSON says nothing.
    kept = "SELECT c.job, to_jsonb(c) ->> 'stored' FROM bailey.claim c WHERE c.queue = %s AND c.run = %s AND c.finished_at IS NULL"
    stored = dict(_rows(connection, kept, (queue, run), True))
    return [
        Job(job=job, payload=_payload(stored.get(job), payload), attempt=attempt, key=key)
        for job, payload, attempt, key in rows
    ]


def _payload(stored: str | None, read_by_server: str | None) -> str | None:
    text = read_by_server if stored is None else stored
    return None if text is None else json_value.payload(text)


def finish(
    connection: Any, queue: str, job: str, run: str, state: str, error: Optional[str] = None, *, commit: bool = True
) -> str:
    """Settles a job as `success` or `failed`, and tells what became of it.

    `success`, `failed`; `retry`: it waits for its next attempt, which a later run takes; `released`: the same, but legacy's, to which
    the type has gone back; `overtaken`: somebody else has changed the row, which is left alone; `returned`: a person has given this
    run's claims back; `unknown`: the run never took it. A second call changes nothing and answers the same.

    With `commit=False` it is part of the caller's transaction, so that a body's own writes and the job's end are one.
    """
    sql = "SELECT bailey.finish(%s, %s, %s, %s, %s)"
    return str(_rows(connection, sql, (queue, job, run, state, error), commit)[0][0])


def claim(connection: Any, queue: str, job: str, run: str) -> str:
    """Whether a run still has a job: `open`; or what became of its claim: `returned` by a person, `overtaken`, `success`, …; or `unknown`.

    To be asked right before the job's body.
    """
    sql = (
        "SELECT coalesce((SELECT coalesce(c.outcome, 'open') FROM bailey.claim c"
        " WHERE c.queue = %s AND c.job = %s AND c.run = %s ORDER BY c.place DESC LIMIT 1), 'unknown')"
    )
    return str(_rows(connection, sql, (queue, job, run), True)[0][0])


def _rows(connection: Any, sql: str, values: tuple[Any, ...], commit: bool) -> list[Any]:
    try:
        cursor = connection.cursor()
        try:
            cursor.execute(sql, values)
            rows = cursor.fetchall()
        finally:
            cursor.close()
        if commit:
            connection.commit()
    except BaseException:
        if commit:
            connection.rollback()
        raise
    return rows
