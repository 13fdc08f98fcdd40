"""Who is told of tasks that fail, are tried again or are late, by a receiver that counts."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from rest import eventually
from road import Road, probe

pytestmark = pytest.mark.versions()
DAG = "telling"
SECRET = "a-word-of-the-url"


class Receiver:
    """Takes what a webhook would."""

    def __init__(self) -> None:
        texts: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path.endswith(SECRET):
                    texts.append(body["text"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.texts = texts
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/{SECRET}"

    @contextmanager
    def running(self) -> Iterator[Receiver]:
        thread = threading.Thread(target=self.server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            self.server.shutdown()
            thread.join()

    def of(self, run: str) -> list[str]:
        """What was told of a run."""
        return [text for text in self.texts if run in text]


def mapping(folder: Path) -> dict[str, Any]:
    bad = {"command": ["sh", "-c", "exit 3"], "shadow": "pure", "retries": 1, "retry_delay": 1}
    return {
        "pipeline": DAG,
        "manual": True,
        "sla": 4,
        "notify": {"failed": ["ops", "away"], "late": ["ops"]},
        "defaults": {"notify": {"retried": "ops"}},
        "tasks": {
            "bad": bad,
            "quiet": {**bad, "notify": {"failed": [], "retried": []}},
            "slow": {**probe("last", 20, str(folder)), "sla": 3, "notify": {"late": ["ops"]}},
            "good": {**probe("nothing"), "sla": 3600, "notify": {"late": ["ops"]}},
        },
    }


@contextmanager
def telling(road: Road, folder: Path) -> Iterator[Receiver]:
    def alerts(settings: dict[str, Any]) -> None:
        settings["alerts"] = [
            {"name": "ops", "webhook": receiver.url},
            {"name": "away", "webhook": f"http://127.0.0.1:1/{SECRET}"},
        ]

    receiver = Receiver()
    try:
        with receiver.running(), road.settings(alerts):
            road.workspace.add_mapping(mapping(folder))
            yield receiver
    finally:
        # The next test has a receiver of its own.
        for name in ("ops", "away"):
            if road.airflow.found(f"/connections/bailey_alert_{name}"):
                road.airflow.call("DELETE", f"/connections/bailey_alert_{name}")


def test_a_live_run_tells_and_a_trial_does_not(road: Road, tmp_path: Path) -> None:
    with telling(road, tmp_path) as receiver:
        road.build(DAG)
        # 3.0 knows no deadlines, and 2.11 looks at the runs of a schedule alone: people know it before.
        has_deadlines = road.airflow.record.version == "33"
        count = 4 if has_deadlines else 2
        said = road.workspace.json(*(["plan"] if road.airflow.is_2 else ["deploy", DAG]), status=(0, 1))["findings"]
        unseen = [one["text"] for one in said if (one["code"], one["pipeline"]) == ("BLY063", DAG)]
        assert len(unseen) == (not has_deadlines), said
        assert SECRET not in (road.workspace.dags / f"{DAG}.py").read_text(encoding="utf-8")
        road.airflow.trigger(DAG, "one-trial", {"bailey_mode": "trial"})
        road.airflow.ended(DAG, "one-trial")
        road.airflow.trigger(DAG, "one-live", {"bailey_mode": "live"})
        assert road.airflow.ended(DAG, "one-live") == "failed"
        told = eventually("all was told", lambda: all_of if len(all_of := receiver.of("one-live")) >= count else None)
        # Sorted by what they are about, for they come as they come.
        retried, failed = sorted(text for text in told if "the task bad" in text)
        assert retried.startswith(f"Bailey: {DAG}: the task bad failed and is tried again, attempt 1 of 2: ")
        assert failed.startswith(f"Bailey: {DAG}: the task bad has failed, attempt 2 of 2: ")
        if has_deadlines:
            [slow] = [text for text in told if "the task slow is not done after 0:00:03: it is running" in text]
            [late] = [
                text for text in told if "the run one-live is not done after 0:00:04: it is still running" in text
            ]
            for text in (slow, late):
                assert "expected by 20" in text and "now it is 20" in text, text
        assert len(told) == count, told
        # What Airflow does not look at is told by those who watch, once; what it does look at not again.
        assert len(watched(road, receiver, "one-live")) == (0 if has_deadlines else 2)
        assert receiver.of("one-trial") == []
        # A channel that is away is a line of the log, and the task ends as it would.
        logs = [file for file in road.stack.folder.rglob("*.log") if file.is_file()]
        texts = [file.read_text(encoding="utf-8", errors="replace") for file in logs]
        assert any("“away” (webhook at 127.0.0.1) was not told" in json_text(text) for text in texts)
        assert not any(SECRET in text for text in texts)
        road.remove(DAG)


def watched(road: Road, receiver: Receiver, run: str) -> list[str]:
    """What is told of a run by who watches: that it was late, and that its slow task was."""
    before = len(receiver.of(run))
    for _ in range(2):
        road.workspace.run("watch", "--once", status=(0, 1))
    told = receiver.of(run)[before:]
    for what in ("The run", "The task slow of the run"):
        for text in [text for text in told if f"{what} {run} was not done after" in text]:
            assert "Expected by 20" in text and "now it is 20" in text, text
    return told


def json_text(log: str) -> str:
    """A log of Airflow 3 is lines of JSON, which may spell quotes out."""
    return log.replace("\\u201c", "“").replace("\\u201d", "”")


@pytest.mark.full
def test_a_file_without_a_gate_tells_too(road: Road, tmp_path: Path) -> None:
    # One word for the retry and one for the end.
    with telling(road, tmp_path) as receiver:
        road.build(DAG, words=["--ungated"])
        text = (road.workspace.dags / f"{DAG}.py").read_text(encoding="utf-8")
        assert "bailey_runtime" not in text and SECRET not in text
        road.airflow.trigger(DAG, "ungated-run")
        assert road.airflow.ended(DAG, "ungated-run") == "failed"
        # The state is known before the word is out.
        eventually("both are told", lambda: len(receiver.of("ungated-run")) > 1)
        told = sorted(receiver.of("ungated-run"))
        assert [text.split(", attempt")[0] for text in told] == [
            f"Bailey: {DAG}: the task bad failed and is tried again",
            f"Bailey: {DAG}: the task bad has failed",
        ]
        assert len(watched(road, receiver, "ungated-run")) == 2
        road.remove(DAG)


@pytest.mark.versions("211")
def test_what_is_late_is_told_in_211_once_it_is_live(road: Road, tmp_path: Path) -> None:
    name = "telling-late"
    with telling(road, tmp_path) as receiver:
        # Airflow 2 looks at the ticks after the next of a task's last success only: each run here outlasts two ticks.
        work = probe("last", 50, str(tmp_path))
        mapping = {"pipeline": name, "schedule": {"interval": 20}, "sla": 5, "notify": {"late": "ops"}}
        (road.workspace.folder / "mappings" / f"{DAG}.yaml").unlink()
        road.workspace.add_mapping({**mapping, "tasks": {"work": work}})
        road.build(name)

        def logged() -> bool:
            logs = [file for file in road.stack.folder.rglob("*.log") if file.is_file()]
            return any(f"late: tasks of {name}" in file.read_text(encoding="utf-8", errors="replace") for file in logs)

        eventually("a trial's miss is in the log", logged, limit=300)
        assert [text for text in receiver.texts if name in text] == []
        words = ("--override", "tester", "--reason", "it is late on purpose")
        road.workspace.run("launch", name, "--execute", *words)

        def told() -> str | None:
            return next((text for text in receiver.texts if name in text), None)

        text = eventually("a live run's miss is told", told, limit=400)
        assert text.startswith(f"Bailey: {name}: not done in time: ") and "; now it is 20" in text, text
        road.remove(name)
