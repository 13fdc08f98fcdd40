"""`kind: django_celery_beat`: what Bailey reads of the tables is what the package's own scheduler makes of them."""

from __future__ import annotations

import json
import random
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg
import pytest

BAILEY = Path(__file__).resolve().parents[3] / ".build/debug/bailey"
TASK = "django_celery_beat_periodictask"
FROM = datetime(2026, 12, 1, 0, 0, 30, tzinfo=timezone.utc)
TICKS = 25


class Place:
    """A workspace before the database."""

    def __init__(self, folder: Path, url: str, **source: Any) -> None:
        self.folder = folder
        self.url = url
        folder.joinpath("mappings").mkdir()
        document = {"version": 1, "sources": {"d": {"kind": "django_celery_beat", "url": url} | source}}
        folder.joinpath("bailey.yaml").write_text(json.dumps(document), encoding="utf-8")

    def bailey(self, *words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(BAILEY), *words],
            cwd=self.folder,
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def inventory(self) -> dict[str, Any]:
        done = self.bailey("import", "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def notes(entry: dict[str, Any]) -> dict[str, str]:
    return {note["code"]: note["detail"] for note in entry["notes"]}


@pytest.fixture(autouse=True)
def rows(database: str) -> None:
    """Rows of every form, made by the package's own models."""
    from django_celery_beat.models import (
        ClockedSchedule,
        CrontabSchedule,
        IntervalSchedule,
        PeriodicTask,
        PeriodicTasks,
        SolarSchedule,
    )
    from django_celery_results.models import TaskResult

    for model in (PeriodicTask, CrontabSchedule, IntervalSchedule, ClockedSchedule, SolarSchedule, TaskResult):
        model.objects.all().delete()
    chance = random.Random(18)

    def crontab(zone: str, **fields: str) -> Any:
        return CrontabSchedule.objects.create(timezone=zone, **fields)

    zones = ["UTC", "Europe/Paris", "America/New_York", "Asia/Kolkata", "Australia/Sydney", "Pacific/Chatham"]
    for number in range(60):
        fields = {
            "minute": chance.choice(["0", "*/7", "5,35", "10-20/3"]),
            "hour": chance.choice(["*", "2", "8-18/2", "*/5", "23,0"]),
            "day_of_week": chance.choice(["*", "*", "mon-fri", "0,6", "sun"]),
            "day_of_month": chance.choice(["*", "*", "1-7", "*/10", "31"]),
            "month_of_year": chance.choice(["*", "*", "1,12", "*/2"]),
        }
        PeriodicTask.objects.create(
            name=f"crontab {number}",
            task="work.add",
            crontab=crontab(chance.choice(zones), **fields),
            args=json.dumps([number, "ä"]),
        )
    for every, period in ((2, "hours"), (45, "minutes"), (3, "days"), (90, "seconds"), (1_500_000, "microseconds")):
        interval = IntervalSchedule.objects.create(every=every, period=period)
        PeriodicTask.objects.create(name=f"each {every} {period}", task="work.add", interval=interval)
    nightly = crontab("Europe/Paris", minute="0", hour="2")
    PeriodicTask.objects.create(
        name="options",
        task="work.report",
        crontab=nightly,
        kwargs='{"to": "a", "deep": {"x": [1, null]}}',
        queue="heavy",
        exchange="work",
        routing_key="work.heavy",
        priority=7,
        headers='{"x-team": "data"}',
        expire_seconds=30,
        last_run_at=datetime(2026, 11, 23, 1, 0, 0, 23245, tzinfo=timezone.utc),
        total_run_count=41,
    )
    PeriodicTask.objects.create(
        name="ends",
        task="work.report",
        crontab=nightly,
        start_time=datetime(2027, 1, 1, tzinfo=timezone.utc),
        expires=datetime(2027, 6, 1, tzinfo=timezone.utc),
    )
    PeriodicTask.objects.create(name="off", task="work.report", crontab=nightly, enabled=False)
    PeriodicTask.objects.create(name="once", task="work.report", crontab=nightly, one_off=True)
    when = ClockedSchedule.objects.create(clocked_time=datetime(2027, 3, 4, 5, 6, 7, 323129, tzinfo=timezone.utc))
    PeriodicTask.objects.create(name="clocked", task="work.report", clocked=when, one_off=True)
    sun = SolarSchedule.objects.create(event="sunset", latitude="48.85", longitude="2.35")
    PeriodicTask.objects.create(name="sun", task="work.report", solar=sun)
    PeriodicTasks.update_changed()
    with psycopg.connect(database) as connection:
        # What no form lets through, and applications write all the same.
        for name, column, value in (("torn", "args", "[1"), ("list", "kwargs", "[1]"), ("free", "crontab_id", None)):
            PeriodicTask.objects.create(name=name, task="work.report", crontab=nightly)
            connection.execute(f"UPDATE {TASK} SET {column} = %s WHERE name = %s", (value, name))


UNREAD = {"torn": "malformed-json", "list": "malformed-kwargs", "free": "no-schedule"}


def test_every_row_is_accounted_for_and_none_is_changed(database: str, tmp_path: Path) -> None:
    place = Place(tmp_path, database)
    every = f"SELECT count(*), md5(string_agg(p::text, '' ORDER BY id)) FROM {TASK} p"
    with psycopg.connect(database) as connection:
        before = connection.execute(every).fetchone()
        inventory = place.inventory()
        assert connection.execute(every).fetchone() == before
    assert before is not None
    assert inventory["sources"][0]["found"] == before[0] == len(inventory["entries"]) + len(inventory["unread"])
    assert {one["key"]: one["reason"] for one in inventory["unread"]} == UNREAD
    entries = {entry["name"]: entry for entry in inventory["entries"]}
    assert entries["options"]["last_run"] == "2026-11-23T01:00:00.023245Z" and entries["options"]["run_count"] == 41
    assert not entries["off"]["enabled"] and "BLY009" in notes(entries["off"])
    assert "sunset at latitude 48.85" in notes(entries["sun"])["BLY027"]
    assert "runs once" in notes(entries["once"])["BLY027"] and entries["once"]["schedule"] is None
    bounds = [note["detail"] for note in entries["ends"]["notes"] if note["code"] == "BLY045"]
    assert any("2027-01-01T00:00:00" in text for text in bounds) and any("2027-06-01" in text for text in bounds)


def test_an_entry_is_called_as_the_packages_own_scheduler_calls_it(database: str, tmp_path: Path) -> None:
    from celery import Celery
    from django_celery_beat.models import PeriodicTask
    from django_celery_beat.schedulers import ModelEntry

    app = Celery("oracle")
    entries = {entry["name"]: entry for entry in Place(tmp_path, database).inventory()["entries"]}
    compared = 0
    for model in PeriodicTask.objects.exclude(name__in=UNREAD):
        meant = ModelEntry(model, app=app)
        entry = entries[model.name]
        assert entry["task"] == meant.task and entry["args"] == meant.args and entry["kwargs"] == meant.kwargs
        options = dict(meant.options)
        if isinstance(options.get("expires"), datetime):
            options["expires"] = options["expires"].isoformat()
        assert entry["options"] == options, model.name
        compared += 1
    assert compared == len(entries) == 71


def test_an_entry_is_due_when_the_packages_own_scheduler_says(database: str, tmp_path: Path) -> None:
    from django_celery_beat.models import PeriodicTask

    place = Place(tmp_path, database)
    entries = {entry["name"]: entry for entry in place.inventory()["entries"]}
    models = [model for model in PeriodicTask.objects.exclude(name__in=UNREAD) if model.name in entries]
    asked, meant = [], []
    for model in models:
        if model.solar or model.one_off:
            continue
        entry = entries[model.name]
        question = {"tz": entry["timezone"], "schedule": entry["schedule"], "from": FROM.timestamp(), "count": TICKS}
        asked.append(json.dumps(question))
        meant.append((model.name, due(model.schedule)))
    done = place.bailey("ticks", "--stdin", "--json", given="\n".join(asked) + "\n")
    assert done.returncode == 0, done.stderr
    for (name, ticks), line in zip(meant, done.stdout.splitlines(), strict=True):
        assert json.loads(line)["ticks"] == pytest.approx(ticks, abs=1e-6), name
    assert len(meant) == 68
    # A clocked one is due at its second, and never before.
    rule = {"tz": "UTC", "schedule": entries["clocked"]["schedule"], "from": FROM.timestamp(), "count": 5}
    answer = json.loads(place.bailey("ticks", "--stdin", "--json", given=json.dumps(rule) + "\n").stdout)
    assert answer["ticks"] == [datetime(2027, 3, 4, 5, 6, 8, tzinfo=timezone.utc).timestamp()]


def due(schedule: Any) -> list[float]:
    """When a schedule is due, by its own estimate, each time asked at the moment it was due before."""
    found, moment = [], FROM
    for _ in range(TICKS):
        zone = getattr(schedule, "tz", timezone.utc)
        local = moment.astimezone(zone)
        schedule.nowfun = lambda now=local: now
        moment = moment + schedule.remaining_estimate(local)
        found.append(moment.timestamp())
    return found


def test_results_are_the_history_of_the_task_that_they_name(database: str, tmp_path: Path) -> None:
    from django_celery_results.models import TaskResult

    ended = datetime(2026, 11, 23, 1, 0, tzinfo=timezone.utc)
    for number in range(40):
        name = {0: None, 1: "gone"}.get(number, "options" if number % 2 else "crontab 1")
        status = "FAILURE" if number % 10 == 5 else "STARTED" if number == 39 else "SUCCESS"
        result = {"exc_type": "OSError", "exc_message": ["no disk"], "exc_module": "builtins"}
        TaskResult.objects.store_result(
            "application/json",
            "utf-8",
            f"id-{number}",
            json.dumps(result if status == "FAILURE" else {"n": number}),
            status,
            periodic_task_name=name,
            task_name="work.report",
        )
        done = ended + timedelta(minutes=number)
        TaskResult.objects.filter(task_id=f"id-{number}").update(
            date_done=done, date_started=done - timedelta(seconds=number)
        )
    place = Place(tmp_path, database, broker_url="redis://127.0.0.1:1/0", celery={"settings": {}})
    inventory = place.inventory()
    with psycopg.connect(database) as connection:
        counted = connection.execute(
            """SELECT periodic_task_name, count(*) FILTER (WHERE status = 'SUCCESS'), count(*) FILTER (WHERE status = 'FAILURE'),
               percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM date_done - date_started)::float8)
                   FILTER (WHERE status <> 'STARTED')
               FROM django_celery_results_taskresult WHERE periodic_task_name IN ('options', 'crontab 1') GROUP BY 1"""
        ).fetchall()
    histories = {entry["name"]: entry["history"] for entry in inventory["entries"] if entry["history"]}
    assert len(counted) == 2
    told = {n: (h["succeeded"], h["failed"], h["p50_seconds"]) for n, h in histories.items()}
    assert told == {name: tuple(rest) for name, *rest in counted}
    left_out = notes(inventory["sources"][0])
    assert "1 recorded results left out of the history: they name a periodic task" in str(inventory["sources"][0])
    assert "BLY007" in left_out and "set result_extended" in str(inventory["sources"][0])


def test_a_recorded_run_is_that_of_a_tick_and_is_shadowed(database: str, tmp_path: Path) -> None:
    from django_celery_beat.models import CrontabSchedule, PeriodicTask
    from django_celery_results.models import TaskResult

    ended = datetime.now(timezone.utc).replace(second=0, microsecond=0) - timedelta(hours=1)
    count = 20
    PeriodicTask.objects.create(
        name="minutely",
        task="work.report",
        crontab=CrontabSchedule.objects.create(timezone="UTC"),
        last_run_at=ended + timedelta(milliseconds=20),
        total_run_count=count,
    )
    for number in range(count):
        tick = ended - timedelta(minutes=number)
        TaskResult.objects.store_result(
            "application/json", "utf-8", f"tick-{number}", "null", "SUCCESS", periodic_task_name="minutely"
        )
        TaskResult.objects.filter(task_id=f"tick-{number}").update(
            date_started=tick + timedelta(milliseconds=50), date_done=tick + timedelta(milliseconds=500)
        )
    place = Place(tmp_path, database, broker_url="redis://127.0.0.1:1/0", celery={"settings": {}})
    place.inventory()
    assert place.bailey("generate").returncode == 0
    shadowed = place.bailey("shadow", "--from-history", "d__minutely", "--json")
    assert shadowed.returncode in (0, 1), shadowed.stderr
    report = json.loads(place.bailey("report", "--json").stdout)
    found = {one["id"]: one for one in report["pipelines"]}["d__minutely"]
    assert found["match"] + found["mismatch"] + found["not_enough_data"] == count, found
    assert found["coverage"][0]["observed"] == count and found["not_scheduled"] == 0, found


def test_a_result_that_ended_at_no_time_ends_the_reading_of_no_other(database: str, tmp_path: Path) -> None:
    from django_celery_results.models import TaskResult

    ended = datetime.now(timezone.utc) - timedelta(hours=1)
    for number in range(6):
        TaskResult.objects.store_result(
            "application/json", "utf-8", f"odd-{number}", "1", "SUCCESS", periodic_task_name="options"
        )
        TaskResult.objects.filter(task_id=f"odd-{number}").update(date_started=ended, date_done=ended)
    with psycopg.connect(database, autocommit=True) as connection:
        odd = "UPDATE django_celery_results_taskresult SET {} WHERE task_id = %s"
        connection.execute(odd.format("date_done = 'infinity'"), ("odd-1",))
        connection.execute(odd.format("date_started = '-infinity'"), ("odd-2",))
        connection.execute(odd.format("date_done = '294276-12-31'"), ("odd-3",))
        connection.execute(odd.format("result = '[[['"), ("odd-4",))
    place = Place(tmp_path, database, broker_url="redis://127.0.0.1:1/0", celery={"settings": {}})
    inventory = place.inventory()
    [entry] = [one for one in inventory["entries"] if one["name"] == "options"]
    assert entry["history"]["succeeded"] == 6
    assert place.bailey("generate").returncode in (0, 1)
    shadowed = place.bailey("shadow", "--from-history", "d__options")
    said = shadowed.stdout + shadowed.stderr
    assert shadowed.returncode in (0, 1), said
    # Two ended at no time that can be told; the other four are there.
    assert "2 records cannot be read" in said and "4 " in said, said


def test_its_entries_are_those_of_a_source_that_moves_and_a_file_has_the_gate_that_asks_its_switch(
    database: str, tmp_path: Path
) -> None:
    place = Place(tmp_path, database, broker_url="redis://127.0.0.1:1/0", celery={"settings": {}})
    place.inventory()
    plan = json.loads(place.bailey("plan", "--json").stdout)
    assert not [one for one in plan["findings"] if one["code"] == "BLY093"]
    verdicts = {one["id"]: one["verdict"] for one in plan["entries"]}
    assert verdicts["d/options"] == "migrate" and verdicts["d/sun"] == verdicts["d/once"] == "unsupported"
    assert place.bailey("generate").returncode == 0
    [file] = tmp_path.rglob("d__options.py")
    text = file.read_text(encoding="utf-8")
    assert "from bailey_runtime.django_gate import DjangoBeatGate" in text and "gate = DjangoBeatGate(" in text
    connections = next(tmp_path.rglob("bailey-connections.txt")).read_text(encoding="utf-8")
    assert "bailey_d_schedule: " in connections and "bailey_d: " in connections
    done = place.bailey("cutover", "d__options")
    assert done.returncode == 1 and "Nothing was changed" in done.stdout + done.stderr, done.stdout + done.stderr


def test_what_keeps_it_from_being_read_is_said(database: str, tmp_path: Path) -> None:
    def refusal(name: str, url: str) -> str:
        done = Place(tmp_path / name, url).bailey("import")
        assert done.returncode != 0 and "0 found" not in done.stdout, done.stdout
        return done.stdout + done.stderr

    for name in ("other", "schema", "rights"):
        tmp_path.joinpath(name).mkdir()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE DATABASE empty")
        connection.execute("CREATE ROLE nobody LOGIN")
    assert f"has no table {TASK}" in refusal("other", database.rsplit("/", 1)[0] + "/empty")
    assert "?schema=public" in refusal("schema", database + "?schema=elsewhere")
    refused = refusal("rights", database.replace("postgres@", "nobody@"))
    assert "permission denied" in refused or "may not" in refused, refused
