"""Reads folders of DAG files as Airflow's DAG processor does (`python inspect_dags.py OUT FOLDER...`, in Airflow's environment).

Writes a line of JSON to OUT for each folder: `errors` by file, `warnings` that a file gave cause for, and by DAG `tasks` (with what is downstream of each) and the
`ticks` of its next runs, in seconds since 1970, that are later than `now`. Airflow's messages go to standard output, so the
answer cannot.
"""

from __future__ import annotations

import json
import sys
import warnings
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airflow.timetables.base import DataInterval, TimeRestriction

try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models.dagbag import DagBag
try:
    from airflow.serialization.serialized_objects import DagSerialization
except ImportError:
    from airflow.serialization.serialized_objects import SerializedDAG as DagSerialization

COUNT = 50
# What a DAG whose schedule has ended or never comes is asked at most.
PATIENCE = 60


def main() -> None:
    """Reads the folders and writes the answers."""
    out, *folders = sys.argv[1:]
    with open(out, "w", encoding="utf-8") as answers:
        for folder in folders:
            answers.write(json.dumps(_answer(folder)) + "\n")


def _answer(folder: str) -> dict[str, Any]:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        bag = DagBag(dag_folder=folder)
    now = datetime.now(timezone.utc)
    errors = {Path(file).name: text for file, text in bag.import_errors.items()}
    dags: dict[str, Any] = {}
    for name, dag in bag.dags.items():
        # The scheduler works on what was serialised, not on the file.
        stored = json.loads(json.dumps(DagSerialization.to_dict(dag)))
        again = DagSerialization.from_dict(stored)
        dags[name] = {
            "file": Path(dag.fileloc).name,
            "tasks": {task.task_id: _task(task) for task in again.tasks},
            "ticks": _ticks(again, now),
            "catchup": again.catchup,
            "tags": sorted(again.tags),
            "params": {key: [again.params[key], again.params.get_param(key).schema] for key in again.params},
        }
    warned = sorted(
        {f"{Path(one.filename).name}: {one.message}" for one in said if Path(folder) in Path(one.filename).parents}
    )
    return {"now": now.timestamp(), "errors": errors, "warnings": warned, "dags": dags}


def _task(task: Any) -> dict[str, Any]:
    timeout = task.execution_timeout
    return {
        "downstream": sorted(task.downstream_task_ids),
        "trigger_rule": str(getattr(task.trigger_rule, "value", task.trigger_rule)),
        "retries": task.retries,
        "timeout": timeout.total_seconds() if timeout else None,
        "pool": task.pool,
        "priority": task.priority_weight,
    }


def _ticks(dag: Any, now: datetime) -> list[float]:
    """The runs that a scheduler which has never run the DAG creates one after another, as far as they are to come."""
    ticks: list[float] = []
    restriction = TimeRestriction(dag.start_date, dag.end_date, catchup=False)
    last = None
    for _ in range(PATIENCE):
        info = dag.timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        if info is None or len(ticks) == COUNT:
            break
        assert info.logical_date == info.run_after, "a run's logical date is its tick"
        if info.logical_date > now:
            ticks.append(info.logical_date.timestamp())
        last = DataInterval.exact(info.logical_date)
    return ticks


if __name__ == "__main__":
    main()
