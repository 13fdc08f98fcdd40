"""A task whose body is a program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from .compat import BaseOperator, drop_params


class CommandTask(BaseOperator):
    """Runs a program. The arguments are those of `bodies.run_command`; nothing is a template."""

    template_fields: ClassVar[Sequence[str]] = ()
    ui_color = "#f0ede4"

    def __init__(
        self,
        *,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        directory: str | None = None,
        entry: str | None = None,
        shadow: str = "observe",
        redirect: Mapping[str, str] | None = None,
        when: str | None = None,
        input: str = "null",
        inputs: str | None = None,
        needs: Sequence[str] = (),
        item: str | None = None,
        **airflow: Any,
    ) -> None:
        super().__init__(**airflow)
        drop_params(self)
        self.command = command
        self.environment = environment
        self.directory = directory
        self.entry = entry
        self.shadow = shadow
        self.redirect = redirect
        self.when = when
        self.input = input
        self.inputs = inputs
        self.needs = needs
        # What a mapped one runs for, as JSON text.
        self.item = item

    def execute(self, context: Mapping[str, Any]) -> Any:
        """The JSON that the program printed last."""
        from .bodies import run_command

        return run_command(
            context,
            self.command,
            environment=self.environment,
            directory=self.directory,
            entry=self.entry,
            shadow=self.shadow,
            redirect=self.redirect,
            when=self.when,
            input=self.input,
            inputs=self.inputs,
            needs=self.needs,
        )
