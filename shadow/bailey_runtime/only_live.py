"""What keeps a task of a hand-written DAG from running where its tick is not Airflow's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class OnlyLive:
    """A task's `pre_execute`: it lets the task run where the gate said live. In shadow the task is noted as observed and skipped; with any other
    answer, or none, it is skipped, whatever its trigger rule.

    `entry` is the legacy entry that the task stands for: of one that legacy ran by itself at this tick the task is a shadow in a live run too.
    """

    def __init__(self, entry: str | None = None) -> None:
        self.entry = entry

    def __call__(self, context: Mapping[str, Any]) -> None:
        kind = type(context["task"])
        if kind.__module__.startswith(f"{__package__}.") or any(one.__name__ == "BaileyGate" for one in kind.__mro__):
            # The gate, and those that ask for its answer themselves; not what somebody has made of those.
            return
        from .bodies import attempt, record
        from .compat import AirflowSkipException

        # What an operator of Airflow's will be called with nobody knows, so that there are no arguments to compare.
        run = attempt(context, None, self.entry)
        if run.mode == "live":
            return
        record(context, run, "observed")
        raise AirflowSkipException("Observed only: this tick is not Airflow's.")


def only_live(entry: str | None = None) -> OnlyLive:
    """The `pre_execute` of a task that is no operator of Bailey's; in a DAG's `default_args` that of all that have none of their own."""
    return OnlyLive(entry)
