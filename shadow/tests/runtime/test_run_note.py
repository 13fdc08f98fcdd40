"""What the note of a run that a person starts says."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("airflow")

from bailey_runtime import run_note


def run(kind: str, conf: object, default: str | None, note: str | None = None) -> SimpleNamespace:
    params = {} if default is None else {"bailey_mode": default}
    return SimpleNamespace(run_type=kind, conf=conf, dag=SimpleNamespace(params=params), note=note, run_id="r")


@pytest.mark.parametrize(
    ("it", "word"),
    [
        (run("manual", {}, "trial"), "trial"),
        (run("manual", None, "shadow"), "shadow"),
        (run("manual", {"bailey_mode": "live"}, "trial"), "live"),
        (run("manual", {"bailey": {"mode": "shadow"}, "bailey_mode": "live"}, "shadow"), "shadow"),
        (run("scheduled", {}, "trial"), None),
        (run("manual", {"bailey_backfill": True}, "trial"), None),
        (run("manual", {"bailey_backfill": "yes"}, "trial"), "trial"),
        (run("manual", {}, None), None),
        (run("manual", {"bailey_mode": ["live"]}, "trial"), None),
        (run("manual", "text", "trial"), "trial"),
    ],
)
def test_a_run_by_hand_is_noted_for_what_it_is(it, word):
    run_note.on_dag_run_running(it, "started")
    assert (it.note or "").split(":")[0] == (word or "")


def test_what_a_person_noted_stays():
    it = run("manual", {}, "trial", "by Ada")
    run_note.on_dag_run_running(it, "started")
    run_note.on_dag_run_running(it, "started")
    assert it.note.startswith("by Ada\n\ntrial: ") and it.note.count("trial:") == 1
    long = run("manual", {}, "trial", "x" * 990)
    run_note.on_dag_run_running(long, "started")
    assert long.note == "x" * 990
