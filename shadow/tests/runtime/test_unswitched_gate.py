"""The gate of entries that no switch moves: legacy owns every tick, and nobody is asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest

from bailey_runtime.dag_run import DagRunInfo

RUN = DagRunInfo(
    dag_id="cron__mail",
    run_id="scheduled__1",
    tick=datetime(2026, 11, 30, 2, 30, tzinfo=timezone.utc),
    by_schedule=True,
    is_backfill=False,
    shadowed=None,
    asked="shadow",
    began=datetime(2026, 11, 30, 2, 30, 1, tzinfo=timezone.utc),
)


@pytest.mark.parametrize("launched", ["live", "backfill", "trial"])
def test_a_tick_is_legacys_whatever_airflow_has_noted(monkeypatch: pytest.MonkeyPatch, launched: str) -> None:
    from bailey_runtime import launch
    from bailey_runtime.gate_task import BaileyGate

    asked: list[Any] = []
    monkeypatch.setattr(launch, "owner", lambda *words: asked.append(words) or launched)
    gate = BaileyGate(source="cron", entries=["mail"], switched=False)
    answer = gate._answer(RUN)
    assert answer["mode"] == "shadow" and answer["how"] == "no-switch" and "bailey cutover cron__mail" in answer["note"]
    assert asked == []
    # A past tick that a person has named, and nobody else, is Airflow's.
    given = gate._answer(replace(RUN, is_backfill=True))
    assert given["mode"] == ("live" if launched == "backfill" else "shadow")
    # A person may run it, and says which way.
    assert gate._answer(replace(RUN, by_schedule=False))["mode"] == "shadow"
    assert gate._answer(replace(RUN, by_schedule=False, asked="live"))["mode"] == "live"
