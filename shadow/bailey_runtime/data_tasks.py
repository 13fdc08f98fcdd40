"""Tasks whose bodies move data: `SQLTask`, `CopyTask`, `HTTPTask`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from .compat import BaseOperator, drop_params


class _DataTask(BaseOperator):
    """What the three have in common; nothing is a template. Where one is only observed it is shown as skipped."""

    template_fields: ClassVar[Sequence[str]] = ()
    ui_color = "#e0e8f4"

    def __init__(
        self,
        *,
        interpreter: str | None = None,
        environment: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        entry: str | None = None,
        shadow: str = "observe",
        when: str | None = None,
        inputs: str | None = None,
        needs: Sequence[str] = (),
        **airflow: Any,
    ) -> None:
        super().__init__(**airflow)
        drop_params(self)
        self.common = {
            "interpreter": interpreter,
            "environment": environment,
            "variables": variables,
            "entry": entry,
            "shadow": shadow,
            "when": when,
            "inputs": inputs,
            "needs": needs,
        }


class SQLTask(_DataTask):
    """Runs statements in a PostgreSQL; its result is how many rows each changed or gave. In shadow it may read only."""

    def __init__(
        self,
        *,
        connection: str,
        statements: Sequence[Sequence[str]],
        parameters: str = "{}",
        transaction: bool = True,
        **airflow: Any,
    ) -> None:
        super().__init__(**airflow)
        self.connection = connection
        self.statements = statements
        self.parameters = parameters
        self.transaction = transaction

    def execute(self, context: Mapping[str, Any]) -> Any:
        """How many rows there were."""
        from .data_bodies import run_sql

        return run_sql(
            context,
            self.connection,
            self.statements,
            params=self.parameters,
            transaction=self.transaction,
            **self.common,
        )


class CopyTask(_DataTask):
    """Puts the rows of a query in the place of what a window of a table holds, in one transaction: a repeated run changes nothing."""

    def __init__(
        self,
        *,
        source: str,
        query: Sequence[str],
        target: str,
        table: Sequence[str],
        parameters: str = "{}",
        columns: Sequence[str] = (),
        column: str | None = None,
        window: str = "null",
        **airflow: Any,
    ) -> None:
        super().__init__(**airflow)
        self.source = source
        self.query = query
        self.target = target
        self.table = table
        self.parameters = parameters
        self.columns = columns
        self.column = column
        self.window = window

    def execute(self, context: Mapping[str, Any]) -> Any:
        """How many rows came, and how many went."""
        from .data_bodies import run_copy

        return run_copy(
            context,
            self.source,
            self.query,
            self.target,
            self.table,
            params=self.parameters,
            window=self.window,
            columns=self.columns,
            column=self.column,
            **self.common,
        )


class HTTPTask(_DataTask):
    """Sends a request; its result is the status and what was answered."""

    def __init__(
        self,
        *,
        method: str,
        url: str,
        connection: str | None = None,
        headers: Mapping[str, str] | None = None,
        query: str = "{}",
        json: str | None = None,
        expect: Sequence[int] = (),
        retry_on: Sequence[int] = (429, 502, 503, 504),
        **airflow: Any,
    ) -> None:
        super().__init__(**airflow)
        self.method = method
        self.url = url
        self.connection = connection
        self.headers = headers
        self.query = query
        self.json = json
        self.expect = expect
        self.retry_on = retry_on

    def execute(self, context: Mapping[str, Any]) -> Any:
        """The status and the answer."""
        from .data_bodies import run_http

        return run_http(
            context,
            self.method,
            self.url,
            connection=self.connection,
            headers=self.headers or {},
            query=self.query,
            json_body=self.json,
            expect=self.expect,
            retry_on=self.retry_on,
            **self.common,
        )
