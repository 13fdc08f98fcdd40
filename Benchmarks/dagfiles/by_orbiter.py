"""Writes the DAGs as Orbiter does (`by_orbiter.py FOLDER COUNT`, in an environment that has it)."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import pendulum
from orbiter.objects.dag import OrbiterDAG
from orbiter.objects.operators.bash import OrbiterBashOperator
from orbiter.objects.project import OrbiterProject
from orbiter.objects.requirement import OrbiterRequirement
from same_dags import RETRIES, RETRY_SECONDS, TIMEOUT_SECONDS, ZONE, dag


def main() -> None:
    """One file a DAG, in FOLDER/dags."""
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    project = OrbiterProject()
    for number in range(count):
        wanted = dag(number)
        made = OrbiterDAG(
            file_path=f"{wanted['id']}.py",
            # Its own imports, and the one that it leaves out of files with durations.
            imports=[*OrbiterDAG.model_fields["imports"].default, OrbiterRequirement(module="datetime")],
            dag_id=wanted["id"],
            schedule=wanted["cron"],
            start_date=pendulum.datetime(2024, 1, 1, tz=ZONE),
            catchup=False,
            tags=wanted["tags"],
            doc_md=wanted["text"],
            default_args={
                "owner": wanted["owner"],
                "retries": RETRIES,
                "retry_delay": timedelta(seconds=RETRY_SECONDS),
                "execution_timeout": timedelta(seconds=TIMEOUT_SECONDS),
            },
        )
        tasks = [OrbiterBashOperator(task_id=name, bash_command=command) for name, command in wanted["tasks"]]
        for before, after in zip(tasks, tasks[1:]):
            before.add_downstream(after.task_id)
        project.add_dags(made.add_tasks(tasks))
    project.render(folder)


if __name__ == "__main__":
    main()
