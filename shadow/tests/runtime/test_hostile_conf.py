"""What whoever may start a run can pass to it runs nothing and forges nothing: generated files inside a real Airflow."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from test_json_value import NO_JSON

try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models.dagbag import DagBag

from bailey_runtime.compat import AirflowFailException
from bailey_runtime.dag_run import DagRunInfo

GOLDEN = Path(__file__).resolve().parents[3] / "Tests" / "AirflowTests" / "Golden"
IS_3 = importlib.util.find_spec("airflow.sdk") is not None
INJECTED = 'null],"callable":"os:system","args":["touch {owned}"],"x":[1'
FORGED = 'null,"state":"success","result":[1],"run":"x"'


def conf(**parts: Any) -> dict[str, Any]:
    """What Bailey passes, with these parts."""
    return {"bailey": {"mode": "shadow", "tick": None, "job": "17", "entry": "jobs/export_data", **parts}}


WRONG = [
    *(conf(arguments=text) for text in NO_JSON),
    conf(arguments={"a": 1}),
    conf(arguments=[1]),
    conf(arguments=1),
    conf(job=17),
    conf(job={"a": 1}),
    conf(entry=["jobs/export_data"]),
    conf(mode="live"),
    conf(mode=1),
    conf(tick="yesterday"),
    conf(tick="2026-11-25T10:00:00"),
    conf(tick="0001-01-01T00:00:00+14:00"),
    conf(tick=1795392000),
    conf(callable="os:system"),
    {"bailey": "live"},
    {"bailey": None},
    {"bailey": [1]},
    [1],
    "bailey",
]


def run_with(passed: Any, **params: str) -> dict[str, Any]:
    """The context of a run that somebody started with this conf."""
    run = SimpleNamespace(run_type="manual", conf=passed, dag_id="d", run_id="r", logical_date=None, start_date=None)
    return {"dag_run": run, "params": params}


@pytest.mark.parametrize("passed", WRONG, ids=range(len(WRONG)))
def test_what_was_not_passed_by_bailey_fails_with_words(passed: Any) -> None:
    with pytest.raises(AirflowFailException, match="cannot be used: "):
        DagRunInfo.of(run_with(passed))


def test_a_mode_is_shadow_or_live() -> None:
    assert DagRunInfo.of(run_with(None)).asked == "shadow"
    assert DagRunInfo.of(run_with({}, bailey_mode="live")).asked == "live"
    with pytest.raises(AirflowFailException, match="bailey_mode"):
        DagRunInfo.of(run_with(None, bailey_mode="anything"))


def test_what_bailey_passes_is_read_and_written_anew() -> None:
    info = DagRunInfo.of(run_with(conf(arguments=' {"n": 1.50} ', tick="2026-11-25T10:00:00.5Z")))
    assert info.arguments == '{"n":1.50}'
    assert info.job == "17" and info.tick is not None and info.tick.microsecond == 500_000
    assert info.shadowed is not None and info.shadowed.entry == "jobs/export_data"


@pytest.fixture(scope="module")
def generated(dags_folder: Path) -> Any:
    """A generated file of job types, whose function is one of Python's own."""
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)
    text = (GOLDEN / "queue.py").read_text(encoding="utf-8")
    if not IS_3:
        text = text.replace(
            "from airflow.sdk import Asset, DAG, task",
            "from airflow.datasets import Dataset as Asset\nfrom airflow.decorators import task\nfrom airflow.models.dag import DAG",
        )
    return load(dags_folder, "jobs", text)


def load(folder: Path, dag: str, text: str) -> Any:
    """The DAG of a generated file, as Airflow reads it."""
    text = text.replace("/opt/company/bin/python", sys.executable).replace("jobs:export", "json:dumps")
    text = text.replace('pool="exports",', "")
    (folder / f"{dag}.py").write_text(text, encoding="utf-8")
    bag = DagBag(dag_folder=str(folder / f"{dag}.py"))
    assert bag.import_errors == {}
    subprocess.run([sys.executable, "-m", "airflow", "dags", "reserialize"], check=False, capture_output=True)
    return bag.dags[dag]


@pytest.mark.parametrize("text", [INJECTED, FORGED], ids=["injected", "forged"])
def test_a_run_with_hostile_arguments_fails_before_anything_ran(generated: Any, tmp_path: Path, text: str) -> None:
    from test_dag_runs import run

    owned = tmp_path / "owned"
    text = text.replace("{owned}", str(owned))
    states, outcomes = run(generated, **conf(arguments=text))
    assert states.pop("gate") == "failed"
    assert set(states.values()) <= {"upstream_failed", "skipped"}
    assert set(outcomes.values()) == {None}
    assert not owned.exists()
    # As a value it is one like any other.
    states, outcomes = run(generated, **conf(arguments=json.dumps(text)))
    assert states["gate"] == states["export"] == "success"
    recorded = json.loads(outcomes["export"])
    assert recorded["arguments"] == text and json.loads(recorded["result"]) == text
    assert (recorded["state"], recorded["job"], recorded["mode"]) == ("success", "17", "shadow")
    assert not owned.exists()


@pytest.mark.skipif(not IS_3, reason="the file is one for Airflow 3")
def test_without_a_gate_a_payload_is_an_argument_and_nothing_else(
    dags_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (GOLDEN / "ungated_queue.py").read_text(encoding="utf-8")
    text = text.replace('dag_id="jobs"', 'dag_id="ungated_jobs"')
    dag = load(dags_folder, "ungated_jobs", text)
    module = sys.modules[dag.task_dict["export"].python_callable.__module__]
    owned = tmp_path / "owned"
    payloads = [*(text.replace("owned", str(owned)) for text in NO_JSON[:-1]), '{"n": 1.50}', None]
    settled: list[Any] = []

    def ask(queue: Any, names: list[str], **values: Any) -> list[Any]:
        if names == ["due"]:
            isExport = values["type"] == "export_data"
            return [(str(n), 0, None) for n in range(len(payloads))] if isExport else []
        if "claim" in names:
            return [(payloads[int(values["job"])],)]
        settled.append((values["job"], names))
        return [(values["job"],)]

    monkeypatch.setattr(module, "_ask_queue", ask)
    ended = dag.test()
    found = [i for i in ended.get_task_instances() if i.task_id == "export"]
    assert {str(getattr(i.state, "value", i.state)) for i in found} == {"success"} and len(found) == len(payloads)
    assert sorted(settled) == sorted((str(n), ["success"]) for n in range(len(payloads)))
    assert not owned.exists() and not Path("owned").exists()
    for index, stored in enumerate(payloads):
        call = json.loads(module._call_of("json:dumps", module._payload(stored), "{}"))
        assert call["callable"] == "json:dumps" and set(call) == {"callable", "payload", "kwargs"}
        given = json.loads(call["payload"])
        assert given == (stored if index < len(NO_JSON) - 1 else None if stored is None else {"n": 1.5})
