"""Rows by which queues put jobs in line again and again: entries of their own, with exact times or the reason why there are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cases import CASES
from test_profiles import bailey, made, settle

PG_BOSS = """CREATE TABLE pgboss.schedule (name text, key text NOT NULL DEFAULT '', cron text NOT NULL, timezone text, data jsonb, options jsonb,
    created_on timestamptz NOT NULL DEFAULT now(), updated_on timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (name, key))"""
SOLID_QUEUE = """CREATE TABLE solid_queue_recurring_tasks (id bigserial PRIMARY KEY, key varchar NOT NULL UNIQUE, schedule varchar NOT NULL,
    command varchar(2048), class_name varchar, arguments text, queue_name varchar, priority integer DEFAULT 0, static boolean DEFAULT true NOT NULL,
    description text, created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now())"""
DJANGO_Q = "INSERT INTO django_q_schedule (func, name, schedule_type, repeats, next_run, minutes, cron) VALUES (%s)"
CRON = {"__type__": "cron", "dialect": "croniter"}


def interval(seconds: int) -> dict[str, Any]:
    return {"__type__": "interval", "every": seconds, "relative": False}


# What is done beside the case's own rows, and the entries by name: the schedule (None where nobody can tell it), the zone, whether it is enabled.
RECURRING: dict[str, tuple[tuple[str, ...], dict[str, tuple[Any, Any, bool]]]] = {
    "pgqueuer": (
        ("UPDATE pgqueuer_schedules SET next_run = '9999-12-31 00:00Z' WHERE entrypoint = 'bad'",),
        {
            "nightly 0 2 * * *": (CRON | {"expression": "0 2 * * *"}, "UTC", True),
            "every10s * * * * * */10": (CRON | {"expression": "* * * * * */10"}, "UTC", True),
            "slow_sched * * * * * */5": (CRON | {"expression": "* * * * * */5"}, "UTC", True),
            "heartbeat * * * * *": (CRON | {"expression": "* * * * *"}, "UTC", True),
            "bad */1 * * * *": (CRON | {"expression": "*/1 * * * *"}, "UTC", False),
        },
    ),
    "pg_boss": (
        (PG_BOSS, "INSERT INTO pgboss.schedule (name, key, cron, timezone) VALUES ('mail', '', '0 3 * * *', 'UTC'), ('mail', 'eu', '30 2 * * *', 'Europe/Berlin')"),
        {"mail": (CRON | {"expression": "0 3 * * *"}, "UTC", True), "mail eu": (None, None, True)},
    ),
    "solid_queue": (
        (SOLID_QUEUE, "INSERT INTO solid_queue_recurring_tasks (key, schedule, class_name) VALUES ('tidy', 'every 5 minutes', 'TidyJob'), ('odd', 'every other friday', 'OddJob')"),
        {"tidy": (CRON | {"expression": "*/5 * * * *"}, None, True), "odd": (None, None, True)},
    ),
    "django_q2": (
        (
            DJANGO_Q % "'app.a', 'a', 'I', -1, '2030-01-01 00:00:00.5Z', 15, NULL",
            DJANGO_Q % "'app.b', NULL, 'D', 3, '2030-01-01 02:30Z', NULL, NULL",
            DJANGO_Q % "'app.c', '', 'C', -1, '2030-01-01Z', NULL, '0 4 * * 1'",
            DJANGO_Q % "'app.d', 'd', 'O', -1, '2030-01-01Z', NULL, NULL",
        ),
        {
            "a 1": (interval(900), "UTC", True),
            "app.b 2": (CRON | {"expression": "30 2 * * *"}, None, True),
            "app.c 3": (CRON | {"expression": "0 4 * * 1"}, None, True),
            "d 4": (None, None, True),
        },
    ),
    "graphile_worker": (
        ("INSERT INTO graphile_worker._private_known_crontabs VALUES ('tidy', now(), now())",),
        {"tidy": (None, None, True)},
    ),
    "procrastinate": ((), {"heartbeat": (None, None, True), "every10s": (None, None, True)}),
}  # fmt: skip


@pytest.mark.parametrize("name", RECURRING)
def test_rows_that_recur_are_entries_beside_the_job_types(name: str, cluster_url: str, tmp_path: Path) -> None:
    url = made(cluster_url, name)
    more, meant = RECURRING[name]
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in more:
            connection.execute(statement)
    settle(tmp_path, url, profile=name, table=CASES[name].table)
    done = bailey(tmp_path, "import", "--json")
    assert done.returncode == 0, done.stderr
    inventory = json.loads(done.stdout)
    entries = [one for one in inventory["entries"] if one["kind"] == "recurring-job"]
    found = {
        one["name"].removeprefix("schedule:"): (one["schedule"], one["timezone"], one["enabled"]) for one in entries
    }
    assert found == meant
    assert len(inventory["entries"]) + len(inventory["unread"]) == inventory["sources"][0]["found"]
    plan = json.loads(bailey(tmp_path, "plan", "--json").stdout)
    verdicts = {one["id"]: (one["verdict"], one["reason"]) for one in plan["entries"]}
    for key, (schedule, _, _) in meant.items():
        verdict, reason = verdicts[f"q/schedule:{key}"]
        assert verdict == ("unsupported" if schedule is None else "migrate"), (key, verdict, reason)
        assert schedule is not None or reason, key
    # No switch moves them, and a DAG of theirs fails until a mapping says what runs.
    pipeline = next(one["id"] for one in plan["pipelines"] if any("schedule:" in entry for entry in one["entries"]))
    refused = bailey(tmp_path, "cutover", pipeline, "--execute", "--override", "a test", "--reason", "it must refuse")
    assert refused.returncode not in (0, 70), refused.stdout
    # Where the table is not there, nothing recurs.
    if name == "pgqueuer":
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP TABLE pgqueuer_schedules")
        inventory = json.loads(bailey(tmp_path, "import", "--json").stdout)
        assert all(one["kind"] == "job-type" for one in inventory["entries"])
