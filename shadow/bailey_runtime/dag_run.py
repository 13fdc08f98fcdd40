"""What the tasks of a generated DAG know of their run. Pure, but for what Airflow's context fetches."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from . import GATE, MODE_PARAM

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class DagRunInfo:
    """A run of a generated DAG.

    `tick` is what it was due for, None where a person started it. `by_schedule` is whether the switch is to be asked.
    `shadowed` is what Bailey passed to a run that shadows a recorded one; `asked` the mode that a person chose.
    """

    dag_id: str
    run_id: str
    tick: datetime | None
    by_schedule: bool
    shadowed: Mapping[str, Any] | None
    asked: str
    began: datetime | None

    @classmethod
    def of(cls, context: Mapping[str, Any]) -> DagRunInfo:
        """The run of a task's context, in 2.11 as in 3.x."""
        run = context["dag_run"]
        kind = getattr(run.run_type, "value", run.run_type)
        by_schedule = kind in ("scheduled", "backfill", "backfill_job")
        conf = getattr(run, "conf", None) or {}
        shadowed = conf.get("bailey")
        tick = run.logical_date if by_schedule else None
        if isinstance(shadowed, Mapping) and shadowed.get("tick"):
            # Python before 3.11 does not read a Z.
            tick = datetime.fromisoformat(_six_digits(str(shadowed["tick"]).replace("Z", "+00:00")))
        return cls(
            dag_id=run.dag_id,
            run_id=run.run_id,
            tick=tick,
            by_schedule=by_schedule,
            shadowed=shadowed if isinstance(shadowed, Mapping) else None,
            asked=(context.get("params") or {}).get(MODE_PARAM) or "shadow",
            began=getattr(run, "start_date", None),
        )

    @property
    def id(self) -> str:
        """The id by which the switch knows the run."""
        return f"{self.dag_id}/{self.run_id}"

    @property
    def job(self) -> str | None:
        """The recorded job that it shadows."""
        job = (self.shadowed or {}).get("job")
        return None if job is None else str(job)

    @property
    def arguments(self) -> str | None:
        """The recorded arguments that it shadows, as JSON text; text is taken as JSON already."""
        arguments = (self.shadowed or {}).get("arguments")
        if arguments is None or isinstance(arguments, str):
            return arguments
        return json.dumps(arguments, ensure_ascii=False)


def gate_answer(context: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What the gate of this run said; None if it said nothing, which never means go."""
    answer = context["ti"].xcom_pull(task_ids=GATE, map_indexes=-1)
    return answer if isinstance(answer, Mapping) else None


def microseconds(at: datetime) -> int:
    """An instant in µs since the epoch."""
    return (at.astimezone(timezone.utc) - _EPOCH) // timedelta(microseconds=1)


def iso(at: datetime | None) -> str | None:
    """`2026-11-25T09:00:00Z`, with the microseconds there are."""
    if at is None:
        return None
    utc = at.astimezone(timezone.utc)
    digits = f".{utc.microsecond:06d}".rstrip("0") if utc.microsecond else ""
    return f"{utc:%Y-%m-%dT%H:%M:%S}{digits}Z"


def _six_digits(text: str) -> str:
    # Python before 3.11 reads 3 or 6 digits only.
    if "." not in text:
        return text
    whole, rest = text.split(".", 1)
    digits = rest[: next((at for at, c in enumerate(rest) if not c.isdigit()), len(rest))]
    return f"{whole}.{digits[:6]:0<6}{rest[len(digits) :]}"
