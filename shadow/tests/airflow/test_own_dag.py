"""A DAG that a person has written goes the whole road: it is refused without its gate, shadowed, cut over, given back, and goes on without Bailey."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bailey import SHADOW
from rest import eventually
from road import Road

from lab.airflow import default_python

pytestmark = pytest.mark.versions()
PIPELINE, ENTRY = "own-night", "own-night-entry"
# Where a person takes the operators from, in Airflow 3 and in 2.11.
IMPORTS = {
    False: "from airflow.providers.standard.operators.bash import BashOperator\nfrom airflow.sdk import DAG, task",
    True: "from airflow.decorators import task\nfrom airflow.models.dag import DAG\nfrom airflow.operators.bash import BashOperator",
}
FILE = '''"""Written by hand."""

import pendulum
@IMPORTS@
from airflow.timetables.trigger import CronTriggerTimetable
from bailey_runtime.dag import BaileyGate, PythonTask, only_live

with DAG(
    dag_id="own-night",
    schedule=CronTriggerTimetable("* * * * *", timezone="UTC"),
    start_date=pendulum.datetime(2024, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"pre_execute": only_live()},
    tags=["bailey", "night"],
):
    gate = BaileyGate(source="scheduler", entries=["own-night-entry"])
    work = PythonTask(
        task_id="work",
        callable="lab.work:refresh_cache",
        args='["own"]',
        interpreter=@PYTHON@,
        environment={"PYTHONPATH": @FOLDER@, "LAB_SPEED": "100000"},
        entry="scheduler/own-night-entry",
        shadow="pure",
    )
    # It leaves a line for each time that it ran.
    tell = BashOperator(task_id="tell", bash_command="echo {{ ts }} >> " + @LINES@)

    @task(trigger_rule="all_done")
    def last(number: int) -> int:
        return number

    gate >> work >> tell >> last.expand(number=[1, 2])
'''
WITHOUT = '''"""Written by hand, to stay."""

import pendulum
@IMPORTS@
from airflow.timetables.trigger import CronTriggerTimetable

with DAG(
    dag_id="own-night",
    schedule=CronTriggerTimetable("* * * * *", timezone="UTC"),
    start_date=pendulum.datetime(2024, 1, 1),
    catchup=False,
    tags=["bailey", "night"],
):
    BashOperator(task_id="tell", bash_command="echo {{ ts }} >> " + @LINES@) >> BashOperator(task_id="work", bash_command="true")
'''


@pytest.fixture
def own(road: Road, tmp_path: Path) -> Iterator[Road]:
    """The pipeline's entry and mapping, and an environment that has Airflow."""
    place = road.workspace.folder / "mappings" / "own"
    place.mkdir()
    for name, text in (("night.py", FILE), ("morning.py", WITHOUT)):
        values = {"PYTHON": sys.executable, "FOLDER": str(SHADOW), "LINES": str(tmp_path / "lines")}
        for key, value in values.items():
            text = text.replace(f"@{key}@", repr(value))
        text = text.replace("@IMPORTS@", IMPORTS[road.airflow.is_2])
        (place / name).write_text(text, encoding="utf-8")
    clock = road.entry(ENTRY, task="company.ops.refresh_cache", args=["own"])
    airflow = {"python": str(default_python(road.airflow.record.version)), "path": [str(SHADOW)]}
    dag = {"file": "own/night.py", "without_gate": "own/morning.py", "environment": "airflow"}
    with road.settings(lambda settings: settings["environments"].update(airflow=airflow)):
        road.pipeline(PIPELINE, clock, {"work": {"entry": clock}}, dag=dag, policy={"clean_ticks": 1})
        yield road
        road.remove(PIPELINE, ENTRY)


def told(folder: Path) -> list[str]:
    """The runs in which the plain task has run."""
    lines = folder / "lines"
    return lines.read_text(encoding="utf-8").split() if lines.exists() else []


@pytest.mark.full
def test_an_own_dag_goes_the_whole_road(own: Road, tmp_path: Path) -> None:
    file = own.workspace.folder / "mappings" / "own" / "night.py"
    right = file.read_text(encoding="utf-8")
    own.workspace.run("import", status=(0, 1))
    for wrong, words in (
        (right.replace("gate >> work", "work"), "“work” does not wait for the gate"),
        (
            right.replace("    default_args={", "    doc_md=str({").replace("only_live()}", "only_live()})"),
            "“tell” would run",
        ),
    ):
        file.write_text(wrong, encoding="utf-8")
        refused = own.workspace.run("generate", PIPELINE, status=1)
        assert words in refused.stderr, refused.stderr
        assert not (own.workspace.dags / f"{PIPELINE}.py").exists()
    file.write_text(right, encoding="utf-8")
    own.build(PIPELINE)
    # What was generated is deployed only as long as it is what the mapping says.
    file.write_text(right + "# an edit\n", encoding="utf-8")
    assert "Run bailey generate" in own.workspace.run("deploy", PIPELINE, status=1).stderr
    file.write_text(right, encoding="utf-8")

    own.workspace.run("shadow", "--engine", "airflow", "--for", "130s", PIPELINE, status=(0, 1), limit=600)
    (row,) = own.workspace.json("report", PIPELINE, status=(0, 1))["pipelines"]
    verdicts = [comparison["verdict"] for comparison in row["comparisons"]]
    assert verdicts and set(verdicts) == {"match"}, row["comparisons"]
    run = row["comparisons"][0]["shadow"]["run"].split("/", 1)[1]
    assert own.airflow.states(PIPELINE, run)["tell"] == "skipped"
    outcome = own.airflow.outcome(PIPELINE, run, "tell")
    assert outcome is not None and (outcome["mode"], outcome["state"]) == ("shadow", "observed")
    assert told(tmp_path) == [], "nobody has said that this task may run in shadow"

    own.cut_over(PIPELINE)
    eventually("it ran live", lambda: len(told(tmp_path)) >= 2)
    own.roll_back(PIPELINE)
    claimed = own.redis.hlen(f"bailey:claims:{{redbeat:{ENTRY}}}") or own.redis.zcard(
        f"bailey:claims:{{redbeat:{ENTRY}}}"
    )
    assert claimed
    own.cut_over(PIPELINE)
    eventually("it may go", lambda: own.workspace.json("retire", PIPELINE, status=(0, 1))["holds"])
    assert own.workspace.json("retire", PIPELINE, "--execute", "--wait", "2m")["outcome"] == "done"
    count = len(told(tmp_path))
    eventually("it goes on without Bailey", lambda: len(told(tmp_path)) > count)
    assert "bailey_runtime" not in (own.stack.folder / "dags" / f"{PIPELINE}.py").read_text(encoding="utf-8")
    assert len(set(told(tmp_path))) == len(told(tmp_path)), "a tick ran twice"
