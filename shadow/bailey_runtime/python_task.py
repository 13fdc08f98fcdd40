"""A task whose body is a Python function. An operator: Airflow's decorators take the DAG processor longer than all the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from .compat import BaseOperator, drop_params


class PythonTask(BaseOperator):
    """Calls `module:function` in an interpreter of its own. The arguments are those of `bodies.run_python`; nothing is a template."""

    template_fields: ClassVar[Sequence[str]] = ()
    ui_color = "#ffefd5"

    def __init__(
        self,
        *,
        callable: str,
        args: str = "[]",
        kwargs: str = "{}",
        interpreter: str | None = None,
        environment: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        entry: str | None = None,
        shadow: str = "observe",
        redirect: Mapping[str, str] | None = None,
        when: str | None = None,
        inputs: str | None = None,
        needs: Sequence[str] = (),
        item: str | None = None,
        **airflow: Any,
    ) -> None:
        super().__init__(**airflow)
        drop_params(self)
        self.callable = callable
        self.call_args = args
        self.call_kwargs = kwargs
        self.interpreter = interpreter
        self.environment = environment
        self.variables = variables
        self.entry = entry
        self.shadow = shadow
        self.redirect = redirect
        self.when = when
        self.inputs = inputs
        self.needs = needs
        # What a mapped one runs for, as JSON text.
        self.item = item

    def execute(self, context: Mapping[str, Any]) -> Any:
        """What the function returned."""
        from .bodies import run_python

        return run_python(
            context,
            self.callable,
            args=self.call_args,
            kwargs=self.call_kwargs,
            interpreter=self.interpreter,
            environment=self.environment,
            variables=self.variables,
            entry=self.entry,
            shadow=self.shadow,
            redirect=self.redirect,
            when=self.when,
            inputs=self.inputs,
            needs=self.needs,
        )
