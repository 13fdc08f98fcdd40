"""Who is told of a task, by real receivers: a webhook and a mail relay that write down what they get."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("airflow")

from bailey_runtime import late
from bailey_runtime.notify import notify

RECEIVERS = Path(__file__).resolve().parents[3] / "Tests" / "AlertsTests" / "Receivers"
SECRET = "a-word-of-the-url"


@contextmanager
def receiver(program: str, file: Path, *words: str) -> Iterator[int]:
    """The receiver that Bailey's own alerts are tested with; its port."""
    command = [sys.executable, str(RECEIVERS / program), str(file), *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            yield int(process.stderr.readline())
        finally:
            process.kill()


def webhook(port: int) -> str:
    return json.dumps({"conn_type": "http", "host": "127.0.0.1", "password": f"http://127.0.0.1:{port}/{SECRET}"})


def texts(file: Path) -> list[str]:
    if not file.exists():
        return []
    lines = file.read_text(encoding="utf-8").splitlines()
    return [json.loads(json.loads(line)["body"])["text"] for line in lines]


def context(
    mode: str | None = "live", conf: Any = None, error: BaseException | None = None, kind: str = "scheduled"
) -> dict[str, Any]:
    def pull(task_ids: str) -> Any:
        assert task_ids == "gate"
        return None if mode is None else {"mode": mode}

    ti = SimpleNamespace(dag_id="d", task_id="t", run_id="r", try_number=2, xcom_pull=pull)
    return {
        "ti": ti,
        "task": SimpleNamespace(retries=2),
        "run_id": "r",
        "dag_run": SimpleNamespace(conf=conf or {}, run_type=kind),
        "logical_date": datetime(2026, 11, 30, 2, tzinfo=timezone.utc),
        "exception": error,
    }


def test_all_channels_are_told_and_one_that_is_away_keeps_no_other(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "bailey.notify")
    with (
        receiver("http_receiver.py", tmp_path / "posts") as port,
        receiver("smtp_receiver.py", tmp_path / "mails") as relay,
    ):
        monkeypatch.setenv("AIRFLOW_CONN_BAILEY_ALERT_AWAY", webhook(1))
        monkeypatch.setenv("AIRFLOW_CONN_BAILEY_ALERT_OPS", webhook(port))
        extra = {"from": "bailey@example.com", "to": ["ops@example.com", "ada@example.com"]}
        place = {"conn_type": "smtp", "host": "127.0.0.1", "port": relay, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_BAILEY_ALERT_MAIL", json.dumps(place))
        error = ValueError("no table é at postgresql://u:pw@h/d\nsecond line.")
        notify("failed", "away", "missing", "ops", "mail")(context(error=error))
    [text] = texts(tmp_path / "posts")
    assert text == (
        "Bailey: d: the task t has failed, attempt 2 of 3: ValueError: no table é at postgresql://…@h/d second line. "
        "Run r, tick 2026-11-30T02:00:00+00:00."
    )
    [mailed] = [json.loads(line) for line in (tmp_path / "mails").read_text(encoding="utf-8").splitlines()]
    assert mailed["to"] == ["ops@example.com", "ada@example.com"] and mailed["defects"] == []
    assert (mailed["subject"], mailed["body"]) == ("d: t has failed", text + "\n")
    assert "told ops, mail: " in caplog.text
    words = caplog.text
    assert "“away” (webhook at 127.0.0.1) was not told: " in words
    assert "“missing” was not told: this Airflow has no connection bailey_alert_missing" in words
    assert SECRET not in words and "pw" not in words


@pytest.mark.parametrize("answer", ["500", "http://127.0.0.1:1/elsewhere"])
def test_an_answer_that_is_no_success_is_said_and_no_redirect_followed(tmp_path, monkeypatch, caplog, answer):
    with receiver("http_receiver.py", tmp_path / "posts", answer) as port:
        monkeypatch.setenv("AIRFLOW_CONN_BAILEY_ALERT_OPS", webhook(port))
        notify("retried", "ops")(context())
    assert len(texts(tmp_path / "posts")) == 1
    assert f"was not told: it answered {'500' if answer == '500' else '307'}" in caplog.text
    assert "elsewhere" not in caplog.text


def test_a_receiver_that_says_nothing_is_given_up(tmp_path, monkeypatch, caplog):
    from bailey_runtime import notify_program

    monkeypatch.setattr(notify_program, "SECONDS", 0.5)
    with receiver("http_receiver.py", tmp_path / "posts", "silent") as port:
        monkeypatch.setenv("AIRFLOW_CONN_BAILEY_ALERT_OPS", webhook(port))
        began = time.monotonic()
        notify("failed", "ops")(context())
        assert time.monotonic() - began < 30
    assert "was not told: " in caplog.text


def test_channels_that_hang_keep_no_other_from_being_told(tmp_path, monkeypatch, caplog):
    """Airflow 3 ends a task 20 s after it has told how it ended: one after another they would take longer."""
    from bailey_runtime import notify_program

    monkeypatch.setattr(notify_program, "SECONDS", 60)
    monkeypatch.setattr(notify_program, "SECONDS_IN_ALL", 3)
    names = ("one", "two", "three")
    with (
        receiver("http_receiver.py", tmp_path / "silence", "silent") as silent,
        receiver("http_receiver.py", tmp_path / "posts") as port,
    ):
        for name in names:
            monkeypatch.setenv(f"AIRFLOW_CONN_BAILEY_ALERT_{name.upper()}", webhook(silent))
        monkeypatch.setenv("AIRFLOW_CONN_BAILEY_ALERT_OPS", webhook(port))
        began = time.monotonic()
        notify("retried", *names, "ops")(context())
        assert time.monotonic() - began < 20
    assert len(texts(tmp_path / "posts")) == 1
    for name in names:
        assert f"“{name}” (webhook at 127.0.0.1) was not told: it had not taken it after 3 s" in caplog.text


def test_only_live_runs_tell(tmp_path, monkeypatch):
    with receiver("http_receiver.py", tmp_path / "posts") as port:
        monkeypatch.setenv("AIRFLOW_CONN_BAILEY_ALERT_OPS", webhook(port))
        told = notify("failed", "ops")
        told(context("shadow"))
        told(context("live", conf={"bailey": {"mode": "shadow"}}))
        # What a person has started is what they chose, whether its gate has answered or not.
        told(context(None, kind="manual"))
        told(context("live", conf={"bailey_mode": "trial"}, kind="manual"))
        assert texts(tmp_path / "posts") == []
        told(context(None, conf={"bailey_mode": "live"}, kind="manual"))
        told(context("live", conf={"bailey_backfill": True}, kind="manual"))
        # A gate that has failed has said nothing, and people want to know.
        told(context(None))
        assert len(texts(tmp_path / "posts")) == 3


def test_nothing_that_goes_wrong_reaches_the_task(caplog):
    notify("failed", "ops")({})
    notify("failed", "ops")(None)
    assert caplog.text.count("nobody could be told that a task failed") == 2


def test_tasks_of_211_that_are_late_are_told_by_task(tmp_path, monkeypatch):
    with receiver("http_receiver.py", tmp_path / "posts") as port:
        monkeypatch.setenv("AIRFLOW_CONN_BAILEY_ALERT_OPS", webhook(port))
        monkeypatch.setenv("AIRFLOW_CONN_BAILEY_ALERT_ALL", webhook(port))
        when = datetime(2026, 11, 30, 2, tzinfo=timezone.utc)
        slas = [SimpleNamespace(task_id=task, execution_date=when) for task in ("a", "b")]
        blocking = [SimpleNamespace(task_id="a", state="running"), SimpleNamespace(task_id="b", state=None)]
        late.tell_late_tasks({"": ["all"], "a": ["ops"]})(SimpleNamespace(dag_id="d"), "a\nb", "a", slas, blocking)
    told = texts(tmp_path / "posts")
    assert [text.split("; now")[0] for text in told] == [
        "Bailey: d: not done in time: a of the tick 2026-11-30T02:00:00Z; a is running, b is not begun",
        "Bailey: d: not done in time: b of the tick 2026-11-30T02:00:00Z; a is running, b is not begun",
    ]
