"""Parses files as Airflow's DAG processor does (`parse.py ROUNDS OUT`, the files by tool as JSON on standard input).

Its own modules, plugins, and Airflow's modules that a file names are imported before, as a running DAG processor has them, and each
file is parsed and serialised in a fork of its own.
Writes the milliseconds of CPU of every parse, by tool, to OUT; Airflow's messages go to standard output.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from pathlib import Path

import airflow.dag_processing.manager  # noqa: F401
from airflow.dag_processing.dagbag import DagBag
from airflow.listeners.listener import get_listener_manager
from airflow.serialization.serialized_objects import DagSerialization
from airflow.utils.file import iter_airflow_imports


def main() -> None:
    """Every file of every tool, in turns, so that what else the machine does weighs on all alike."""
    rounds, out = int(sys.argv[1]), Path(sys.argv[2])
    files: dict[str, list[str]] = json.load(sys.stdin)
    # A job that starts tells its listeners, which are plugins; then the processor spares its children the collection of what it holds.
    get_listener_manager()
    gc.freeze()
    for paths in files.values():
        for path in paths:
            for module in iter_airflow_imports(path):
                importlib.import_module(module)
    for path in [paths[0] for paths in files.values()]:
        # Modules are compiled the first time.
        in_a_fork(path)
    seconds: dict[str, list[float]] = {tool: [] for tool in files}
    for _ in range(rounds):
        for one_of_each in zip(*files.values()):
            for tool, path in zip(files, one_of_each):
                seconds[tool].append(in_a_fork(path))
    out.write_text(json.dumps({tool: [1000 * one for one in measured] for tool, measured in seconds.items()}))


def in_a_fork(path: str) -> float:
    """Seconds for one file; fails unless it holds the DAG that it is named after, with every task."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            began = time.process_time()
            bag = DagBag(dag_folder=path)
            tasks = [len(DagSerialization.to_dict(dag)["dag"]["tasks"]) for dag in bag.dags.values()]
            took = time.process_time() - began
            os.write(writer, json.dumps([took, bag.import_errors, tasks]).encode()[:60_000])
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        text = answer.read()
    os.waitpid(child, 0)
    took, errors, tasks = json.loads(text)
    if errors or len(tasks) != 1 or tasks[0] < 5:
        raise SystemExit(f"{path}: {errors or tasks}")
    return took


if __name__ == "__main__":
    main()
