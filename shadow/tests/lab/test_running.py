"""What a running laboratory shows: entries, results of the real worker, finished jobs."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import psycopg
import redis
from commands import Lab, wait_until

from lab import work

STATIC = {
    "retrain-models-daily": "company.ml.retrain_models",
    "update-feature-store": "company.ml.update_feature_store",
    "cleanup-old-experiments": "company.ml.cleanup_old_experiments",
    "check-model-drift": "company.ml.check_model_drift",
    "retrain-underperforming": "company.ml.retrain_underperforming",
    "heartbeat-metrics": "company.ops.heartbeat_metrics",
    "refresh-cache": "company.ops.refresh_cache",
    "score-sample": "company.ml.score_sample",
}
ODD = 'отчёт "за неделю" для O\'Neil & co.'
DYNAMIC = {"yearly-archive", "drift-on-mondays-and-fridays", ODD, "sync-clicks"}


def client(lab: Lab) -> redis.Redis:
    return redis.Redis.from_url(lab.record.redis_url, decode_responses=True)


def definition(lab: Lab, name: str) -> dict[str, Any]:
    return json.loads(client(lab).hget(f"redbeat:{name}", "definition"))


def results(lab: Lab) -> dict[str, list[dict[str, Any]]]:
    """The successful runs in the result store, by task."""
    connection = client(lab)
    found: dict[str, list[dict[str, Any]]] = {}
    for key in connection.scan_iter("celery-task-meta-*"):
        run = json.loads(connection.get(key))
        if run["status"] == "SUCCESS":
            found.setdefault(run["name"], []).append(run)
    return found


def jobs(lab: Lab, columns: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(lab.record.postgres_url, options="-c timezone=UTC") as connection:
        return connection.execute(f"SELECT {columns} FROM tasks.background_jobs").fetchall()


def test_every_entry_is_in_redis(running: Lab) -> None:
    connection = client(running)
    assert connection.smembers("redbeat::statics") == set(STATIC)
    assert set(connection.zrange("redbeat::schedule", 0, -1)) == {f"redbeat:{name}" for name in {*STATIC, *DYNAMIC}}
    for name, task in STATIC.items():
        assert definition(running, name)["task"] == task


def test_the_odd_entries_are_as_meant(running: Lab) -> None:
    assert definition(running, "yearly-archive")["enabled"] is False
    rule = definition(running, "drift-on-mondays-and-fridays")["schedule"]
    assert (rule["__type__"], rule["freq"], rule["byweekday"]) == ("rrule", 2, [0, 4])
    assert definition(running, "sync-clicks")["schedule"] == {"__type__": "interval", "every": 90.0, "relative": False}
    assert definition(running, ODD)["name"] == ODD
    drift = definition(running, "check-model-drift")["schedule"]
    assert (drift["minute"], drift["hour"]) == (30, "*")


def test_the_worker_runs_every_static_entry(running: Lab) -> None:
    wait_until("a successful run of each task", lambda: set(STATIC.values()) <= set(results(running)))
    runs = results(running)
    trained = runs["company.ml.retrain_models"][0]["result"]["trained"]
    assert [model["model"] for model in trained] == ["churn", "fraud", "ranking"]
    cached = runs["company.ops.refresh_cache"][0]
    assert cached["kwargs"] == definition(running, "refresh-cache")["kwargs"]
    for mark in ('"', "{{ user.name }}", "\n", "уважением"):
        assert mark in cached["kwargs"]["template"]
    assert cached["result"] == work.refresh_cache(*cached["args"], **cached["kwargs"])


def test_noise_is_where_it_was_planted(running: Lab) -> None:
    noisy = ("company.ops.heartbeat_metrics", "company.ml.score_sample")
    wait_until("three runs of both", lambda: all(len(results(running).get(task, [])) >= 3 for task in noisy))
    beats, scores = ([run["result"] for run in results(running)[task]] for task in noisy)
    assert len({json.dumps(beat["counts"], sort_keys=True) for beat in beats}) == 1
    assert len({beat["nonce"] for beat in beats}) == len(beats) == len({beat["measured_at"] for beat in beats})
    values = [score["score"] for score in scores]
    assert len(set(values)) > 1
    assert max(values) - min(values) < 1e-9


def test_jobs_end_as_their_type_says(running: Lab) -> None:
    wait_until("a job that failed for good", lambda: ("failed",) in jobs(running, "status"))
    rows = jobs(running, "job_type, job_data, status, retry_count, max_retries, completed_at, next_retry_at > now()")
    assert sum(row[5] is not None for row in rows) >= 40
    assert {row[0] for row in rows if row[2] == "completed"} == {"export_data", "send_email", "generate_report"}
    assert any(row[2] == "completed" and row[3] == row[1]["busy_for"] == 1 for row in rows if "busy_for" in row[1])
    failed = [row for row in rows if row[2] == "failed"]
    assert all(row[0] == "generate_report" and row[1]["report"] == "unheard-of" and row[3] == row[4] for row in failed)
    assert sum(row[2] == "pending" and row[6] is True for row in rows) >= 3


def test_new_jobs_keep_coming(running: Lab) -> None:
    before = len(jobs(running, "id"))
    wait_until("two more jobs", lambda: len(jobs(running, "id")) >= before + 2, limit=20)


def test_each_run_with_effects_leaves_one_line(running: Lab) -> None:
    done = {row[0] for row in jobs(running, "job_id, status") if row[1] == "completed"}
    lines = (running.folder / "effects" / "effects.jsonl").read_text(encoding="utf-8").splitlines()
    effects = [json.loads(line) for line in lines]
    runs = [effect["id"] for effect in effects]
    assert len(runs) == len(set(runs))
    assert done <= set(runs)
    assert not {effect["task"] for effect in effects} & {"heartbeat_metrics", "refresh_cache", "score_sample"}
    mails = list((running.folder / "effects" / "mail").glob("*.eml"))
    assert len(mails) >= sum(job.startswith("send_email") for job in done) > 0


def test_up_again_changes_nothing(running: Lab) -> None:
    before = running.record
    again = running.run("up")
    assert again.returncode == 0
    assert "running already" in again.stderr
    assert running.record == before


def test_status_and_env(running: Lab) -> None:
    status = running.run("status")
    assert status.returncode == 0
    assert status.stdout.count("running") == len(running.record.pids) == 5
    names = ("BAILEY_LAB_REDIS_URL", "BAILEY_LAB_POSTGRES_URL", "BAILEY_LAB_EFFECTS")
    code = f"import lab.work, os; print(*map(os.getenv, {names!r}))"
    script = running.run("env").stdout + f'PYTHONPATH="$BAILEY_LAB_PYTHONPATH" "$BAILEY_LAB_PYTHON" -c "{code}"'
    shown = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    record = running.record
    assert shown.split() == [record.redis_url, record.postgres_url, record.effects]
