"""A DAG with the timetable goes through Airflow's own parsing and serialisation."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from airflow.timetables.base import DataInterval, TimeRestriction

from bailey_runtime.timetable import BaileyTimetable

try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models.dagbag import DagBag
try:
    from airflow.serialization.serialized_objects import DagSerialization
except ImportError:
    from airflow.serialization.serialized_objects import (
        SerializedDAG as DagSerialization,
    )

DAG_FILE = """
from datetime import datetime, timezone

from airflow import DAG
from bailey_runtime.timetable import BaileyTimetable

with DAG(
    "nightly",
    schedule=BaileyTimetable({arguments}),
    start_date=datetime(2026, 11, 1, tzinfo=timezone.utc),
    catchup=False,
):
    pass
"""

SCHEDULES = {
    "crontab": (
        {"__type__": "crontab", "minute": [0, 30], "hour": "2-4", "day_of_week": "sun"},
        "Europe/Berlin",
    ),
    "text": ('{"__type__": "crontab", "minute": 5, "hour": 7}', "America/New_York"),
    "interval": (
        {"__type__": "interval", "every": 90.25, "relative": False},
        "UTC",
        "2026-11-23T06:54:14.305759+00:00",
    ),
    "relative": (
        {"__type__": "interval", "every": 7200.0, "relative": True},
        "Asia/Kolkata",
        "2026-11-23T06:54:14Z",
    ),
    "rrule": (
        {
            "__type__": "rrule",
            "freq": 2,
            "byweekday": {"__type__": "weekday", "wkday": 4},
            "dtstart": 1767258000,
            "dtstart_tz": -240.0,
        },
        "America/New_York",
    ),
}


def parse(folder, arguments: str) -> DagBag:
    (folder / "nightly.py").write_text(DAG_FILE.format(arguments=arguments))
    return DagBag(dag_folder=str(folder))


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_a_dag_survives_parsing_and_serialisation(tmp_path, name):
    bag = parse(tmp_path, ", ".join(map(repr, SCHEDULES[name])))
    assert bag.import_errors == {}
    dag = bag.dags["nightly"]
    assert type(dag.timetable) is BaileyTimetable

    data = json.loads(json.dumps(DagSerialization.to_dict(dag), sort_keys=True))
    again = DagSerialization.from_dict(data)
    assert type(again.timetable) is BaileyTimetable
    assert again.timetable.serialize() == dag.timetable.serialize()
    assert again.timetable.summary == dag.timetable.summary
    assert again.timetable.description == dag.timetable.description

    last = datetime(2026, 11, 24, 8, tzinfo=timezone.utc)
    for _ in range(20):
        asked = {
            "last_automated_data_interval": DataInterval.exact(last),
            "restriction": TimeRestriction(dag.start_date, None, catchup=True),
        }
        info = again.timetable.next_dagrun_info(**asked)
        assert info == dag.timetable.next_dagrun_info(**asked)
        assert timedelta() < info.run_after - last
        last = info.run_after


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("{'__type__': 'crontab', 'minute': '61'}, 'UTC'", "61"),
        ("{'__type__': 'crontab'}, 'Mars/Olympus'", "Mars/Olympus"),
        ("{'__type__': 'interval', 'every': 1, 'relative': True}, 'UTC'", "anchor"),
    ],
)
def test_a_schedule_that_cannot_be_is_an_import_error(tmp_path, arguments, reason):
    bag = parse(tmp_path, arguments)
    assert bag.dags == {}
    (error,) = bag.import_errors.values()
    assert reason in error
