"""What the company's tasks do: they take their time, and return what follows from their arguments.

Every function takes and returns JSON values, so that it is the same in a Celery task, in an Airflow task and in a bare interpreter.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from typing import Any

JSONObject = dict[str, Any]

# Minutes, as the company says; `prepare` and `validate` are new with the DAG, and our reckoning: with them the night is its 60 minutes.
MINUTES = {
    "classifier": 15,
    "regressor": 20,
    "embeddings": 10,
    "evaluate": 10,
    "register": 2,
    "features": 10,
    "drift": 5,
    "cleanup": 5,
    "prepare": 5,
    "validate": 3,
    "postgresql": 30,
    "github": 120,
    "its": 60,
    "merge": 15,
    "filter": 10,
    "split": 5,
    "jsonl": 20,
    "parquet": 20,
    "upload": 30,
    "check": 5,
}
MODELS = ("classifier", "regressor", "embeddings")
# What is done by hand today, one after another; Parquet and the check at the end are new.
BY_HAND = ("postgresql", "github", "its", "merge", "filter", "split", "jsonl", "upload")


# The night


def retrain_models() -> JSONObject:
    """As today: three trainings one after another, then the evaluation, then the registry."""
    began = time.monotonic()
    trained = [train(model) for model in MODELS]
    print(f"trainings: {time.monotonic() - began:.2f} s one after another", flush=True)
    return register(evaluate(trained))


def update_feature_store() -> JSONObject:
    """Copies new rows into the feature store."""
    _work("features")
    return {"rows": {table: _number(table) for table in ("users", "orders", "clicks")}}


def check_drift() -> JSONObject:
    """Looks how far the data has moved: high means that every model is to be trained."""
    _work("drift")
    return {"level": os.environ.get("FIRST_DRIFT", "high"), "drift": {model: _number(model) / 1000 for model in MODELS}}


def cleanup_experiments() -> JSONObject:
    """Removes old experiments."""
    _work("cleanup")
    return {"removed": [f"exp-{age:03d}" for age in range(31, 34)]}


def retrain_underperforming() -> JSONObject:
    """Trains the models that are weak, of which there are none."""
    return {"retrained": [], "checked": len(MODELS)}


def prepare() -> JSONObject:
    """Makes the training set."""
    _work("prepare")
    return {"rows": _number("training set")}


def validate(rows: int) -> JSONObject:
    """Looks whether the training set may be trained on."""
    _work("validate")
    if rows <= 0:
        raise ValueError("the training set is empty")
    return {"rows": rows, "valid": True}


def train(model: str) -> JSONObject:
    """Trains one model."""
    _work(model)
    return {"model": model, "accuracy": 0.9 + _number(model) % 90 / 1000, "version": _digest(model)[:8]}


def evaluate(trained: list[JSONObject | None]) -> JSONObject:
    """Measures what was trained; a training that was skipped is none."""
    _work("evaluate")
    found = [one for one in trained if one]
    return {"models": [one["model"] for one in found], "accuracy": min(one["accuracy"] for one in found)}


def register(evaluated: JSONObject) -> JSONObject:
    """Writes the versions into the registry."""
    _work("register")
    return {"registered": evaluated["models"], "accuracy": evaluated["accuracy"]}


def tell(pipeline: str, tick: str) -> JSONObject:
    """Says that a run is over, in the task's log."""
    print(f"{pipeline}: the run of {tick} is over", flush=True)
    return {"told": True}


# The data set


def collect(source: str) -> JSONObject:
    """Collects from one source."""
    _work(source)
    return {"source": source, "files": _number(source)}


def merge(parts: list[JSONObject]) -> JSONObject:
    """Puts what was collected together."""
    _work("merge")
    return {"files": sum(part["files"] for part in parts)}


def step(name: str, files: int) -> JSONObject:
    """A step between the merge and the upload: filter, split, one of the two forms, the check."""
    _work(name)
    return {"step": name, "files": files}


def by_hand() -> JSONObject:
    """The data set as it is made today: one step after another, by a person at a terminal."""
    began = time.monotonic()
    for name in BY_HAND:
        _work(name)
    return {"steps": list(BY_HAND), "seconds": round(time.monotonic() - began, 2)}


# The sync, and the whole night


def compare_stores(loaded: int, stores: list[JSONObject]) -> JSONObject:
    """Whether each store has what was loaded."""
    wrong = [store for store in stores if store["received"] != loaded]
    if wrong:
        raise ValueError(f"{loaded} rows were loaded, and a store has others: {json.dumps(wrong)}")
    return {"rows": loaded, "stores": len(stores)}


def quality(rows: int) -> JSONObject:
    """The score of a night's data."""
    return {"score": 0.5 if rows <= 0 else 0.93}


def old_logs(days: int) -> JSONObject:
    """Counts the logs that are older: there is nothing to remove in a laboratory."""
    return {"older_than_days": days, "removed": 0}


# Inside


def _work(name: str) -> None:
    time.sleep(MINUTES[name] * 60.0 / float(os.environ.get("LAB_SPEED", "100")))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _number(seed: str) -> int:
    """A number that looks measured and is the same for the same seed."""
    return 1_000 + int(_digest(seed)[:8], 16) % 89_000


if __name__ == "__main__":
    print(json.dumps(by_hand()))
