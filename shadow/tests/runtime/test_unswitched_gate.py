"""The gate of entries that no switch moves: legacy owns every tick, and nobody is asked."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from bailey_runtime.dag_run import DagRunInfo

GOLDEN = Path(__file__).resolve().parents[3] / "Tests/AirflowTests/Golden/crontab_line.py"
# As it stands in that file.
COMMAND = json.dumps("mail 'x' \"$USER\"")
RUN = DagRunInfo(
    dag_id="cron__mail",
    run_id="scheduled__1",
    tick=datetime(2026, 11, 30, 2, 30, tzinfo=timezone.utc),
    by_schedule=True,
    is_backfill=False,
    shadowed=None,
    asked="shadow",
    began=datetime(2026, 11, 30, 2, 30, 1, tzinfo=timezone.utc),
)


@pytest.mark.parametrize("launched", ["live", "backfill", "trial"])
def test_a_tick_is_legacys_whatever_airflow_has_noted(monkeypatch: pytest.MonkeyPatch, launched: str) -> None:
    from bailey_runtime import launch
    from bailey_runtime.gate_task import BaileyGate

    asked: list[Any] = []
    monkeypatch.setattr(launch, "owner", lambda *words: asked.append(words) or launched)
    gate = BaileyGate(source="cron", entries=["mail"], switched=False)
    answer = gate._answer(RUN)
    assert answer["mode"] == "shadow" and answer["how"] == "no-switch" and "bailey cutover cron__mail" in answer["note"]
    assert asked == []
    # A past tick that a person has named, and nobody else, is Airflow's.
    given = gate._answer(replace(RUN, is_backfill=True))
    assert given["mode"] == ("live" if launched == "backfill" else "shadow")
    # A person may run it, and says which way.
    assert gate._answer(replace(RUN, by_schedule=False))["mode"] == "shadow"
    assert gate._answer(replace(RUN, by_schedule=False, asked="live"))["mode"] == "live"


def test_the_file_of_a_crontabs_line_runs_nothing_beside_legacy_in_a_real_airflow(dags_folder: Path) -> None:
    """The golden file, with a command that leaves a trace: a run of it does nothing until a person says `live`."""
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:
        from airflow.models.dagbag import DagBag

    trace = dags_folder / "trace.out"
    text = GOLDEN.read_text(encoding="utf-8")
    assert "switched=False" in text
    text = text.replace(COMMAND, repr(f"cat > {trace}"))
    assert str(trace) in text
    (dags_folder / "crontab_line.py").write_text(text, encoding="utf-8")
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)
    bag = DagBag(dag_folder=str(dags_folder))
    assert bag.import_errors == {}
    subprocess.run([sys.executable, "-m", "airflow", "dags", "reserialize"], check=False, capture_output=True)
    dag = bag.dags["cron__mail"]

    timetable = dag.timetable
    assert type(timetable).deserialize(timetable.serialize()).serialize() == timetable.serialize()
    # 02:30 of odd days that are Mondays: one in a night without that time runs when the clock has moved.
    schedule = timetable._schedule
    ticks = list(islice(schedule.ticks(datetime(2026, 11, 30, tzinfo=timezone.utc)), 3))
    assert [tick.isoformat() for tick in ticks] == [
        "2026-12-07T01:30:00+00:00",
        "2026-12-21T01:30:00+00:00",
        "2027-01-11T01:30:00+00:00",
    ]

    dag.test()
    assert not trace.exists()
    dag.test(run_conf={"bailey_mode": "live"})
    assert trace.read_text(encoding="utf-8") == "a\nb\n"
