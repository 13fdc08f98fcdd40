"""The DAG files benchmark: measure.py BAILEY PYTHON_WITH_DAG_FACTORY PYTHON_WITH_ORBITER [COUNT].

Parse times are of one run, the tools' files in turns; dag-factory's files are read by its loader, Orbiter's as it writes them.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from same_dags import RETRIES, RETRY_SECONDS, TIMEOUT_SECONDS, ZONE, dag

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "import"))

from measure import add_entries, redis_server  # noqa: E402

DAGS = 20
ROUNDS = 10
LIMIT_SECONDS = 10


def workspace(folder: Path, url: str) -> Path:
    folder.mkdir()
    settings = {
        "version": 1,
        "sources": {"s": {"kind": "redbeat", "celery": {"settings": {}}, "url": url}},
        "target": {"airflow": {"version": "3"}},
    }
    (folder / "bailey.yaml").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def mapping(number: int) -> dict[str, Any]:
    wanted = dag(number)
    tasks: dict[str, Any] = {}
    for name, command in wanted["tasks"]:
        tasks[name] = {
            "command": command.split(),
            "retries": RETRIES,
            "retry_delay": RETRY_SECONDS,
            "timeout": TIMEOUT_SECONDS,
            "after": list(tasks)[-1:],
        }
    return {
        "pipeline": wanted["id"],
        "description": wanted["text"],
        "owner": wanted["owner"],
        "tags": wanted["tags"],
        "schedule": {"crontab": wanted["cron"], "timezone": ZONE},
        "tasks": tasks,
    }


def by_bailey(bailey: str, folder: Path, url: str, words: list[str]) -> Path:
    work = workspace(folder, url)
    (work / "mappings").mkdir()
    for number in range(DAGS):
        made = mapping(number)
        (work / "mappings" / f"{made['pipeline']}.yaml").write_text(json.dumps(made), encoding="utf-8")
    for command in (["import"], ["generate", *words]):
        subprocess.run([bailey, *command], cwd=work, check=True, stdout=subprocess.DEVNULL)
    return work / "dags"


def by_dag_factory(folder: Path) -> Path:
    folder.mkdir()
    for number in range(DAGS):
        wanted = dag(number)
        config = {
            wanted["id"]: {
                "default_args": {
                    "owner": wanted["owner"],
                    "start_date": "2024-01-01",
                    "retries": RETRIES,
                    "retry_delay_sec": RETRY_SECONDS,
                    "execution_timeout_secs": TIMEOUT_SECONDS,
                },
                "timezone": ZONE,
                "schedule": wanted["cron"],
                "catchup": False,
                "tags": wanted["tags"],
                "doc_md": wanted["text"],
                "tasks": [
                    {
                        "task_id": name,
                        "operator": "airflow.providers.standard.operators.bash.BashOperator",
                        "bash_command": command,
                        "dependencies": [wanted["tasks"][step - 1][0]] if step else [],
                    }
                    for step, (name, command) in enumerate(wanted["tasks"])
                ],
            }
        }
        place = folder / f"{wanted['id']}.yaml"
        place.write_text(json.dumps(config, indent=2), encoding="utf-8")
        loader = (
            "# airflow DAG\nfrom dagfactory import load_yaml_dags\n\n"
            f'load_yaml_dags(globals_dict=globals(), config_filepath="{place}")\n'
        )
        place.with_suffix(".py").write_text(loader, encoding="utf-8")
    return folder


def by_orbiter(python: str, folder: Path) -> Path:
    folder.mkdir()
    subprocess.run(
        [python, HERE / "by_orbiter.py", folder, str(DAGS)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(HERE)},
    )
    return folder / "dags"


def parse_times(python: str, folders: dict[str, Path], place: Path) -> dict[str, list[float]]:
    files = {
        tool: [str(folder / f"pipeline_{number}.py") for number in range(DAGS)] for tool, folder in folders.items()
    }
    out = place / "parsed.json"
    subprocess.run(
        [python, HERE / "parse.py", str(ROUNDS), str(out)],
        input=json.dumps(files),
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
        env={
            # Without compiled modules it would be Python's compiler that is measured.
            **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            "PYTHONPATH": str(ROOT / "shadow"),
            "AIRFLOW_HOME": str(place / "home"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "shadow" / "plugins"),
            "DO_NOT_TRACK": "true",
        },
    )
    return json.loads(out.read_text())


def generation(bailey: str, folder: Path, url: str, count: int) -> tuple[float, float]:
    """Seconds for writing all files, and for finding that nothing changes."""
    work = workspace(folder, url)
    add_entries(url, 0, count)
    subprocess.run([bailey, "import"], cwd=work, check=True, stdout=subprocess.DEVNULL)
    took = []
    for _ in range(2):
        began = time.perf_counter()
        subprocess.run([bailey, "generate"], cwd=work, check=True, stdout=subprocess.DEVNULL)
        took.append(time.perf_counter() - began)
    written = len(list((work / "dags").glob("*.py")))
    if written != count:
        raise SystemExit(f"{written} files instead of {count}")
    return took[0], took[1]


def main() -> None:
    bailey, dag_factory, orbiter = (str(Path(word).absolute()) for word in sys.argv[1:4])
    count = int(sys.argv[4]) if len(sys.argv) > 4 else 10_000
    with tempfile.TemporaryDirectory() as name, redis_server(Path(name)) as url:
        place = Path(name)
        empty = url.removesuffix("/0") + "/1"
        folders = {
            "bailey, gated": by_bailey(bailey, place / "gated", empty, []),
            "bailey, ungated": by_bailey(bailey, place / "ungated", empty, ["--ungated"]),
            "dag-factory 1.1.0": by_dag_factory(place / "dag-factory"),
            "orbiter 1.10.5": by_orbiter(orbiter, place / "orbiter"),
        }
        times = parse_times(dag_factory, folders, place)
        print(
            f"milliseconds of CPU to parse and serialise a file in Airflow 3.3.2, {ROUNDS} x {DAGS} files of {len(dag(0)['tasks'])} tasks"
        )
        medians = {tool: statistics.median(found) for tool, found in times.items()}
        for tool, median in medians.items():
            rest = ", ".join(
                f"{median / other:.2f} of {peer}"
                for peer, other in medians.items()
                if peer[0] != "b" and tool[0] == "b"
            )
            print(f"  {tool:18} median {median:7.1f} ms" + (f"   {rest} (wanted: at most 1)" if rest else ""))
        first, second = generation(bailey, place / "many", url, count)
        print(f"bailey generate, {count:,} files: {first:.2f} s; again, with nothing to change: {second:.2f} s", end="")
        print(f" (wanted: under {LIMIT_SECONDS})")


if __name__ == "__main__":
    main()
