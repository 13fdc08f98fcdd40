"""Jobs of a queue in a generated DAG: one task takes them, one mapped task runs and settles each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import bodies, json_value, queue
from .bodies import attempt, described, record, value_of
from .compat import AirflowException, AirflowSkipException, get_current_context
from .condition import is_undecided
from .connections import postgres_connection
from .dag_run import DagRunInfo
from .guard import alone
from .installation import installation
from .outcome import BodyFailed, TaskRun, returned
from .program import CALL_FUNCTION, call_of, filled, run_program

__all__ = ["run_job_command", "run_job_python", "take_jobs"]


def take_jobs(source: str, job_type: str, limit: int = 100, when: str | None = None) -> list[dict[str, Any]]:
    """The jobs that this run has taken: none in shadow, but the recorded one where it shadows one.

    A second attempt gets the same ones.
    """
    context = get_current_context()
    run = attempt(context, None, f"{source}/{job_type}")
    info = DagRunInfo.of(context)
    is_undecided(context, when)
    if run.mode == "shadow":
        entry = None if info.shadowed is None else info.shadowed.entry
        recorded = info.job is not None and entry in (None, f"{source}/{job_type}")
        return [{"job": info.job, "payload": info.arguments, "attempt": 1, "key": None}] if recorded else []
    with postgres_connection(source) as connection:
        return [dict(job) for job in queue.take(connection, source, job_type, info.id, limit, installation())]


def run_job_python(
    source: str,
    job_type: str,
    job: Mapping[str, Any],
    callable: str,
    *,
    args: str | None = None,
    kwargs: str = "{}",
    interpreter: str | None = None,
    environment: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
    shadow: str = "observe",
    redirect: Mapping[str, str] | None = None,
) -> Any:
    """Calls `module:function` with the job's payload, or with `args` where the mapping gives them, and settles the job."""
    import sys

    program = [interpreter or sys.executable, "-c", CALL_FUNCTION]
    fixed = None if args is None else value_of(args, "args")
    named = value_of(kwargs, "kwargs")

    def body(extra: Mapping[str, str], payload: Any, limit: float | None) -> str | None:
        call = call_of(callable, [payload] if fixed is None else fixed, named)
        return run_program(program, call, {**(environment or {}), **filled(variables), **extra}, limit=limit)

    return _run(
        source,
        job_type,
        job,
        body,
        shadow,
        redirect,
    )


def run_job_command(
    source: str,
    job_type: str,
    job: Mapping[str, Any],
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    directory: str | None = None,
    shadow: str = "observe",
    redirect: Mapping[str, str] | None = None,
) -> Any:
    """Runs a program with the job's payload as its input, and settles the job."""

    def body(extra: Mapping[str, str], payload: Any, limit: float | None) -> str | None:
        variables = {**(environment or {}), **extra}
        return run_program(list(arguments), json_value.write(payload), variables, directory, limit)

    return _run(
        source,
        job_type,
        job,
        body,
        shadow,
        redirect,
    )


def _run(
    source: str,
    job_type: str,
    job: Mapping[str, Any],
    body: Callable[[Mapping[str, str], Any, float | None], str | None],
    shadow: str,
    redirect: Mapping[str, str] | None,
) -> Any:
    context = get_current_context()
    # What the grid shows instead of a number.
    context["bailey_job"] = job["key"] or job["job"]
    payload = value_of(job["payload"] or "null", f"the payload of job {job['job']}")
    run = attempt(context, payload, f"{source}/{job_type}", job=job["job"])
    if run.mode == "shadow" and shadow == "observe":
        record(context, run, "observed")
        return None
    extra = {"BAILEY_SHADOW": "1", **(redirect or {})} if run.mode == "shadow" else {}
    if run.mode == "live":
        _still_ours(context, run, source, job["job"])
    try:
        with alone(f"{run.run}/{run.task}/{run.job}"):
            result = body(extra, payload, bodies.shadow_limit(context, run))
    except BaseException as error:
        failure = error.error if isinstance(error, BodyFailed) else described(error)
        record(context, run, "failed", error=failure)
        # An attempt that Airflow repeats is not the job's end.
        if run.mode == "live" and context["ti"].try_number > (context["ti"].max_tries or 0):
            _finish(source, job["job"], run.run, "failed", f"{failure.type}: {failure.message}")
        if isinstance(error, BodyFailed):
            raise AirflowException(str(error)) from error
        raise
    record(context, run, "success", result=result)
    if run.mode == "live":
        _finish(source, job["job"], run.run, "success", None)
    return returned(result)


def _still_ours(context: Mapping[str, Any], run: TaskRun, source: str, job: str) -> None:
    """Skips a job that is this run's no more: a person has called the run dead, or the row is gone."""
    with postgres_connection(source) as connection:
        became = queue.claim(connection, source, job, run.run)
    if became != "open":
        record(context, run, "skipped")
        raise AirflowSkipException(f"The job {job} is not this run's any more: its claim is {became}. It was not run.")


def _finish(source: str, job: str, run: str, state: str, error: str | None) -> None:
    with postgres_connection(source) as connection:
        became = queue.finish(connection, source, job, run, state, error)
    if became != state:
        bodies.LOG.warning("The job %s was settled as %s and became: %s", job, state, became)
