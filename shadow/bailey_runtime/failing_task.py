"""A task whose body could not be translated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from .compat import BaseOperator, drop_params


class FailingTask(BaseOperator):
    """Stands for a body that could not be translated: it says why and fails, once its tick is Airflow's."""

    template_fields: ClassVar[Sequence[str]] = ()
    ui_color = "#f4c7c3"

    def __init__(
        self,
        *,
        reason: str,
        entry: str | None = None,
        when: str | None = None,
        needs: Sequence[str] = (),
        **airflow: Any,
    ) -> None:
        super().__init__(**airflow)
        drop_params(self)
        self.reason = reason
        self.entry = entry
        self.when = when
        self.needs = needs

    def execute(self, context: Mapping[str, Any]) -> None:
        """Fails, or is shadowed."""
        from .bodies import fail

        fail(context, self.reason, entry=self.entry, when=self.when, needs=self.needs)
