"""Runs of a gated DAG inside real Airflow, by its own `dag.test()`: what each answer of the gate makes of every task.

A running scheduler is tried by the laboratory's tests; here the answer is given and everything after it is Airflow's own.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bailey_runtime.gate_task import BaileyGate

try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models.dagbag import DagBag

HOSTILE = "{{ ds }} {% raw %} \" ' \\ \n é 🐈 Привет"
DAG_FILE = f"""
import pendulum
from airflow import DAG
try:
    from airflow.sdk import Asset, task, TaskGroup
except ImportError:
    from airflow.datasets import Dataset as Asset
    from airflow.decorators import task
    from airflow.utils.task_group import TaskGroup
from bailey_runtime.dag import (
    BaileyGate, CeleryTask, CommandTask, FailingTask, PythonTask, run_job_python, take_jobs
)

with DAG(
    "gated",
    schedule=None,
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
):
    gate = BaileyGate(source="scheduler", entries=["one"], retries=0)

    with TaskGroup("group", prefix_group_id=False):
        pure_task = PythonTask(
            task_id="pure",
            outlets=[Asset("s3://bucket/made")],
            callable="json:loads",
            args={json.dumps([json.dumps([2.50, HOSTILE])])!r},
            shadow="pure",
            entry="scheduler/one",
        )

    observed_task = PythonTask(task_id="observed", callable="json:no_such_function")

    redirected_task = CommandTask(
        task_id="redirected",
        trigger_rule="all_done",
        command=["sh", "-c", 'echo "\\\\"$BAILEY_SHADOW $DB $SECRET_URL\\\\""'],
        shadow="redirected",
        redirect={{"DB": "copy"}},
    )

    lost_task = FailingTask(task_id="lost", trigger_rule="none_failed", reason="nobody knows")

    sent = CeleryTask(task_id="sent", source="scheduler", task="t", args='[1.50]')

    @task(task_id="take_export")
    def take_export():
        return take_jobs("jobs", "export", limit=3)

    @task(task_id="export", map_index_template="{{{{ bailey_job | default('') }}}}")
    def export(job):
        return run_job_python("jobs", "export", job, "json:dumps", shadow="pure")

    export_jobs = take_export()
    export_task = export.expand(job=export_jobs)

    gate >> [pure_task, observed_task, sent, export_jobs]
    pure_task >> [redirected_task, lost_task]
"""
TASKS = ["pure", "observed", "redirected", "lost", "sent", "take_export", "export"]


@pytest.fixture(scope="module")
def gated(dags_folder):
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)
    (dags_folder / "gated.py").write_text(DAG_FILE, encoding="utf-8")
    bag = DagBag(dag_folder=str(dags_folder))
    assert bag.import_errors == {}
    return serialised(bag, dags_folder)


def serialised(bag, folder):
    """The DAG in the database, where a run of 3.x looks for its version."""
    subprocess.run([sys.executable, "-m", "airflow", "dags", "reserialize"], check=False, capture_output=True)
    return bag.dags["gated"]


def answered(monkeypatch, mode, how="test"):
    monkeypatch.setattr(BaileyGate, "_answer", lambda self, run: dict(mode=mode, how=how, note="", fence="1"))


def run(dag, **conf):
    """The states of a run's tasks, and the outcomes that they recorded."""
    ended = dag.test(run_conf=conf or None)
    instances = ended.get_task_instances()
    states = {instance.task_id: str(getattr(instance.state, "value", instance.state)) for instance in instances}
    return states, {instance.task_id: outcome_of(ended, instance) for instance in instances}


def outcome_of(ended, instance):
    from airflow.models.xcom import XCom
    from airflow.utils.session import create_session

    model = globals().get("XComModel", XCom)
    try:
        from airflow.models.xcom import XComModel as model
    except ImportError:
        pass
    with create_session() as session:
        row = (
            session.query(model)
            .filter(model.dag_id == ended.dag_id, model.run_id == ended.run_id)
            .filter(model.task_id == instance.task_id, model.key == "bailey_outcome")
            .filter(model.map_index == instance.map_index)
            .first()
        )
        if row is None:
            return None
        stored = row.value.decode() if isinstance(row.value, bytes) else row.value
    while isinstance(stored, str) and not stored.startswith("{"):
        stored = json.loads(stored)
    return stored


def test_skip_skips_everything_whatever_the_trigger_rules_say(gated, monkeypatch):
    answered(monkeypatch, "skip", "claimed")
    states, outcomes = run(gated)
    assert states == dict.fromkeys(["gate", *TASKS], "skipped")
    assert set(outcomes.values()) == {None}


def test_a_gate_that_fails_lets_nothing_run(gated, monkeypatch):
    def broken(self, run):
        raise RuntimeError("no answer")

    monkeypatch.setattr(BaileyGate, "_answer", broken)
    states, outcomes = run(gated)
    assert states.pop("gate") == "failed"
    assert set(states.values()) <= {"upstream_failed", "skipped"}
    assert set(outcomes.values()) == {None}


def test_shadow_runs_what_it_may_and_records_everything(gated, monkeypatch):
    answered(monkeypatch, "shadow")
    # A worker's own variables lead to production.
    monkeypatch.setenv("DB", "production")
    monkeypatch.setenv("SECRET_URL", "production")
    states, outcomes = run(gated)
    export = states.pop("export")
    assert export == "skipped"
    assert set(states.values()) == {"success"}
    read = {task: json.loads(text) for task, text in outcomes.items() if text}
    assert read["pure"]["state"] == "success"
    assert read["pure"]["result"] == [2.5, HOSTILE]
    assert read["observed"]["state"] == read["sent"]["state"] == read["lost"]["state"] == "observed"
    assert '"args":[1.50]' in outcomes["sent"]
    assert read["redirected"]["result"] == "1 copy "
    assert {outcome["mode"] for outcome in read.values()} == {"shadow"}


def test_a_recorded_job_is_shadowed_with_its_own_payload(gated):
    payload = '{"n": 1.50, "note": "{{ ds }}"}'
    conf = {"bailey": {"mode": "shadow", "tick": "2026-11-25T10:00:00.5Z", "job": "17", "arguments": payload}}
    states, outcomes = run(gated, **conf)
    assert states["gate"] == states["export"] == "success"
    recorded = json.loads(outcomes["export"])
    assert '"arguments":{"n":1.50,"note":"{{ ds }}"}' in outcomes["export"]
    assert json.loads(recorded["result"]) == {"n": 1.5, "note": "{{ ds }}"}
    assert (recorded["job"], recorded["tick"], recorded["entry"]) == ("17", "2026-11-25T10:00:00.5Z", "jobs/export")
    assert recorded["mode"] == "shadow"


def test_live_fails_with_the_reason_and_records_it(gated, monkeypatch):
    from bailey_runtime import jobs
    from bailey_runtime.celery_task import CeleryTask

    answered(monkeypatch, "live")
    monkeypatch.setattr(CeleryTask, "_send", lambda *_: (_ for _ in ()).throw(ConnectionError("no Redis")))
    monkeypatch.setattr(jobs, "postgres_connection", lambda source: (_ for _ in ()).throw(ConnectionError("no queue")))
    states, outcomes = run(gated)
    assert states["pure"] == states["redirected"] == "success"
    for task, kind in {"observed": "AttributeError", "lost": "untranslatable", "sent": "ConnectionError"}.items():
        assert states[task] == "failed", task
        recorded = json.loads(outcomes[task])
        assert (recorded["state"], recorded["error"]["type"]) == ("failed", kind)
    assert states["take_export"] == "failed"
    assert json.loads(outcomes["redirected"])["result"] == "  "
