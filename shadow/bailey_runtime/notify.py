"""Tells people that a task has failed, is tried again or is late, by the alert channels of `bailey.yaml`.

Each channel is an Airflow connection, `bailey_alert_NAME`: no DAG file holds a secret. People are told of live runs only. Whatever goes wrong
here is a line of the log and nothing else.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import GATE, MODE_PARAM
from .compat import BaseHook

_LOG = logging.getLogger("bailey.notify")
_MOST_CHARACTERS = 500


def notify(event: str, *channels: str) -> Callable[[Any], None]:
    """The callback of a task that tells these channels of `failed` or `retried`."""

    def callback(context: Any) -> None:
        try:
            if _is_live(context):
                tell(channels, *_words(event, context))
        except Exception:
            _LOG.exception("nobody could be told that a task %s", event)

    return callback


def tell(channels: Sequence[str], text: str, subject: str) -> None:
    """Sends a text to channels, each with a limit of time."""
    from .notify_program import tell as send

    places = [place for place in map(place_of, channels) if place is not None]
    failures = send({"text": text, "subject": subject, "places": places})
    for failure in failures.values():
        _LOG.warning("%s", failure)
    told = [place["name"] for place in places if place["name"] not in failures]
    if told:
        _LOG.info("told %s: %s", ", ".join(told), text)


def place_of(channel: str) -> dict[str, Any] | None:
    """Where a channel leads, by its connection; None, and a line of the log, where there is none."""
    name = f"bailey_alert_{channel}"
    try:
        connection = BaseHook.get_connection(name)
    except Exception:
        _LOG.warning("“%s” was not told: this Airflow has no connection %s; bailey deploy makes it", channel, name)
        return None
    extra = connection.extra_dejson
    return {
        "name": channel,
        "type": connection.conn_type,
        "host": connection.host or "localhost",
        "port": connection.port,
        "url": connection.password or "",
        "from": extra.get("from") or "",
        "to": list(extra.get("to") or ()),
    }


def _is_live(context: Mapping[str, Any]) -> bool:
    """Whether the run does the work; a gate that has not answered may have failed, which people want to know."""
    run = context.get("dag_run")
    chosen = chosen_mode(getattr(run, "run_type", None), getattr(run, "conf", None))
    if chosen is not None:
        return chosen == "live"
    try:
        answer = context["ti"].xcom_pull(task_ids=GATE)
    except Exception:  # Where Airflow calls this for a task whose process has died, values cannot be asked for.
        return True
    return not isinstance(answer, Mapping) or answer.get("mode") == "live"


def chosen_mode(run_type: Any, conf: Any) -> str | None:
    """What a run does that somebody has started; None where its gate decides."""
    conf = conf if isinstance(conf, Mapping) else {}
    if "bailey" in conf:
        return "shadow"
    if getattr(run_type, "value", run_type) != "manual" or conf.get("bailey_backfill") is True:
        return None
    return "live" if conf.get(MODE_PARAM) == "live" else "shadow"


def _words(event: str, context: Mapping[str, Any]) -> tuple[str, str]:
    """What is told, and a mail's subject."""
    ti = context["ti"]
    attempts = int(getattr(context.get("task"), "retries", 0) or 0) + 1
    attempt = min(int(ti.try_number or 1), attempts)
    what = "has failed" if event == "failed" else "failed and is tried again"
    tick = context.get("logical_date") or getattr(context.get("dag_run"), "logical_date", None)
    error = context.get("exception")
    why = f": {shortened(error)}" if error else ""
    which = f"Run {context.get('run_id') or getattr(ti, 'run_id', '')}, tick {tick.isoformat() if tick else 'none'}."
    subject = f"{ti.dag_id}: {ti.task_id} {what}"
    return f"Bailey: {ti.dag_id}: the task {ti.task_id} {what}, attempt {attempt} of {attempts}{why}. {which}", subject


def shortened(error: object) -> str:
    """An exception's words on one line, without the user part of a URL."""
    name = f"{type(error).__name__}: " if isinstance(error, BaseException) else ""
    text = re.sub(r"://[^/\s@]*@", "://…@", " ".join(str(error).split()))
    if len(text) > _MOST_CHARACTERS:
        text = text[:_MOST_CHARACTERS] + "…"
    return (name + text).removesuffix(".")
