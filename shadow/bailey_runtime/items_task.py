"""A task that lists what the next one runs for, once for each item."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from .compat import AirflowFailException, BaseOperator, drop_params


class ItemsTask(BaseOperator):
    """Returns the items of a list in an earlier task's result, each as JSON text: a mapped task gets one of them as `item`.

    `items` is JSON text: `{"from": TASK, "path": […]}`. Where that task was only observed there is one item that nobody knows, so that the mapped task is
    observed once too.
    """

    template_fields: ClassVar[Sequence[str]] = ()
    ui_color = "#f4eefc"

    def __init__(self, *, items: str, when: str | None = None, needs: Sequence[str] = (), **airflow: Any) -> None:
        super().__init__(**airflow)
        drop_params(self)
        self.items = items
        self.when = when
        self.needs = needs

    def execute(self, context: Mapping[str, Any]) -> list[str]:
        """The items; an outcome is left where there is any."""
        from . import json_value
        from .bodies import attempt, check_needs, record
        from .condition import is_undecided
        from .inputs import UNKNOWN_ITEM, InputError, listed
        from .outcome import BodyError

        run = attempt(context, None, None)
        check_needs(context, self.needs)
        undecided = is_undecided(context, self.when)
        try:
            items = None if undecided else listed(context, json.loads(self.items))
        except InputError as error:
            record(context, run, "failed", error=BodyError("input", str(error)))
            raise AirflowFailException(str(error)) from error
        if items is None and run.mode == "live":
            words = "what an earlier task returned is not known: legacy ran it by itself at this tick"
            record(context, run, "failed", error=BodyError("input", words))
            raise AirflowFailException(words)
        if items is None:
            record(context, run, "observed")
            return [UNKNOWN_ITEM]
        if items:
            record(context, run, "success")
        return [json_value.write(item) for item in items]
