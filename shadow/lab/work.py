"""What the company's scheduled work and background jobs do, without Celery and without a database.

Every function takes JSON values and returns a JSON value, so that it runs the same in a Celery task, in the queue's
worker and in a bare interpreter. A function that has effects writes them below the folder LAB_EFFECTS, or nowhere if
that is unset.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

JSONObject = dict[str, Any]

MINUTES_TO_TRAIN = {"churn": 15, "fraud": 20, "ranking": 10}
REPORTS = ("sales", "churn", "stock")

_run_id: ContextVar[str | None] = ContextVar("run_id", default=None)


@contextmanager
def running(run_id: str | None) -> Iterator[None]:
    """Effects inside the block are recorded as those of this run."""
    token = _run_id.set(run_id)
    try:
        yield
    finally:
        _run_id.reset(token)


# Scheduled work


def retrain_models(models: Sequence[str] = ("churn", "fraud", "ranking")) -> JSONObject:
    """Trains the models one after another: 15, 20 and 10 minutes at speed 1."""
    trained = []
    for model in models:
        _work(minutes=MINUTES_TO_TRAIN[model])
        trained.append({"model": model, "auc": _accuracy(model), "version": _digest(model)[:8]})
    _effect("retrain_models", {"models": list(models)})
    return {"trained": trained}


def update_feature_store(tables: Sequence[str] = ("users", "orders", "clicks")) -> JSONObject:
    """Copies the tables' new rows into the feature store; returns how many of each."""
    _work(minutes=3)
    _effect("update_feature_store", {"tables": list(tables)})
    return {"rows": {table: _number(table, 1_000, 90_000) for table in tables}}


def cleanup_old_experiments(older_than_days: int = 30) -> JSONObject:
    """Removes experiments older than a number of days; returns which."""
    _work(minutes=1)
    removed = [f"exp-{age:03d}" for age in range(older_than_days + 1, older_than_days + 4)]
    _effect("cleanup_old_experiments", {"older_than_days": older_than_days})
    return {"removed": removed, "kept": older_than_days}


def check_model_drift(threshold: float = 0.2) -> JSONObject:
    """Compares each model's inputs with those it was trained on. Has no effects."""
    _work(minutes=1)
    drift = {model: _number(model, 0, 400) / 1000 for model in MINUTES_TO_TRAIN}
    return {"drift": drift, "alerts": sorted(model for model, value in drift.items() if value > threshold)}


def retrain_underperforming(below: float = 0.8) -> JSONObject:
    """Trains the models whose accuracy is below a bound, and no other."""
    weak = [model for model in MINUTES_TO_TRAIN if _accuracy(model) < below]
    for model in weak:
        _work(minutes=MINUTES_TO_TRAIN[model])
    _effect("retrain_underperforming", {"below": below, "models": weak})
    return {"retrained": weak, "checked": len(MINUTES_TO_TRAIN)}


def heartbeat_metrics() -> JSONObject:
    """Counts, which are always the same, and a time and a nonce, which never are. Has no effects."""
    counts = {"models": len(MINUTES_TO_TRAIN), "reports": len(REPORTS), "users": _number("users", 1_000, 90_000)}
    return {"counts": counts, "measured_at": _now(), "nonce": uuid.uuid4().hex}


def refresh_cache(key: str, *, template: str = "", owner: str = "", limits: Sequence[int] = ()) -> JSONObject:
    """Renders a cached page; its result follows from its arguments alone. Has no effects."""
    page = json.dumps([key, template, owner, list(limits)], ensure_ascii=False)
    return {"key": key, "owner": owner, "lines": template.count("\n") + 1, "total": sum(limits), "etag": _digest(page)}


def score_sample(sample: Sequence[float]) -> JSONObject:
    """Scores a sample. The sum is taken in a random order, as on a GPU, so its last digits differ. Has no effects."""
    weights = [(value / 3.0) * (0.1 + index / 7.0) for index, value in enumerate(sample)]
    random.shuffle(weights)
    noise = 1.0 + random.uniform(-1e-12, 1e-12)
    return {"score": sum(weights) / len(weights) * noise, "count": len(weights)}


# Background jobs: each takes the job's `job_data`


def export_data(job_data: JSONObject) -> JSONObject:
    """Exports an organisation's rows. It cannot run in shadow: only one export may hold the warehouse's snapshot."""
    if os.environ.get("BAILEY_SHADOW") == "1":
        raise RuntimeError("the warehouse gives its export snapshot to the production worker only")
    _work(minutes=0.5)
    rows = _number(f"org-{job_data['org_id']}", 10, 5_000)
    _effect("export_data", job_data)
    return {"org_id": job_data["org_id"], "format": job_data["format"], "rows": rows}


def send_email(job_data: JSONObject) -> JSONObject:
    """Writes the message to `mail/<message id>.eml` below the folder of effects."""
    message = f"To: {job_data['to']}\nSubject: {job_data['template']}\n\nYour {job_data['template']} is ready.\n"
    message_id = _digest(json.dumps(job_data, sort_keys=True))[:16]
    folder = _effects_folder()
    if folder is not None:
        (folder / "mail").mkdir(exist_ok=True)
        (folder / "mail" / f"{message_id}.eml").write_text(message, encoding="utf-8")
    _effect("send_email", job_data)
    return {"message_id": message_id, "to": job_data["to"], "bytes": len(message.encode())}


def generate_report(job_data: JSONObject) -> JSONObject:
    """Makes a report of a period. A report that nobody defined fails at every attempt."""
    name = job_data["report"]
    if name not in REPORTS:
        raise ValueError(f"there is no report “{name}”; known: {', '.join(REPORTS)}")
    _work(minutes=1)
    _effect("generate_report", job_data)
    pages = _number(f"{name} {job_data['period']}", 2, 40)
    return {"report": name, "period": job_data["period"], "pages": pages}


# Inside


def _work(minutes: float) -> None:
    """Takes the time that so many minutes of real work take at LAB_SPEED (600 if unset)."""
    time.sleep(minutes * 60.0 / float(os.environ.get("LAB_SPEED", "600")))


def _effects_folder() -> Path | None:
    folder = os.environ.get("LAB_EFFECTS")
    return Path(folder) if folder else None


def _effect(task: str, args: JSONObject) -> None:
    """Appends one line to `effects.jsonl`, in one write, so that processes do not mix their lines."""
    folder = _effects_folder()
    if folder is None:
        return
    line = {"task": task, "args": args, "id": _run_id.get(), "pid": os.getpid(), "time": _now()}
    file = os.open(folder / "effects.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(file, (json.dumps(line, ensure_ascii=False) + "\n").encode())
    finally:
        os.close(file)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _number(seed: str, low: int, high: int) -> int:
    """A number that looks measured and is the same for the same seed."""
    return low + int(_digest(seed)[:8], 16) % (high - low)


def _accuracy(model: str) -> float:
    return round(0.7 + _number(model, 0, 2500) / 10_000, 4)
