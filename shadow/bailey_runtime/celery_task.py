"""Sends a task to the existing Celery workers and waits for its result without holding a worker slot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from .compat import BaseOperator, drop_params

# What only a running task needs is imported by it: the DAG processor imports this anew for every file.

_DAY = timedelta(days=1)


class CeleryTask(BaseOperator):
    """A Celery task as legacy would have sent it. In shadow it is never sent; its arguments are recorded.

    `args`, `kwargs` and `options` are JSON text. The message's id follows from the run, so that a repeated attempt first
    finds out what became of the message before, and sends another only if that one failed. `results` is the suffix of the
    connection of the result backend, where that is another Redis. `execution_timeout` is for the whole of it; a day if none is
    given.
    """

    template_fields: ClassVar[Sequence[str]] = ()
    ui_color = "#dcebdc"

    def __init__(
        self,
        *,
        source: str,
        task: str,
        args: str = "[]",
        kwargs: str = "{}",
        options: str = "{}",
        entry: str | None = None,
        results: str = "",
        when: str | None = None,
        **airflow: Any,
    ) -> None:
        super().__init__(**airflow)
        drop_params(self)
        self.source = source
        self.task = task
        self.call_args = args
        self.call_kwargs = kwargs
        self.options = options
        self.entry = entry
        self.results = results
        self.when = when

    def execute(self, context: Mapping[str, Any]) -> None:
        """Sends the message, unless it was sent before, and waits in the triggerer."""
        import time

        from .bodies import begun, record
        from .celery_trigger import CeleryResultTrigger
        from .condition import is_undecided
        from .outcome import BodyError

        run = begun(context, f'{{"args":{self.call_args},"kwargs":{self.call_kwargs}}}', self.entry)
        is_undecided(context, self.when)
        if run.mode == "shadow":
            record(context, run, "observed")
            return
        index = context["ti"].map_index
        key = f"{run.run}/{run.task}" + (f"/{index}" if index >= 0 else "")
        try:
            id = self._send(key, run.attempt)
        except Exception as problem:
            record(context, run, "failed", error=BodyError(type(problem).__name__, str(problem)))
            raise
        self.log.info("Waiting for %s, Celery task %s", self.task, id)
        self.defer(
            trigger=CeleryResultTrigger(self.source, id, time.time() + self._seconds, self.results),
            method_name="execute_complete",
            kwargs={"id": id, "start": run.start.isoformat()},
        )

    def execute_complete(self, context: Mapping[str, Any], event: Mapping[str, Any], id: str, start: str) -> Any:
        """Gives the result, or raises what the task raised."""
        from dataclasses import replace
        from datetime import datetime

        from . import celery_message as celery
        from .bodies import begun, record
        from .compat import AirflowException
        from .connections import redis_client
        from .outcome import BodyError, returned

        run = begun(context, f'{{"args":{self.call_args},"kwargs":{self.call_kwargs}}}', self.entry)
        run = replace(run, start=datetime.fromisoformat(start))
        if event["ended"] == "timeout":
            problem = BodyError("timeout", f"{self.task} gave no result in time (Celery task {id})")
            record(context, run, "failed", error=problem)
            raise AirflowException(problem.message)
        client = redis_client(self.source, self.results)
        try:
            stored = client.get(celery.result_key(id))
        finally:
            client.close()
        if celery.status(stored) == "SUCCESS":
            result = celery.result(stored)
            record(context, run, "success", result=result, end=celery.ended(stored))
            return returned(result)
        problem = celery.error(stored) if stored else BodyError("unknown", f"the result of Celery task {id} is gone")
        record(context, run, "failed", error=problem, end=celery.ended(stored) if stored else None)
        raise AirflowException(f"{problem.type}: {problem.message}\n{problem.detail}".rstrip())

    @property
    def _seconds(self) -> float:
        """How long the trigger waits: a little less than Airflow itself, which would end the task without an outcome."""
        limit = (self.execution_timeout or _DAY).total_seconds()
        return max(limit / 2, limit - 5)

    def _send(self, run_key: str, attempt: int) -> str:
        import json

        from . import celery_message as celery
        from .connections import redis_client
        from .outcome import now

        broker, results = redis_client(self.source), redis_client(self.source, self.results)
        try:
            id = celery.task_id(run_key, 1)
            for number in range(1, attempt + 1):
                id = celery.task_id(run_key, number)
                if celery.status(results.get(celery.result_key(id))) not in celery.FAILED:
                    break
            options = json.loads(self.options)
            text = celery.message(id, self.task, self.call_args, self.call_kwargs, options, now())
            keys = (celery.mark_key(id), celery.queue_key(options))
            broker.eval(celery.SEND_ONCE, 2, *keys, celery.MARK_SECONDS, text)
            return id
        finally:
            broker.close()
            results.close()
