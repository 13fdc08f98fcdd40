"""Writes into the note of a run that a person starts whether it is live, a trial or a shadow. Runs in the scheduler, as a listener of Airflow's."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from airflow.listeners import hookimpl

from . import MODE_PARAM

_LOG = logging.getLogger("bailey.note")
# What Airflow's column holds.
_MOST_CHARACTERS = 1000
_WORDS = {
    "live": "live: the bodies of its tasks run",
    "trial": "trial: bodies run only as their shadow modes allow",
    "shadow": "shadow: bodies run only as their shadow modes allow",
}


@hookimpl
def on_dag_run_running(dag_run: Any, msg: str) -> None:
    """Notes a run of a gated DAG that begins and was started by hand."""
    try:
        words = words_of(dag_run)
        if words is None or words in (dag_run.note or ""):
            return
        both = f"{dag_run.note}\n\n{words}" if dag_run.note else words
        if len(both) <= _MOST_CHARACTERS:
            dag_run.note = both
    except Exception:  # A note that cannot be written keeps no run from running.
        _LOG.exception("the note of %s could not be written", getattr(dag_run, "run_id", "a run"))


def words_of(dag_run: Any) -> str | None:
    """What the note is to say; None of a run that asks its gate, or of another's DAG."""
    kind = getattr(dag_run.run_type, "value", dag_run.run_type)
    params = getattr(getattr(dag_run, "dag", None), "params", None)
    if kind != "manual" or params is None or MODE_PARAM not in params:
        return None
    conf = dag_run.conf if isinstance(dag_run.conf, Mapping) else {}
    if conf.get("bailey_backfill") is True:
        # Bailey made it for a tick of the past, which its gate asks for.
        return None
    # What Bailey passes is always a shadow, whatever else is said.
    mode = "shadow" if "bailey" in conf else conf.get(MODE_PARAM) or params[MODE_PARAM]
    return _WORDS.get(mode)
