"""Sends a task to the existing Celery workers as beat would, and waits for its result without holding a worker slot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from .compat import BaseOperator, drop_params

# What only a running task needs is imported by it: the DAG processor imports this anew for every file.

_DAY = timedelta(days=1)
# How long after the limit Airflow itself ends the task: until it is called again, and has asked workers why nothing came.
_GRACE = timedelta(minutes=10)


class CeleryTask(BaseOperator):
    """A Celery task as legacy would have sent it. In shadow it is never sent; its arguments are recorded.

    `args`, `kwargs` and `options` are JSON text, as RedBeat keeps them. The message is Celery's own: made by the application `app`
    (`module:attribute`) in `interpreter`, or else by an application that is set up as `configuration` says, JSON text of what
    live workers told. Its id follows from the run, so that a repeated attempt first finds out what became of the message before,
    and sends another only if that one failed.

    `broker` and `results` are the suffixes of the connections that lead there, where that is not the source's own. `wait` says
    what ends the task: the worker's `result`, its `events`, or having `sent` the message. `unsure` says what an attempt does
    after one that ended while it was sending: `fail`, or `resend`. `execution_timeout` is for the whole of it, from the attempt's start; a day if none is
    given. It is kept by the task itself, which says why nothing came; Airflow's own stands ten minutes behind it.
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
        configuration: str | None = None,
        app: str | None = None,
        interpreter: str | None = None,
        environment: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        entry: str | None = None,
        broker: str = "",
        results: str = "",
        wait: str = "result",
        unsure: str = "fail",
        when: str | None = None,
        inputs: str | None = None,
        needs: Sequence[str] = (),
        **airflow: Any,
    ) -> None:
        super().__init__(**airflow)
        drop_params(self)
        self.source = source
        self.task = task
        self.call_args = args
        self.call_kwargs = kwargs
        self.options = options
        self.configuration = configuration
        self.app = app
        self.interpreter = interpreter
        self.environment = environment
        self.variables = variables
        self.entry = entry
        self.broker = broker
        self.results = results
        self.wait = wait
        self.unsure = unsure
        self.when = when
        self.inputs = inputs
        self.needs = needs
        self.limit = self.execution_timeout

    def pre_execute(self, context: Any) -> None:
        """Puts Airflow's own end of this attempt behind the task's: 2.11 would end one that is called again at its limit, without a word."""
        super().pre_execute(context)
        if self.limit is not None:
            self.execution_timeout = self.limit + _GRACE

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Sends the message, unless it was sent before, and waits in the triggerer."""
        import json

        from .bodies import attempt, check_needs, record
        from .celery_trigger import CeleryResultTrigger
        from .condition import is_undecided

        run = attempt(context, self._arguments, self.entry)
        check_needs(context, self.needs)
        is_undecided(context, self.when)
        run = self._filled(context, run)
        if run.mode == "shadow":
            record(context, run, "observed")
            return None
        try:
            reply = self._sent(context, run)
        except Exception as problem:
            record(context, run, "failed", error=_described(problem))
            raise
        id = reply["id"]
        said = "has sent" if reply["sent"] else "had sent before"
        self.log.info("This run %s %s, Celery task %s, to %s", said, self.task, id, json.dumps(reply["to"]))
        if self.wait == "sent":
            # What becomes of it is not known here.
            record(context, run, "unknown")
            return None
        if self.wait == "events":
            return self._ended(context, run, id, reply["state"])
        reads = json.loads(self.configuration or "{}") | (reply["reads"] if self.app else {})
        self.defer(
            trigger=CeleryResultTrigger(self.source, id, self._until(run), self.results, json.dumps(reads)),
            timeout=timedelta(seconds=self._seconds(run)) + _GRACE,
            method_name="execute_complete",
            kwargs={
                "id": id,
                "start": run.start.isoformat(),
                "reads": json.dumps(reads),
                "to": json.dumps(reply["to"]),
            },
        )

    def execute_complete(
        self, context: Mapping[str, Any], event: Mapping[str, Any], id: str, start: str, reads: str = "{}", to: str = ""
    ) -> Any:
        """Gives the result, or raises what the task raised."""
        from dataclasses import replace
        from datetime import datetime

        from .bodies import attempt
        from .celery_results import answered, result_state
        from .connections import celery_url

        run = self._filled(context, attempt(context, self._arguments, self.entry))
        run = replace(run, start=datetime.fromisoformat(start))
        if event["ended"] == "timeout":
            words = f"{self.task} gave no result in time (Celery task {id}): {self._why_not(id, to)}"
            state: Mapping[str, Any] = {
                "status": "TIMEOUT",
                "error": {"type": "timeout", "message": words, "detail": ""},
            }
        elif event["ended"] == "closed":
            error = {"type": "no-result", "message": event["words"], "detail": ""}
            state = {"status": "UNREADABLE", "error": error}
        else:
            state = answered(lambda: result_state(celery_url(self.source, self.results), reads, id), id, event["ended"])
        return self._ended(context, run, id, state)

    def _ended(self, context: Mapping[str, Any], run: Any, id: str, state: Mapping[str, Any]) -> Any:
        """Records what a worker said of the task's end; what it returned, or raises what it raised."""
        from datetime import datetime, timezone

        from .bodies import record
        from .celery_results import GONE
        from .celery_values import returnable
        from .compat import AirflowException, AirflowFailException
        from .kept import kept
        from .outcome import BodyError

        try:
            end = datetime.fromisoformat(str(state.get("ended")).replace("Z", "+00:00"))
            end = end if end.tzinfo else end.replace(tzinfo=timezone.utc)
        except ValueError:
            end = None
        if state["status"] == "SUCCESS":
            record(context, run, "success", result=kept(state["result"]), end=end)
            return returnable(state["result"])
        told = state["error"]
        problem = BodyError(told["type"], told["message"], told["detail"])
        record(context, run, "failed", error=problem, end=end)
        # Another attempt would find no more of a result that is gone, and send nothing.
        failure = AirflowFailException if problem.type == GONE else AirflowException
        raise failure(f"{problem.type}: {problem.message}\n{problem.detail}".rstrip())

    def _filled(self, context: Mapping[str, Any], run: Any) -> Any:
        """The same attempt with arguments that are known only now; they become those of the message."""
        if self.inputs is None:
            return run
        from dataclasses import replace

        from .bodies import record
        from .compat import AirflowFailException
        from .inputs import InputError, filled
        from .json_value import write
        from .outcome import BodyError

        try:
            given, known = filled(context, self.inputs, run.arguments)
        except InputError as error:
            record(context, run, "failed", error=BodyError("input", str(error)))
            raise AirflowFailException(str(error)) from error
        self.call_args, self.call_kwargs = write(given["args"]), write(given["kwargs"])
        return replace(run, arguments=given if known else None)

    @property
    def _arguments(self) -> Any:
        from .json_value import read

        return {"args": read(self.call_args, "the arguments"), "kwargs": read(self.call_kwargs, "the arguments")}

    def _until(self, run: Any) -> float:
        """When the wait ends, in seconds since the epoch: the limit counts from the attempt's start, however long sending took."""
        return run.start.timestamp() + (self.limit or _DAY).total_seconds()

    def _seconds(self, run: Any) -> float:
        """What is left until then, and never nothing, which a request would take for no limit at all."""
        import time

        return max(1.0, self._until(run) - time.time())

    def _why_not(self, id: str, to: str) -> str:
        """What results, workers and broker say of a message of which no result came."""
        import json

        try:
            request = {"do": "unanswered", "task": self.task, "id": id, "to": json.loads(to), "wait": self.wait}
            return str(self._answer(request)["words"])
        except Exception as problem:
            return f"see whether a worker consumes its queue, and runs (nobody could be asked: {problem})"

    def _sent(self, context: Mapping[str, Any], run: Any) -> dict[str, Any]:
        """The reply of the program that sends."""
        from .connections import redis_url

        index = context["ti"].map_index
        key = f"{run.run}/{run.task}" + (f"/{index}" if index >= 0 else "")
        return self._answer(
            {
                "do": "send",
                "task": self.task,
                "args": self.call_args,
                "kwargs": self.call_kwargs,
                "options": self.options,
                "ids": [task_id(key, number) for number in range(1, run.attempt + 1)],
                "wait": self.wait,
                "unsure": self.unsure,
                "seconds": self._seconds(run),
                "marks": redis_url(self.source),
            }
        )

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The reply of the program, which runs here or in the application's own interpreter."""
        import json

        from .connections import celery_url

        if self.app:
            from .celery_text import text_of
            from .program import filled, run_program

            environment = {**(self.environment or {}), **filled(self.variables)}
            program = [self.interpreter or "python3", "-c", text_of()]
            text = run_program(program, json.dumps(request | {"app": self.app}), environment)
            reply = json.loads(text or "{}")
        else:
            from .celery_wire import answer

            configuration = json.loads(self.configuration or "{}")
            request |= {
                "configuration": configuration,
                "broker": celery_url(self.source, self.broker),
                "results": celery_url(self.source, self.results) if self.wait == "result" else None,
                "beat": configuration.get("celery") or [0, 0],
            }
            reply = answer(request)
        if "failed" in reply:
            raise CeleryRefused(reply["failed"], reply["words"])
        return reply


class CeleryRefused(Exception):
    """A message that was not sent, and what to do about it."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


def task_id(run_key: str, number: int) -> str:
    """The id of a run's message of that number, from 1: the same whenever it is computed."""
    import uuid

    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{run_key}/{number}"))


def _described(problem: Exception) -> Any:
    from .outcome import BodyError, BodyFailed

    if isinstance(problem, BodyFailed):
        return problem.error
    if isinstance(problem, CeleryRefused):
        return BodyError(problem.code, str(problem))
    return BodyError(type(problem).__name__, str(problem))
