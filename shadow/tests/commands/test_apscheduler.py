"""`kind: apscheduler`: the jobs that the real APScheduler 3 keeps in PostgreSQL, whose pickles stay closed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from finding import bailey, database, discovered, imported


def test_names_and_next_runs_are_read_and_no_pickle(postgres: str, tmp_path: Path) -> None:
    url = database(postgres, "apscheduler", "CREATE ROLE narrow LOGIN", "CREATE SCHEMA app")
    store = SQLAlchemyJobStore(url=url.replace("postgresql://", "postgresql+psycopg://"), tableschema="app")
    scheduler = BackgroundScheduler(jobstores={"default": store}, timezone=UTC)
    scheduler.start(paused=True)
    try:
        scheduler.add_job(print, "cron", hour=2, id="nightly", args=["secret-of-the-job"])
        scheduler.add_job(print, "interval", minutes=5, id="often")
        scheduler.add_job(print, "date", run_date=datetime(2030, 1, 1, tzinfo=UTC), id="once")
        scheduler.pause_job("often")
        told = {job.id: job.next_run_time for job in scheduler.get_jobs()}
    finally:
        scheduler.shutdown()
    with psycopg.connect(url, autocommit=True) as connection:
        # Whoever reads it needs no right to the pickles.
        connection.execute("GRANT USAGE ON SCHEMA app TO narrow")
        connection.execute("GRANT SELECT (id, next_run_time) ON app.apscheduler_jobs TO narrow")
    found = discovered(tmp_path, url)
    (one,) = [system for system in found["systems"] if system["kind"]]
    assert (one["kind"], one["place"], one["outlook"]) == ("apscheduler", "app.apscheduler_jobs", "read-only")
    found["settings"] = found["settings"].replace("postgres@", "narrow@")
    inventory = imported(tmp_path, found)
    entries = {entry["name"]: entry for entry in inventory["entries"]}
    assert set(entries) == set(told)
    for name, due in told.items():
        assert entries[name]["enabled"] == (due is not None)
        read = entries[name]["options"]["next_run"]
        assert (read and datetime.fromisoformat(read)) == due
    assert "secret-of-the-job" not in json.dumps(inventory)
    plan = json.loads(bailey(tmp_path, "plan", "--json").stdout)
    assert {entry["verdict"] for entry in plan["entries"]} == {"unsupported"}
    assert all("pickle" in entry["reason"] for entry in plan["entries"])
    (pipeline, *_) = [pipeline["id"] for pipeline in plan["pipelines"]]
    refused = bailey(tmp_path, "cutover", pipeline)
    assert refused.returncode == 2 and "pause_job" in refused.stderr, refused.stderr
