"""What is told of a DAG file that a person has written, by the Airflow that this runs in."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("airflow")

from bailey_runtime import own_probe
from bailey_runtime.compat import AirflowSkipException
from bailey_runtime.only_live import only_live

FILE = """
try:
    from airflow.sdk import DAG, task
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.providers.standard.operators.bash import BashOperator
except ImportError:
    from airflow.decorators import task
    from airflow.models.dag import DAG
    from airflow.operators.bash import BashOperator
    from airflow.operators.empty import EmptyOperator
import pendulum
from airflow.timetables.trigger import CronTriggerTimetable
from bailey_runtime.dag import BaileyGate, PythonTask, only_live

print("a file may say something")
with DAG(
    "own",
    schedule=CronTriggerTimetable("0 2 * * *", timezone="Europe/Berlin"),
    start_date=pendulum.datetime(2024, 1, 1),
    catchup=False,
    default_args={"pre_execute": only_live()},
    tags=["bailey"],
):
    gate = BaileyGate(source="s", entries=["night", "day"], timezone="Europe/Berlin")
    body = PythonTask(task_id="body", callable="m:f", entry="s/night")
    plain = BashOperator(task_id="plain", bash_command="true", pre_execute=only_live("s/day"))
    free = BashOperator(task_id="free", bash_command="true", pre_execute=None, on_execute_callback=print)
    many = BashOperator.partial(task_id="many").expand(bash_command=["true", "false"])
    end = EmptyOperator(task_id="end")

    class Mine(PythonTask):
        def execute(self, context):
            return "whatever the gate said"

    mine = Mine(task_id="mine", callable="m:f", pre_execute=None)

    @task
    def function(number):
        return number

    gate >> mine >> body >> plain >> free >> many >> end >> function.expand(number=[1, 2])
"""


def asked(text: str) -> dict[str, Any]:
    """What the program answers, which runs by itself."""
    done = subprocess.run(
        [sys.executable, "-c", Path(own_probe.__file__).read_text(encoding="utf-8")],
        input=json.dumps({"name": "own.py", "text": text}),
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    return json.loads(done.stdout)


def test_a_file_is_told_as_airflow_reads_it() -> None:
    answer = asked(FILE)
    assert answer["errors"] == [] and answer["version"]
    (dag,) = answer["dags"]
    assert (dag["dag_id"], dag["tags"], dag["catchup"], dag["of_intervals"]) == ("own", ["bailey"], False, False)
    assert len(dag["ticks"]) == own_probe.TICKS and dag["ticks"][0].endswith(("T00:00:00.000000Z", "T01:00:00.000000Z"))
    tasks = {one["task_id"]: one for one in dag["tasks"]}
    gate = tasks["gate"]["gate"]
    assert "bailey_runtime.gate_task.BaileyGate" in gate.pop("kinds")
    assert gate == {
        "source": "s",
        "entries": ["night", "day"],
        "job_types": [],
        "prefix": "redbeat:",
        "missed_ticks": "coalesce",
        "late_after": 300,
        "timezone": "Europe/Berlin",
    }
    assert {name for name, one in tasks.items() if one["is_bailey"]} == {"gate", "body"}
    assert {name for name, one in tasks.items() if not one["is_held"]} == {"free", "mine"}
    assert {name for name, one in tasks.items() if one["is_called_before"]} == {"free"}
    assert {name for name, one in tasks.items() if one["is_empty"]} == {"end"}
    assert {name: one["entry"] for name, one in tasks.items() if one["entry"]} == {"body": "s/night", "plain": "s/day"}
    assert tasks["many"]["downstream_task_ids"] == ["end"] and tasks["end"]["downstream_task_ids"] == ["function"]


def test_what_cannot_be_imported_is_told() -> None:
    answer = asked("import company_that_is_not_there\n")
    assert answer["dags"] == [] and "company_that_is_not_there" in answer["errors"][0]


def test_what_is_no_python_is_told_and_so_is_each_dag_of_several() -> None:
    answer = asked("with DAG('own'\n    pass\n")
    assert answer["dags"] == [] and "SyntaxError" in answer["errors"][0]
    second = FILE[FILE.index("with DAG(") :].replace('"own"', '"second"')
    assert [dag["dag_id"] for dag in asked(FILE + second)["dags"]] == ["own", "second"]


def context(answer: Any) -> dict[str, Any]:
    """That of a task of no operator of Bailey's, after a gate that said so."""
    pushed: dict[str, Any] = {}
    task = SimpleNamespace(outlets=["an asset"], task_id="plain")
    run = SimpleNamespace(run_type="scheduled", conf={}, logical_date=None, dag_id="own", run_id="r", start_date=None)
    instance = SimpleNamespace(
        task=task,
        task_id="plain",
        try_number=1,
        xcom_pull=lambda **_: answer,
        xcom_push=lambda key, value: pushed.update({key: value}),
    )
    return {"ti": instance, "task": task, "dag_run": run, "pushed": pushed}


@pytest.mark.parametrize(
    ("answer", "entry", "state"),
    [
        ({"mode": "live"}, None, None),
        ({"mode": "live", "without": ["s/other"]}, "s/day", None),
        ({"mode": "live", "without": ["s/day"]}, "s/day", "observed"),
        ({"mode": "shadow"}, None, "observed"),
        ({"mode": "skip", "how": "claimed"}, None, "skipped"),
        ({"mode": "wait"}, None, "skipped"),
        (None, None, "skipped"),
    ],
)
def test_a_plain_task_runs_where_it_is_live_alone(answer: Any, entry: str | None, state: str | None) -> None:
    at = context(answer)
    if state is None:
        only_live(entry)(at)
        assert at["task"].outlets
    else:
        with pytest.raises(AirflowSkipException):
            only_live(entry)(at)
    recorded = at["pushed"].get("bailey_outcome")
    assert (json.loads(recorded)["state"] if recorded else None) == (state if state == "observed" else None)


def test_tasks_of_baileys_ask_themselves_and_what_is_made_of_them_is_asked_for() -> None:
    from bailey_runtime.dag import BaileyGate, PythonTask

    class Mine(PythonTask):
        """Somebody's own."""

    class Gate(BaileyGate):
        """Another system's."""

    for task in (PythonTask(task_id="t", callable="m:f"), BaileyGate(), Gate(task_id="other")):
        only_live()({**context({"mode": "shadow"}), "task": task})
    with pytest.raises(AirflowSkipException):
        only_live()({**context({"mode": "shadow"}), "task": Mine(task_id="t", callable="m:f")})
