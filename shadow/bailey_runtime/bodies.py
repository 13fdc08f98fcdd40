"""What a task of a generated DAG does: its body when it is live, its shadow when it is not, and its outcome always."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from . import json_value
from .compat import AirflowException, AirflowFailException, AirflowSkipException
from .condition import is_undecided
from .dag_run import DagRunInfo, gate_answer, iso
from .guard import alone
from .inputs import UNKNOWN_ITEM, InputError
from .inputs import filled as filled_in
from .outcome import KEY, BodyError, BodyFailed, TaskRun, now, outcome, returned
from .program import CALL_FUNCTION, call_of, filled, run_program

LOG = logging.getLogger("bailey.body")
# The worker's variable that says how many seconds a body without a timeout may last in shadow, and what holds where it is not set.
_SHADOW_TIMEOUT = "BAILEY_SHADOW_TIMEOUT"
_SHADOW_SECONDS = 3600.0
_MOST_SECONDS = 31_536_000.0


def run_python(
    context: Mapping[str, Any],
    callable: str,
    *,
    args: str = "[]",
    kwargs: str = "{}",
    interpreter: str | None = None,
    environment: Mapping[str, str] | None = None,
    entry: str | None = None,
    variables: Mapping[str, str] | None = None,
    shadow: str = "observe",
    redirect: Mapping[str, str] | None = None,
    when: str | None = None,
    inputs: str | None = None,
    needs: Sequence[str] = (),
) -> Any:
    """Calls `module:function` in an interpreter of its own and returns its result.

    `args` and `kwargs` are JSON text; `variables` are texts in which `${NAME}` stands for a variable of this worker. `entry` is the legacy entry that the task stands for; `shadow` what may happen to the
    body while the tick is not Airflow's; `redirect` the variables that lead it elsewhere then; `when` the condition on an earlier
    task's result under which there is anything to do; `inputs` what of the arguments is known only now.
    """
    given = {"args": value_of(args, "args"), "kwargs": value_of(kwargs, "kwargs")}
    arguments = [interpreter or sys.executable, "-c", CALL_FUNCTION]
    return perform(
        context,
        lambda extra, limit, given: run_program(
            arguments, call_of(callable, **given), {**(environment or {}), **filled(variables), **extra}, limit=limit
        ),
        given,
        entry=entry,
        shadow=shadow,
        redirect=redirect,
        when=when,
        inputs=inputs,
        needs=needs,
    )


def run_command(
    context: Mapping[str, Any],
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    directory: str | None = None,
    entry: str | None = None,
    shadow: str = "observe",
    redirect: Mapping[str, str] | None = None,
    when: str | None = None,
    input: str = "null",
    inputs: str | None = None,
    needs: Sequence[str] = (),
) -> Any:
    """Runs a program, which reads `input`, and returns the JSON that it printed last. The keywords are those of `run_python`."""
    payload = value_of(input, "input")

    def body(extra: Mapping[str, str], limit: float | None, given: Any) -> str | None:
        return run_program(
            arguments, json_value.write(given.get("input")), {**(environment or {}), **extra}, directory, limit
        )

    return perform(
        context,
        body,
        {"args": list(arguments), "kwargs": {}, **({} if payload is None and inputs is None else {"input": payload})},
        entry=entry,
        shadow=shadow,
        redirect=redirect,
        when=when,
        inputs=inputs,
        needs=needs,
    )


def fail(
    context: Mapping[str, Any],
    reason: str,
    *,
    entry: str | None = None,
    when: str | None = None,
    needs: Sequence[str] = (),
) -> None:
    """The body that could not be translated: it says why and fails, once its tick is Airflow's."""

    def body(_: Mapping[str, str], limit: float | None, given: Any) -> str | None:
        raise BodyFailed(BodyError("untranslatable", reason))

    perform(context, body, None, entry=entry, shadow="observe", redirect=None, when=when, needs=needs)


def perform(
    context: Mapping[str, Any],
    body: Callable[[Mapping[str, str], float | None, Any], str | None],
    arguments: Any,
    *,
    entry: str | None,
    shadow: str,
    redirect: Mapping[str, str] | None,
    when: str | None = None,
    inputs: str | None = None,
    needs: Sequence[str] = (),
    skips: bool = False,
) -> Any:
    """Runs a body, or not, and records its outcome.

    The body gets the variables that its mode adds, its seconds and its input, and gives JSON text. `needs` are tasks before this one, none of which
    may have been skipped but for being observed; one that `skips` is shown as skipped where it is only observed.
    """
    run = attempt(context, arguments, entry)
    check_needs(context, needs)
    undecided = is_undecided(context, when)
    try:
        given, known = filled_in(context, inputs, arguments)
    except InputError as error:
        record(context, run, "failed", error=BodyError("input", str(error)))
        raise AirflowFailException(str(error)) from error
    # Arguments of which a part is not known are none that could be compared.
    run = replace(run, arguments=given if known else None)
    undecided = undecided or not known or getattr(context["ti"].task, "item", None) == UNKNOWN_ITEM
    if run.mode == "live" and undecided:
        words = "what an earlier task returned is not known: legacy ran it by itself at this tick"
        record(context, run, "failed", error=BodyError("input", words))
        raise AirflowFailException(words)
    if run.mode == "shadow" and (undecided or shadow not in ("pure", "redirected")):
        record(context, run, "observed")
        if skips:
            raise AirflowSkipException(
                "Observed only: this tick is not Airflow's, and nothing says that the body may run in shadow."
            )
        return None
    extra = {"BAILEY_SHADOW": "1", **(redirect or {})} if run.mode == "shadow" else {}
    try:
        with alone(f"{run.run}/{run.task}"):
            result = body(extra, shadow_limit(context, run), given)
    except BodyFailed as failure:
        record(context, run, "failed", error=failure.error)
        raise (AirflowFailException if failure.final else AirflowException)(str(failure)) from failure
    except BaseException as error:
        record(context, run, "failed", error=described(error))
        raise
    record(context, run, "success", result=result)
    return returned(result)


def check_needs(context: Mapping[str, Any], needs: Sequence[str]) -> None:
    """Skips a task where one before it was skipped: to the scheduler a task that was only observed is skipped too, and to this one it is not."""
    for task in needs:
        if context["ti"].xcom_pull(task_ids=task, key=KEY, map_indexes=-1) is None:
            raise AirflowSkipException(f"{task} was skipped.")


def shadow_limit(context: Mapping[str, Any], run: TaskRun) -> float | None:
    """How many seconds a body may last where its task has no timeout: without an end in shadow, as long as it takes where it is live."""
    if run.mode != "shadow" or getattr(context["ti"].task, "execution_timeout", None) is not None:
        return None
    given = os.environ.get(_SHADOW_TIMEOUT) or _SHADOW_SECONDS
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < _MOST_SECONDS:
        raise AirflowFailException(f"{_SHADOW_TIMEOUT} is {given!r}: it must be a number of seconds above 0")
    return seconds


def value_of(text: str, what: str) -> Any:
    """The value of a JSON text that came from elsewhere; the task fails for good, with words, where it is none."""
    try:
        return json_value.read(text, what)
    except ValueError as error:
        raise AirflowFailException(str(error)) from error


def begun(context: Mapping[str, Any], arguments: str, entry: str | None, job: str | None = None) -> TaskRun:
    """As `attempt`, with arguments that are JSON text."""
    return attempt(context, value_of(arguments, "the task's arguments"), entry, job)


def attempt(context: Mapping[str, Any], arguments: Any, entry: str | None, job: str | None = None) -> TaskRun:
    """This attempt of the context's task. Skips it, whatever its trigger rule, unless the gate said live or shadow.

    `arguments` is a value of `json_value`.
    """
    answer = gate_answer(context)
    if answer is None:
        raise AirflowSkipException("The gate of this run gave no answer, and no answer never means go.")
    if answer.get("mode") not in ("live", "shadow"):
        raise AirflowSkipException(f"The gate skipped this run: {answer.get('note') or answer.get('how')}")
    info = DagRunInfo.of(context)
    instance = context["ti"]
    # Legacy may have run some of a pipeline's entries by itself at this tick: their tasks are shadows beside live ones.
    mode = "shadow" if entry is not None and entry in (answer.get("without") or ()) else answer["mode"]
    if mode == "shadow":
        # What a shadow does is nothing that anybody should be told of: no asset is announced.
        instance.task.outlets = []
    return TaskRun(
        mode=mode,
        task=instance.task_id,
        entry=entry,
        tick=iso(info.tick),
        job=job or info.job,
        arguments=arguments,
        attempt=instance.try_number,
        run=info.id,
        start=now(),
    )


def record(
    context: Mapping[str, Any],
    run: TaskRun,
    state: str,
    *,
    result: str | None = None,
    error: BodyError | None = None,
    end: datetime | None = None,
) -> None:
    """Pushes the outcome, where the REST API finds it. It ended now, unless somebody knows better."""
    text, pieces = outcome(run, state, end or now(), result=result, error=error)
    for number, piece in enumerate(pieces, 1):
        context["ti"].xcom_push(key=f"{KEY}_{number}", value=piece)
    context["ti"].xcom_push(key=KEY, value=text)


def described(error: BaseException) -> BodyError:
    """An exception of ours or of Airflow's: a timeout, a task that somebody ended."""
    name = type(error).__name__
    return BodyError("timeout" if name == "AirflowTaskTimeout" else name, str(error))
