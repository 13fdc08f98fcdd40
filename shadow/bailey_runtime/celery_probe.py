"""What a Celery application's own code says of its schedule: entries as objects, those that handlers add, the zone, settings, queues, tasks.

Runs as one program in the application's own interpreter, with the standard library and the application's Celery alone. It reads one JSON
document on standard input and prints one. It loads the application as beat does at its start; nothing is sent, and no broker is asked.
"""

from __future__ import annotations

import json
import math
import os
import sys
from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace
from typing import Any

FIELDS = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year")


class Fault(Exception):
    """Why something cannot be told: a stable word, and what was found."""

    def __init__(self, word: str, words: str) -> None:
        super().__init__(words)
        self.word = word
        self.words = words


def load(name: str, added: list[str]) -> Any:
    """The application, as beat has it once it runs; `added` gets the names of what handlers add to its schedule."""
    from celery.app.utils import find_app

    module, _, attribute = name.partition(":")
    found: Any = import_module(module)
    for part in attribute.split(".") if attribute else ():
        if not hasattr(found, part):
            raise LookupError(f"the module {module} has no “{attribute}”")
        found = getattr(found, part)
    app = find_app(name)
    # What is looked at lazily is configured now; what its handlers add is noted.
    add = getattr(app, "_add_periodic_task", None)
    if add is not None and not app.configured:

        def note(key: str, entry: Any, *rest: Any, **more: Any) -> Any:
            added.append(key)
            return add(key, entry, *rest, **more)

        app._add_periodic_task = note
    app.set_default()
    app.loader.init_worker()
    app.finalize()
    _ = app.conf.beat_schedule
    return app


# The schedule


def schedule(found: Any) -> dict[str, Any]:
    """A schedule as RedBeat would store it; `unsupported` and `words` for one of another class."""
    from celery import schedules

    kind = type(found)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if kind in (schedules.crontab, schedules.schedule) and getattr(found, "nowfun", None) is not None:
        return {"unsupported": name, "words": f"{name} with a clock of its own (nowfun)"}
    if kind is schedules.crontab:
        fields = {field: cronspec(getattr(found, f"_orig_{field}")) for field in FIELDS}
        # RedBeat writes what JSON can hold: a list, and no set or range.
        odd = [
            field
            for field in FIELDS
            if not isinstance(getattr(found, f"_orig_{field}"), (str, int, list, tuple, type(None)))
        ]
        return {"schedule": {"__type__": "crontab", **fields}, **({"unstorable": odd} if odd else {})}
    if kind is schedules.schedule:
        every = found.run_every
        whole, part = divmod(every // timedelta(microseconds=1), 1_000_000)
        seconds = whole if not part else every.total_seconds()
        return {"schedule": {"__type__": "interval", "every": seconds, "relative": bool(found.relative)}}
    if kind is schedules.solar:
        return {"unsupported": name, "words": f"solar: {found.event} at latitude {found.lat}, longitude {found.lon}"}
    return {"unsupported": name, "words": f"a schedule of the class {name}: {shown(found)}"}


def cronspec(value: Any) -> Any:
    """A crontab's field as it was written: a number, a text, or the numbers of a list, a set or a range."""
    if value is None:
        return "*"
    if isinstance(value, (str, int)):
        return value
    return sorted(int(number) for number in value)


def entry(app: Any, name: str, stored: Any) -> dict[str, Any]:
    """An entry as beat would make it."""
    from celery.beat import ScheduleEntry

    if isinstance(stored, ScheduleEntry):
        made = stored
    else:
        if not hasattr(stored, "keys"):
            raise Fault("malformed-entry", f"it is of the class {type(stored).__name__}; beat does not start with it")
        if "schedule" not in stored:
            raise Fault("no-schedule", "it has no “schedule”; beat does not start with it")
        try:
            made = ScheduleEntry(**dict(stored, name=name, app=app))
        except Exception as error:
            raise Fault("malformed-entry", f"beat does not start with it: {type(error).__name__}: {error}") from error
    if not isinstance(made.task, str):
        raise Fault("no-task", f"its task is {shown(made.task)}, which is no name")
    told = {"name": name, "task": made.task}
    for part in ("args", "kwargs", "options"):
        told[part] = plain(part, getattr(made, part))
    told["canvas"] = any(is_canvas(value) for value in (made.args, made.kwargs, made.options))
    if not hasattr(made.schedule, "is_due"):
        raise Fault("bad-schedule", f"its schedule is {shown(made.schedule)}; beat does not start with it")
    return {**told, **schedule(made.schedule)}


def plain(part: str, value: Any) -> Any:
    """Arguments as Celery writes them as JSON into a message."""
    from kombu.utils.json import dumps

    if value is None or isinstance(value, (tuple, list)) and not value:
        return [] if part == "args" else {}
    try:
        text = dumps(list(value) if part == "args" else dict(value))
        return json.loads(text)
    except Exception as error:
        raise Fault("not-json", f"its {part} hold what no JSON holds ({error}): {shown(value)}") from error


def is_canvas(value: Any, depth: int = 0) -> bool:
    """Whether a signature stands in it: another task that is to be called."""
    if depth > 20:
        return False
    if isinstance(value, dict):
        if "subtask_type" in value or {"task", "args", "kwargs", "options"} <= set(value):
            return True
        return any(is_canvas(inner, depth + 1) for inner in value.values())
    return isinstance(value, (list, tuple)) and any(is_canvas(inner, depth + 1) for inner in value)


def entries(app: Any, added: list[str]) -> list[dict[str, Any]]:
    """Every entry that beat would have, each with what is wrong with it, if anything is."""
    from celery.schedules import crontab

    stored = app.conf.beat_schedule
    if not hasattr(stored, "items"):
        fault = f"beat_schedule is of the class {type(stored).__name__}; beat does not start with it"
        return [{"name": "beat_schedule", "fault": "malformed-schedule", "words": fault}]
    schedule = dict(stored)
    cleanup = "celery.backend_cleanup"
    try:
        needs_cleanup = bool(app.conf.result_expires) and not app.backend.supports_autoexpire
    except Exception:
        needs_cleanup = False
    if needs_cleanup and cleanup not in schedule:
        # As beat itself adds it, where the store of results forgets nothing by itself.
        schedule[cleanup] = {"task": cleanup, "schedule": crontab("0", "4", "*"), "options": {"expires": 12 * 3600}}
    told = []
    for name, found in schedule.items():
        origin = "handler" if name in added else "beat" if name not in stored else "code"
        try:
            told.append({**entry(app, str(name), found), "origin": origin})
        except Fault as fault:
            told.append({"name": str(name), "fault": fault.word, "words": fault.words, "origin": origin})
        except Exception as error:
            words = f"it cannot be read: {type(error).__name__}: {error}"
            told.append({"name": str(name), "fault": "malformed-entry", "words": words, "origin": origin})
    return told


# Settings and tasks


def repeating(app: Any, name: str) -> dict[str, Any]:
    """How a task repeats itself when it fails, and its limits of time; what is as Celery makes it is left out."""
    task = app.tasks.get(name)
    if task is None:
        return {"registered": False}
    told: dict[str, Any] = {"registered": True}
    classes = getattr(task, "autoretry_for", None) or ()
    if classes:
        told["autoretry_for"] = sorted(getattr(kind, "__qualname__", str(kind)) for kind in classes)
        kwargs = getattr(task, "retry_kwargs", None) or {}
        for key, default in (("max_retries", task.max_retries), ("countdown", task.default_retry_delay)):
            told[key] = number(kwargs.get(key, default))
        backoff = getattr(task, "retry_backoff", False)
        if backoff:
            told["retry_backoff"] = int(backoff)
            told["retry_backoff_max"] = number(getattr(task, "retry_backoff_max", 600))
            told["retry_jitter"] = bool(getattr(task, "retry_jitter", True))
    else:
        if task.max_retries != 3:
            told["max_retries"] = number(task.max_retries)
        if task.default_retry_delay != 180:
            told["countdown"] = number(task.default_retry_delay)
    for limit in ("time_limit", "soft_time_limit"):
        value = getattr(task, limit, None)
        if value is None:
            value = getattr(app.conf, f"task_{limit}", None)
        if value is not None:
            told[limit] = number(value)
    return told


def number(value: Any) -> Any:
    """A number, or nothing, that JSON holds."""
    if value is None or isinstance(value, (bool, int)) or isinstance(value, float) and math.isfinite(value):
        return value
    return shown(value)


def configured(state: Any, with_defaults: bool) -> dict[str, Any]:
    """The settings as a worker tells them; those of which one makes that impossible, without it."""
    from celery.utils.serialization import jsonify
    from celery.worker import control

    try:
        found: dict[str, Any] = control.conf(state, with_defaults=with_defaults)
        json.dumps(found, default=shown)
        return found
    except Exception:
        pass
    told = {}
    for name, value in state.app.conf.table(with_defaults=with_defaults).items():
        if name.startswith("__"):
            continue
        try:
            plain = jsonify(value, unknown_type_filter=shown)
            json.dumps(plain, default=shown)
        except Exception:
            continue
        told[name] = plain
    return told


def answers(app: Any, options: list[str]) -> dict[str, Any]:
    """What a worker of the application would answer to the questions that workers are asked."""
    from celery import __version__

    state = SimpleNamespace(app=app)
    try:
        queues = [queue.as_dict(recurse=True) for queue in app.amqp.queues.values()]
    except Exception:
        queues = []
    own = {name: task for name, task in app.tasks.items() if not name.startswith("celery.")}
    tasks = []
    for name, task in own.items():
        said = {option: getattr(task, option, None) for option in options}
        words = " ".join(f"{option}={value}" for option, value in said.items() if value is not None)
        tasks.append(f"{name} [{words}]" if words else name)
    return {
        "conf": configured(state, True),
        "own": configured(state, False),
        "queues": queues,
        "tasks": tasks,
        "report": {"ok": f"software -> celery:{__version__}"},
    }


def shown(value: Any) -> str:
    """A value for people, not longer than a line."""
    try:
        text = repr(value)
    except Exception:
        text = f"a {type(value).__name__}"
    return text if len(text) <= 200 else text[:200] + "…"


def told(request: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request."""
    try:
        import celery  # noqa: F401
    except ImportError as error:
        return {"failed": "celery", "words": f"{sys.executable} has no Celery ({error})"}
    added: list[str] = []
    try:
        app = load(request["app"], added)
    except SystemExit as error:
        return {"failed": "app", "words": f"it called sys.exit({error.code!r}) while it was loaded"}
    except BaseException as error:
        return {"failed": "app", "words": f"{type(error).__name__}: {error}{place(error)}"}
    found = entries(app, added)
    names = {one["task"] for one in found if "task" in one}
    return {
        "entries": found,
        "tasks": {name: repeating(app, name) for name in sorted(names)},
        "answers": answers(app, request["options"]),
    }


def place(error: BaseException) -> str:
    """Where in the application's code an error came from."""
    trace, last = error.__traceback__, None
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if not name.startswith("<") and f"{os.sep}site-packages{os.sep}" not in name and "importlib" not in name:
            last = f" ({os.path.basename(name)}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return last or ""


def main() -> None:
    """Reads the request, answers it, and ends without asking the application's threads and handlers."""
    request = json.load(sys.stdin)
    # What the application prints is nobody's answer.
    answer = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    try:
        reply = told(request)
        text = json.dumps(reply, default=shown)
    except BaseException as error:
        text = json.dumps({"failed": "probe", "words": f"{type(error).__name__}: {error}{place(error)}"})
    with os.fdopen(answer, "w", encoding="utf-8") as file:
        file.write(text)
    os._exit(0)


if __name__ == "__main__":
    main()
