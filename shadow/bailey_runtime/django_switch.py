"""The switch of django-celery-beat's entries, as a gate asks it: the functions of schema `bailey_beat` in the application's database decide.

`connection` is any DB-API connection with `%s` parameters (psycopg2, psycopg 3).
"""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Any, Optional

# How long one look may hold a worker slot.
_LOOK_SECONDS = 4.0
# How long a gate that has given something back waits for a moment at which beat may be told, before the tasks of the last tick go on.
_TELL_SECONDS = 20.0


def wait(connection: Any, source: str, pipeline: str, tick: datetime, run: str, **more: Any) -> dict[str, str]:
    """Asks until there is an answer, for a look's time; its mode is `wait` if there was none."""
    ends = time.monotonic() + _LOOK_SECONDS
    while True:
        answer = ask(connection, source, pipeline, tick, run, **more)
        if answer["mode"] != "wait" or time.monotonic() > ends:
            return answer
        time.sleep(0.25)


def ask(
    connection: Any,
    source: str,
    pipeline: str,
    tick: datetime,
    run: str,
    *,
    policy: str = "coalesce",
    late_after: float = 300,
    began: Optional[datetime] = None,
    installation: str = "",
) -> dict[str, str]:
    """One look for a tick of a run; the same run may ask again and is told the same. One transaction, committed before it is believed.

    Where no switch is installed legacy owns everything. No answer never means go.
    """
    try:
        cursor = connection.cursor()
        try:
            # By the catalogue, which everybody may read: one that this user may not call is there all the same.
            cursor.execute(
                "SELECT EXISTS (SELECT 1 FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
                " WHERE n.nspname = 'bailey_beat' AND p.proname = 'ask')"
            )
            if not cursor.fetchone()[0]:
                connection.commit()
                note = "no switch is installed, so legacy owns everything"
                return {"mode": "shadow", "how": "no-switch", "note": note, "fence": ""}
            cursor.execute(
                "SELECT bailey_beat.ask(%s, %s, %s, %s, %s, %s * interval '1 second', coalesce(%s, clock_timestamp()), %s)::text",
                (source, pipeline, tick, run, policy, late_after if policy == "none" else None, began, installation),
            )
            answer = json.loads(cursor.fetchone()[0])
        finally:
            cursor.close()
        connection.commit()
    except Exception as error:
        connection.rollback()
        # Somebody has a row locked for a moment; both drivers tell the server's code.
        state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
        if state in ("55P03", "40P01", "40001"):
            return away(f"the rows are busy: {error}")
        raise
    if answer.get("owes"):
        _tell(connection, source)
    return {name: str(answer.get(name) or "") for name in ("mode", "how", "note", "fence")}


def _tell(connection: Any, source: str) -> None:
    """Beat is told nothing around a minute, in which it may fire twice; what is not told now the next gate tells, or `bailey watch`."""
    ends = time.monotonic() + _TELL_SECONDS
    while time.monotonic() < ends:
        try:
            cursor = connection.cursor()
            try:
                cursor.execute("SELECT bailey_beat.tell(%s)::text", (source,))
                answer = json.loads(cursor.fetchone()[0])["answer"]
            finally:
                cursor.close()
            connection.commit()
        except Exception:
            # The tick has its answer already.
            connection.rollback()
            return
        if answer != "owing":
            return
        time.sleep(0.25)


def away(note: str) -> dict[str, str]:
    """No answer, and why."""
    return {"mode": "wait", "how": "away", "note": note, "fence": ""}
