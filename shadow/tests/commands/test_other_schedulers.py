"""pg_cron, crontabs and manifests as sources: read, planned, generated, observed; never moved by themselves."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from finding import bailey, discovered, imported

from testing.postgres import cluster
from testing.server import wait_until

SETTINGS = """version: 1
sources:
  cron: {{kind: crontab, files: [crontab], timezone: Europe/Berlin}}
  cluster: {{kind: kubernetes, files: manifests}}
  jobs: {{kind: pg_cron, url: "${{DATABASE}}"}}
policy: {{compared_ticks: 1}}
target:
  airflow: {{version: "3", dags_folder: dags}}
"""
MANIFEST = """apiVersion: batch/v1
kind: CronJob
metadata: {name: report}
spec: {schedule: "0 4 * * *", timeZone: UTC, jobTemplate: {spec: {template: {spec: {containers: [{name: c, image: "report:1"}]}}}}}
"""


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """A server with pg_cron at work, in which jobs begin and fail."""
    settings = ("shared_preload_libraries=pg_cron", "cron.database_name=postgres", "cron.use_background_workers=on")
    with cluster(*settings, "max_worker_processes=20") as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION pg_cron")
            for name, schedule, command in (
                (
                    "works",
                    "* * * * *",
                    "CREATE TABLE IF NOT EXISTS ran (at timestamptz); INSERT INTO ran VALUES (now())",
                ),
                ("fails", "* * * * *", "SELECT 1/0"),
                ("sixth", "0 0 * * * *", "SELECT dblink('password=hidden-word')"),
                ("empty", "5-1 * * * *", "SELECT 1"),
                ("off", "*/5 * * * *", "VACUUM"),
            ):
                connection.execute("SELECT cron.schedule(%s, %s, %s)", (name, schedule, command))
            connection.execute("SELECT cron.alter_job(jobid, active := false) FROM cron.job WHERE jobname = 'off'")
            connection.execute("CREATE ROLE reader LOGIN")
            connection.execute("GRANT USAGE ON SCHEMA cron TO reader")
            connection.execute("GRANT SELECT ON cron.job, cron.job_run_details TO reader")
        yield url


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "mappings").mkdir()
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests/report.yaml").write_text(MANIFEST, encoding="utf-8")
    (tmp_path / "crontab").write_text("30 2 * * * /opt/nightly.sh\n", encoding="utf-8")
    (tmp_path / "bailey.yaml").write_text(SETTINGS.format(), encoding="utf-8")
    return tmp_path


def run(folder: Path, database: str, *words: str, status: int = 0) -> Any:
    done = bailey(folder, *words, "--json", DATABASE=database)
    assert done.returncode == status, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "hidden-word" not in done.stdout + done.stderr
    return json.loads(done.stdout) if done.stdout else done.stderr


def test_three_schedulers_are_one_inventory_and_move_by_hand_alone(database: str, workspace: Path) -> None:
    found = run(workspace, database, "import")
    entries = {f"{one['source']}/{one['name']}": one for one in found["entries"]}
    nightly = next(name for name in entries if name.startswith("cron/nightly.sh-"))
    assert sorted(entries) == sorted(["cluster/report", nightly, "jobs/fails", "jobs/off", "jobs/sixth", "jobs/works"])
    assert [(one["source"], one["reason"]) for one in found["unread"]] == [("jobs", "bad-cron")]
    assert not entries["jobs/off"]["enabled"] and entries["jobs/works"]["enabled"]
    assert entries["jobs/works"]["schedule"] == {"__type__": "cron", "dialect": "pg_cron", "expression": "* * * * *"}

    plan = run(workspace, database, "plan")
    codes = {(one["code"], one["entry"]) for one in plan["findings"]}
    assert {
        ("BLY049", "jobs/sixth"),
        ("BLY048", "jobs/sixth"),
        ("BLY016", nightly),
        ("BLY037", "cluster/report"),
    } <= codes
    assert {one["verdict"] for one in plan["entries"]} == {"migrate"}

    run(workspace, database, "generate")
    works = (workspace / "dags/jobs__works.py").read_text(encoding="utf-8")
    assert "switched=False" in works and "INSERT INTO ran" in works and 'connection="jobs_postgres"' in works
    assert "hidden-word" not in (workspace / "dags/jobs__sixth.py").read_text(encoding="utf-8")
    assert "bailey_jobs" not in (workspace / "dags/bailey-connections.txt").read_text(encoding="utf-8")

    for pipeline, step in (
        ("jobs__works", "cron.alter_job("),
        (nightly.replace("/", "__"), "comment crontab:1 out"),
        ("cluster__report", "suspend: true"),
    ):
        for more in ((), ("--execute",)):
            said = run(workspace, database, "cutover", pipeline, *more, status=2)
            assert "by hand" in str(said) and step in str(said), said
        # Whether a person has moved it nobody knows, so that nothing is said of whose it is.
        back = run(workspace, database, "rollback", pipeline, status=2)
        assert "no switch says" in str(back) and "pause its DAG" in str(back), back
        ungated = bailey(workspace, "generate", "--ungated", pipeline, DATABASE=database)
        assert ungated.returncode == 0 and step in ungated.stderr, ungated.stderr
    # An inactive job runs nowhere, so that there is nothing to be done before.
    assert "alter_job" not in bailey(workspace, "generate", "--ungated", "jobs__off", DATABASE=database).stderr
    owners = {one["id"]: one for one in run(workspace, database, "status")["pipelines"]}
    assert "cron keeps no record of runs" in json.dumps(owners[nightly.replace("/", "__")])


def test_a_run_is_seen_as_it_ends(database: str, workspace: Path) -> None:
    """A row is written when a run begins, and again when it ends, as pg_cron does."""
    run(workspace, database, "import")
    begin = "INSERT INTO cron.job_run_details (jobid, runid, command, status, start_time) SELECT jobid, nextval('cron.runid_seq'), command, 'running', date_trunc('minute', now()) FROM cron.job WHERE jobname = 'off' RETURNING runid"
    with psycopg.connect(database, autocommit=True) as connection:
        row = connection.execute(begin).fetchone()
    assert row is not None

    def end() -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            sql = "UPDATE cron.job_run_details SET status = 'succeeded', return_message = 'VACUUM', end_time = now() WHERE runid = %s"
            connection.execute(sql, row)

    timer = threading.Timer(3, end)
    timer.start()
    try:
        seen = bailey(workspace, "shadow", "--for", "6s", "jobs__off", "--json", DATABASE=database)
    finally:
        timer.join()
    assert seen.returncode == 0, seen.stderr
    (row,) = run(workspace, database, "report", "jobs__off", "--all")["pipelines"]
    assert row["comparisons"][0]["legacy"]["state"] == "success", row
    assert row["comparisons"][0]["shadow"]["state"] == "observed"


def test_a_role_that_sees_its_own_jobs_alone_is_told_so(database: str, workspace: Path) -> None:
    found = run(workspace, database.replace("postgres@", "reader@"), "import", status=1)
    notes = {one["name"]: [note["code"] for note in one["notes"]] for one in found["sources"]}
    assert "BLY011" in notes["jobs"] and not any(one["source"] == "jobs" for one in found["entries"])
    doctor = bailey(workspace, "doctor", "--rights", DATABASE=database)
    assert "BYPASSRLS" in doctor.stdout, doctor.stdout + doctor.stderr


def test_what_discover_finds_an_import_reads(database: str, tmp_path: Path) -> None:
    (tmp_path / "my crontab").write_text("30 2 * * * /opt/nightly.sh\n", encoding="utf-8")
    found = discovered(tmp_path, "DATABASE", "--crontab", "my crontab", DATABASE=database)
    (one,) = [one for one in found["systems"] if one["kind"] == "pg_cron"]
    assert one["certainty"] == "certain" and one["amount"] == 5 and one["outlook"] == "read-only"
    assert {entry["source"] for entry in imported(tmp_path, found, DATABASE=database)["entries"]} == {
        "pg-cron",
        "crontab",
    }


def test_settings_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    for source, words in (
        ("{kind: crontab}", "needs “files”"),
        ("{kind: crontab, files: [x], url: y}", "“url” means nothing"),
        ("{kind: redbeat, url: 'redis://h', files: [x]}", "“files” means nothing"),
        ("{kind: kubernetes, files: [x], users: true}", "“users” means nothing"),
        ("{kind: pg_cron}", "“url” is missing"),
    ):
        (tmp_path / "bailey.yaml").write_text(f"version: 1\nsources:\n  s: {source}\n", encoding="utf-8")
        done = bailey(tmp_path, "plan")
        assert done.returncode == 2 and words in done.stderr, (source, done.stderr)


def test_runs_of_pg_cron_are_history_and_are_observed(database: str, workspace: Path) -> None:
    def ended() -> int:
        with psycopg.connect(database) as connection:
            sql = "SELECT count(DISTINCT jobname) FROM cron.job_run_details JOIN cron.job USING (jobid) WHERE end_time IS NOT NULL AND jobname IN ('works', 'fails')"
            row = connection.execute(sql).fetchone()
            return row[0] if row else 0

    wait_until("both jobs have run", lambda: ended() == 2, 90)
    with psycopg.connect(database, autocommit=True) as connection:
        lost = "INSERT INTO cron.job_run_details (jobid, runid, command, status, return_message, start_time) SELECT jobid, nextval('cron.runid_seq'), command, 'failed', 'job canceled', now() FROM cron.job WHERE jobname = 'works'"
        connection.execute(lost)
        counted = connection.execute(
            "SELECT count(*) FILTER (WHERE status = 'succeeded') FROM cron.job_run_details WHERE jobid = (SELECT jobid FROM cron.job WHERE jobname = 'works')"
        ).fetchone()
    assert counted is not None
    histories = {one["name"]: one["history"] for one in run(workspace, database, "import")["entries"]}
    # The run that was cut off counts neither way.
    assert histories["works"]["succeeded"] >= counted[0] and histories["works"]["failed"] == 0
    assert "cut off" in histories["works"]["caveats"][0]
    assert histories["fails"]["failed"] >= 1 and histories["fails"]["succeeded"] == 0

    with psycopg.connect(database, autocommit=True) as connection:
        before = connection.execute("SELECT count(*) FROM ran").fetchone()
    run(workspace, database, "shadow", "--from-history", "jobs__works", "jobs__fails")
    report = run(workspace, database, "report", "jobs__works", "--all")
    (row,) = report["pipelines"]
    assert row["id"] == "jobs__works" and row["not_enough_data"] >= 1 and row["mismatch"] == 0
    legacy = [one["legacy"] for one in row["comparisons"]]
    # A run is of the minute that it began in; what was cut off is no tick's.
    assert legacy and all(one["tick"].endswith(":00Z") and one["state"] == "success" for one in legacy)
    assert row["not_scheduled"] == 1
    with psycopg.connect(database, autocommit=True) as connection:
        after = connection.execute("SELECT count(*) FROM ran").fetchone()
    # What ran is legacy's alone: at most one more minute has passed.
    assert before is not None and after is not None and after[0] - before[0] <= 1
