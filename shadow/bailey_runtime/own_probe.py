"""Reads a hand-written DAG file as Airflow's DAG processor does, and tells what a gate can hold of it.

It runs in an interpreter that has Airflow, as a program: on standard input it gets `{"name", "text"}`, a file's name and text, and it writes
`{"version", "errors", "dags"}`. Nothing is executed but what the file does when it is read.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from datetime import datetime, timezone
from typing import Any

# How many ticks are told, and how many a schedule is asked for that has ended or never comes.
TICKS = 40
PATIENCE = 60
GATE_VALUES = ("source", "prefix", "missed_ticks", "late_after", "timezone")


def main() -> None:
    """Answers one request."""
    request = json.load(sys.stdin)
    # Airflow says what it has to say on standard output.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("AIRFLOW_HOME", os.path.join(folder, "home"))
        os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
        place = os.path.join(folder, "dags", os.path.basename(request["name"]))
        os.mkdir(os.path.dirname(place))
        with open(place, "w", encoding="utf-8") as file:
            file.write(request["text"])
        json.dump(_answer(place), out)
    out.close()


def _answer(place: str) -> dict[str, Any]:
    try:
        import airflow
    except ImportError as error:
        return {"version": None, "errors": [str(error)], "dags": []}
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:
        from airflow.models.dagbag import DagBag
    bag = DagBag(dag_folder=place, safe_mode=False)
    return {
        "version": airflow.__version__,
        "errors": list(bag.import_errors.values()),
        "dags": [_dag(dag) for _, dag in sorted(bag.dags.items())],
    }


def _dag(dag: Any) -> dict[str, Any]:
    ticks, is_of_intervals = _ticks(dag)
    return {
        "dag_id": dag.dag_id,
        "tags": sorted(dag.tags),
        "catchup": bool(dag.catchup),
        "ticks": ticks,
        "of_intervals": is_of_intervals,
        "tasks": [_task(task) for task in dag.tasks],
    }


def _task(task: Any) -> dict[str, Any]:
    # Of a mapped task the arguments stand beside it.
    given = getattr(task, "partial_kwargs", None)
    kind = task.operator_class if given is not None else type(task)
    names = [f"{one.__module__}.{one.__name__}" for one in getattr(kind, "__mro__", ())]
    if given is None:
        hook = getattr(task, "_pre_execute_hook", None)
    else:
        # 2.11 takes the DAG's default only when it makes an instance.
        hook = given.get("pre_execute", (task.dag.default_args or {}).get("pre_execute"))
    is_gate = "bailey_runtime.gate_task.BaileyGate" in names
    # What somebody has made of an operator of Bailey's may do what it likes; what is made of the gate is a gate.
    is_bailey = is_gate or any(name.startswith("bailey_runtime.") for name in names[:1])
    is_held = type(hook).__name__ == "OnlyLive"
    called = given.get("on_execute_callback") if given is not None else getattr(task, "on_execute_callback", None)
    return {
        "task_id": task.task_id,
        "downstream_task_ids": sorted(task.downstream_task_ids),
        # Nobody executes an empty task.
        "is_empty": bool(getattr(task, "inherits_from_empty_operator", False)),
        "is_bailey": is_bailey,
        "is_held": is_held,
        "is_called_before": bool(called),
        "starts_in_triggerer": bool(getattr(task, "start_from_trigger", False)),
        "entry": _entry(task, given) if is_bailey else hook.entry if is_held else None,
        "gate": {"kinds": names, **_gate(task)} if is_gate else None,
    }


def _entry(task: Any, given: Any) -> Any:
    return given.get("entry") if given is not None else getattr(task, "entry", None)


def _gate(task: Any) -> dict[str, Any]:
    return {
        "entries": list(getattr(task, "entries", ())),
        "job_types": ["/".join(one) for one in getattr(task, "job_types", ())],
        **{name: getattr(task, name, None) for name in GATE_VALUES},
    }


def _ticks(dag: Any) -> tuple[list[str], bool]:
    """The logical dates of the next runs, and whether a run comes later than the date it bears."""
    from airflow.timetables.base import TimeRestriction

    timetable = dag.timetable
    if not hasattr(timetable, "next_dagrun_info"):
        # What a file has is only a description then; the scheduler makes the timetable of what is stored.
        from airflow.serialization.serialized_objects import DagSerialization

        timetable = DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(dag)))).timetable
    now = datetime.now(timezone.utc)
    restriction = TimeRestriction(dag.start_date, dag.end_date, catchup=False)
    found: list[str] = []
    is_of_intervals = False
    last = None
    for _ in range(PATIENCE):
        info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        if info is None or len(found) == TICKS:
            break
        is_of_intervals = is_of_intervals or info.logical_date != info.run_after
        if info.logical_date > now:
            found.append(info.logical_date.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
        last = info.data_interval
    return found, is_of_intervals


if __name__ == "__main__":
    main()
