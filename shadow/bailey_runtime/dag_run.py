"""What the tasks of a generated DAG know of their run. Pure, but for what Airflow's context fetches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from . import GATE, MODE_PARAM, json_value

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class DagRunInfo:
    """A run of a generated DAG.

    `tick` is what it was due for, None where a person started it. `by_schedule` is whether the switch is to be asked, `is_backfill` whether
    the run was made for a tick of the past.
    `shadowed` is what Bailey passed to a run that shadows a recorded one; `asked` the mode that a person chose. `is_cleared` is whether
    somebody has had it run again.
    """

    dag_id: str
    run_id: str
    tick: datetime | None
    by_schedule: bool
    is_backfill: bool
    shadowed: Shadowed | None
    asked: str
    began: datetime | None
    is_cleared: bool = False

    @classmethod
    def of(cls, context: Mapping[str, Any]) -> DagRunInfo:
        """The run of a task's context, in 2.11 as in 3.x."""
        run = context["dag_run"]
        kind = getattr(run.run_type, "value", run.run_type)
        conf = getattr(run, "conf", None)
        # 2.11 knows no backfill that one can ask for: bailey makes its runs, which ask the switch as all of a schedule do.
        is_backfill = kind in ("backfill", "backfill_job") or _flag(conf, "bailey_backfill")
        # One that assets have started is nobody's by hand; it has no tick.
        by_assets = kind in ("asset_triggered", "dataset_triggered")
        by_schedule = kind == "scheduled" or is_backfill or by_assets
        tick = run.logical_date if by_schedule and not by_assets else None
        shadowed = _shadowed(conf)
        if shadowed is not None and shadowed.tick is not None:
            tick = shadowed.tick
        asked = (context.get("params") or {}).get(MODE_PARAM) or "shadow"
        if asked not in ("shadow", "trial", "live"):
            raise _failure(f"the parameter {MODE_PARAM} of this run is {asked!r}; it may be shadow, trial or live")
        return cls(
            dag_id=run.dag_id,
            run_id=run.run_id,
            tick=tick,
            by_schedule=by_schedule,
            is_backfill=is_backfill,
            shadowed=shadowed,
            asked=asked,
            began=getattr(run, "start_date", None),
            is_cleared=bool(getattr(run, "clear_number", 0)),
        )

    @property
    def mode_by_hand(self) -> str:
        """What a person chose: a trial is a shadow of nothing."""
        return "live" if self.asked == "live" else "shadow"

    @property
    def id(self) -> str:
        """The id by which the switch knows the run."""
        return f"{self.dag_id}/{self.run_id}"

    @property
    def job(self) -> str | None:
        """The recorded job that it shadows."""
        return None if self.shadowed is None else self.shadowed.job

    @property
    def arguments(self) -> str | None:
        """The recorded arguments that it shadows, as JSON text."""
        return None if self.shadowed is None else self.shadowed.arguments


@dataclass(frozen=True)
class Shadowed:
    """The recorded run that a run shadows, as Bailey passed it. `arguments` is JSON text that was read and written anew."""

    tick: datetime | None
    job: str | None
    entry: str | None
    arguments: str | None


def _shadowed(conf: Any) -> Shadowed | None:
    """What `conf["bailey"]` says; None where there is none.

    Whoever may start a run writes it: it is read part by part, and what is not as Bailey would have written it fails the task.
    """
    try:
        return _read_shadowed(conf)
    except ValueError as error:
        raise _failure(f"what was passed to this run cannot be used: {error}") from error


def _failure(words: str) -> Exception:
    # Airflow's, without which all else here can be used.
    from .compat import AirflowFailException

    return AirflowFailException(words)


def _read_shadowed(conf: Any) -> Shadowed | None:
    if conf is None or conf == {}:
        return None
    if not isinstance(conf, Mapping):
        raise ValueError(f"conf is no object but {type(conf).__name__}")
    if "bailey" not in conf:
        return None
    given = conf["bailey"]
    if not isinstance(given, Mapping):
        raise ValueError(f"bailey is no object but {type(given).__name__}")
    unknown = sorted(str(name) for name in given if name not in _PASSED)
    if unknown:
        raise ValueError(f"bailey has {', '.join(map(repr, unknown))}, which this bailey-runtime does not know")
    texts: dict[str, str | None] = {}
    for name in _PASSED:
        text = given.get(name)
        if text is not None and not isinstance(text, str):
            raise ValueError(f"bailey.{name} is no text but {type(text).__name__}")
        texts[name] = text
    if texts["mode"] not in (None, "shadow"):
        raise ValueError(f"bailey.mode is {texts['mode']!r}; it may be shadow only")
    arguments = texts["arguments"]
    return Shadowed(
        tick=_tick(texts["tick"]) if texts["tick"] else None,
        job=texts["job"],
        entry=texts["entry"],
        arguments=None if arguments is None else json_value.write(json_value.read(arguments, "bailey.arguments")),
    )


def _flag(conf: Any, name: str) -> bool:
    return isinstance(conf, Mapping) and conf.get(name) is True


_PASSED = ("mode", "tick", "job", "entry", "arguments")


def _tick(text: str) -> datetime:
    try:
        # Python before 3.11 does not read a Z.
        at = datetime.fromisoformat(_six_digits(text.replace("Z", "+00:00")))
        if at.tzinfo is None:
            raise ValueError("it has no zone")
        return at.astimezone(timezone.utc)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"bailey.tick is {text!r}, which is no instant: {error}") from error


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
    # strftime gives years before 1000 fewer than four digits.
    return f"{utc.replace(tzinfo=None).isoformat(timespec='seconds')}{digits}Z"


def _six_digits(text: str) -> str:
    # Python before 3.11 reads 3 or 6 digits only.
    if "." not in text:
        return text
    whole, rest = text.split(".", 1)
    digits = rest[: next((at for at, c in enumerate(rest) if not c.isdigit()), len(rest))]
    return f"{whole}.{digits[:6]:0<6}{rest[len(digits) :]}"
