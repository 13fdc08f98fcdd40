"""A whole run with planted secrets: none stands in what is printed, in a file, in the journal, or in a process's arguments."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis

from lab.processes import start, wait_for
from lab.record import Record
from lab.servers import free_port, redis_command
from testing.world import BAILEY

# In every planted secret, however it is written.
MARK = "PLANTED"
OVERRIDE = ("--override", "a test", "--reason", "nothing was compared here")


def definition(name: str, task: str) -> str:
    """An entry as RedBeat writes one."""
    schedule = {"__type__": "interval", "every": 3600.0, "relative": False}
    rest = {"task": task, "args": [1], "kwargs": {}, "options": {}, "schedule": schedule, "enabled": True}
    return json.dumps({"name": name, **rest})


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis with a password of characters that URLs escape, with entries and recorded runs; its URL."""
    folder, port = tmp_path_factory.mktemp("redis"), free_port()
    password = f"{MARK}1@a/b%c:d"
    (folder / "redis.conf").write_text(f'requirepass "{password}"\n', encoding="utf-8")
    program, *words = redis_command(port, folder)
    log = folder / "log"
    process = start([program, str(folder / "redis.conf"), *words], log=log, folder=folder, environment=os.environ)
    client = redis.Redis(port=port, password=password)

    def answers() -> bool:
        try:
            return bool(client.ping())
        except redis.exceptions.ConnectionError:
            return False

    try:
        wait_for("redis", answers, limit=30, process=process, log=log)
        fill(client)
        yield f"redis://:{MARK}1%40a%2Fb%25c%3Ad@127.0.0.1:{port}/0"
    finally:
        process.kill()
        process.wait()


def fill(client: Any) -> None:
    """An entry that fires, with runs that Celery has recorded."""
    now = time.gmtime(time.time() - 600)
    stamp = dict(zip(("year", "month", "day", "hour", "minute", "second"), now[:6]))
    last = {"__type__": "datetime", **stamp, "microsecond": 0, "timezone": "UTC"}
    meta = json.dumps({"last_run_at": last, "total_run_count": 3})
    client.hset("redbeat:a", mapping={"definition": definition("a", "lab.one"), "meta": meta})
    client.zadd("redbeat::schedule", {"redbeat:a": time.time() + 3000})
    for number in range(3):
        at = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() - 7200 + number * 3600))
        result = {"status": "SUCCESS", "result": 3, "traceback": None, "children": [], "date_done": at}
        extended = {"name": "lab.one", "args": [1], "kwargs": {}, "worker": "w", "retries": 0, "queue": "celery"}
        client.set(f"celery-task-meta-r{number}", json.dumps({**result, **extended, "task_id": f"r{number}"}))


@contextmanager
def watched() -> Iterator[set[str]]:
    """The arguments of every process that is seen meanwhile, where a secret stands in them."""
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            for process in Path("/proc").iterdir():
                try:
                    words = (process / "cmdline").read_bytes() if process.name.isdigit() else b""
                except OSError:
                    continue
                if MARK.encode() in words:
                    seen.add(words.replace(b"\0", b" ").decode("utf-8", "replace"))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def test_no_secret_is_seen_anywhere(server: str, company: Record, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    temporary = tmp_path / "tmp"
    folder.mkdir()
    temporary.mkdir()
    postgres = urlsplit(company.postgres_url)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TMPDIR": str(temporary),
        "REDIS": server,
        "DB": postgres._replace(
            netloc=f"{postgres.username}:{MARK}2%40x%25@{postgres.hostname}:{postgres.port}"
        ).geturl(),
        "APP_DB": f"postgresql://app:{MARK}3@h/d",
        "TOKEN": f"{MARK}4",
        "HOOK": f"http://127.0.0.1:{free_port()}/services/{MARK}5",
        "AIRFLOW_PASSWORD": f"{MARK}6",
        "GIT_URL": f"http://ada:{MARK}7@{MARK}7b@127.0.0.1:{free_port()}/r.git",
        # Nobody has named it: no program gets it.
        "OTHER": f"{MARK}8",
    }
    body = (
        "import json, os, sys\n"
        "def one(n):\n"
        "    assert os.environ['APP_DB'].endswith('@h/d') and 'OTHER' not in os.environ and 'REDIS' not in os.environ\n"
        "    return n + 2\n"
    )
    (folder / "lab_bodies.py").write_text(body, encoding="utf-8")
    airflow = {
        "url": f"http://127.0.0.1:{free_port()}",
        "user": "ada",
        "password": "${AIRFLOW_PASSWORD}",
        "deploy": {"kind": "git", "repository": "${GIT_URL}", "env": {"GIT_TOKEN": "${TOKEN}"}},
    }
    settings = {
        "version": 1,
        "sources": {
            "s": {"kind": "redbeat", "url": "${REDIS}", "max_interval": 1, "lock_key": "none"},
            "q": {"kind": "queue", "profile": "background_jobs", "url": "${DB}"},
        },
        "environments": {
            "company": {
                "python": sys.executable,
                "path": ["."],
                "env": {"APP_DB": "${APP_DB}", "MODE": "batch-${TOKEN}"},
            }
        },
        "alerts": [
            {"webhook": "${HOOK}"},
            {"command": ["sh", "-c", 'cat > alert.json; test -z "$OTHER$REDIS"'], "env": {"TOKEN": "${TOKEN}"}},
            {"command": ["false"], "env": {"TOKEN": "${TOKEN}"}},
        ],
        "policy": {"compared_ticks": 0, "in_a_row": 0},
    }
    (folder / "bailey.yaml").write_text(json.dumps(settings), encoding="utf-8")
    with_airflow = json.dumps({**settings, "target": {"airflow": airflow}})
    (folder / "with-airflow.yaml").write_text(with_airflow, encoding="utf-8")
    python = {"callable": "lab_bodies:one", "environment": "company"}
    for name, tasks in {
        "p": {"t": {"entry": "s/a", "python": {**python, "args": [1]}, "shadow": "pure"}},
        "jobs": {"t": {"entry": "q/generate_report", "python": python}},
    }.items():
        (folder / "mappings").mkdir(exist_ok=True)
        text = json.dumps(
            {"pipeline": name, "schedule": {"interval": "1h"}, "tasks": tasks}
            if name == "jobs"
            else {"pipeline": name, "tasks": tasks}
        )
        (folder / "mappings" / f"{name}.yaml").write_text(text, encoding="utf-8")
    said: dict[str, str] = {}

    def run(*words: str, fails: bool | None = False, **more: str) -> str:
        done = subprocess.run(
            [str(BAILEY), *words],
            cwd=folder,
            env={**environment, **more},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        said[f"{' '.join(words)} {sorted(more)}"] = done.stdout + done.stderr
        if fails is not None:
            assert (done.returncode != 0) is fails, (words, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
        return done.stdout + done.stderr

    with watched() as seen:
        # What has the secrets in its own arguments would be seen.
        control = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(5)", f"{MARK}0"])
        while not seen:
            time.sleep(0.01)
        control.kill()
        control.wait()
        seen.clear()
        run("import", fails=None)
        run("plan", fails=None)
        run("plan", "--json", fails=None)
        run("generate", fails=None)
        for dag in ("p.py", "jobs.py"):
            assert "${APP_DB}" in (folder / "dags" / dag).read_text(encoding="utf-8"), dag
        run("shadow", "--from-history", "p", fails=None)
        report = run("report", "p", "--html", "report.html")
        assert report.startswith("p: match\n") and ": 3 of 3 compared\n" in report, report
        run("report", "--json", fails=None)
        for words in (["doctor"], ["status"], ["status", "--json"], ["backtest"]):
            run(*words, fails=None)
        for words in (["doctor", "--json"], ["deploy"]):
            run(*words, "--config", "with-airflow.yaml", fails=True)
        run("cutover", "p", fails=None)
        run("cutover", "p", "--execute", *OVERRIDE)
        # Something to tell: somebody has enabled the entry again.
        redis.Redis.from_url(server).hset("redbeat:a", "definition", definition("a", "lab.one"))
        run("watch", "--once", fails=None)
        assert (folder / "alert.json").exists()
        run("rollback", "p", "--execute", fails=None)
        run("retire", "p", fails=None)
        run("cutover", "jobs", "--sql", fails=None)
        run("generate", "--ungated", "--force", fails=None)
        # Nothing answers, or what should be a URL is none: every way of getting it wrong.
        nobody = free_port()
        hidden = f"{MARK}9"
        for url in (
            f"redis://:{hidden}@127.0.0.1:{nobody}/0",
            f"redis://:{hidden}@x@127.0.0.1:{nobody}/0",
            f"redis://:{hidden}%ZZ@127.0.0.1:{nobody}/0",
            f"redis://u:1/{hidden}@127.0.0.1:{nobody}/0",
            f"redis://u:{hidden}#x@127.0.0.1/0",
            f"redis://u:{hidden}?x@127.0.0.1/0",
            f"redis://u:p@{hidden}%ZZ",
            f"redis:/:{hidden}@h",
            f"http://u:{hidden}@h",
            f"{hidden}",
            f"u:{hidden}@h",
        ):
            run("import", fails=True, REDIS=url)
        for url in (
            f"postgresql://u:{hidden}@127.0.0.1:{nobody}/d",
            f"postgresql://u:{hidden}@x@127.0.0.1:{nobody}/d",
            f"postgresql://u:{hidden}%ZZ@127.0.0.1:{nobody}/d",
            f"postgresql://u:1/{hidden}@127.0.0.1:{nobody}/d",
            f"postgresql://u:{hidden}#x@127.0.0.1/d",
            f"postgresql://u:a?{hidden}@127.0.0.1:{nobody}/d",
            f"postgres+psycopg://u:{hidden}@127.0.0.1:{nobody}/d",
            f"mysql://u:{hidden}@h/d",
            f"host=127.0.0.1 port={nobody} password={hidden}",
            f"host=127.0.0.1 port={nobody} password='a {hidden} b'",
            f"{hidden}",
        ):
            run("import", fails=True, DB=url)
        run("watch", "--once", fails=None, HOOK=f"http://u:{hidden}@x@127.0.0.1:{nobody}/{hidden}")
        (folder / "bailey.yaml").rename(folder / "kept.yaml")
        run("init", "--redbeat", "REDIS", "--queue", "DB", fails=None)

    assert not seen, seen
    for command, text in said.items():
        assert MARK not in text, (command, text)
    found = []
    for place in (folder, temporary):
        for file in place.rglob("*"):
            if file.is_file() and MARK.encode() in file.read_bytes():
                found.append(str(file))
    assert not found
    # Nor is anything left where everybody may look, or that everybody may read.
    assert not list(temporary.iterdir())
    state = folder / ".bailey"
    assert state.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in state.iterdir()} == {0o600}
    assert not [name for name in os.listdir(tempfile.gettempdir()) if name.startswith("bailey-state-")]
