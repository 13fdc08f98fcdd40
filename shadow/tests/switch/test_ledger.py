"""The ledger finds what ran twice and what nobody ran: a torture whose judge sees nothing proves nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chance import CALAMITIES, FAULTS
from ledger import Run, Verdict, judge_interval, judge_minutes
from witness import Seen


def legacy(at: float, went_on_from: float) -> Run:
    return Run("legacy", at, at, went_on_from)


def airflow(at: float) -> Run:
    return Run("airflow", at, at + 1)


def interval(*runs: Run, decided: tuple[float, ...] = (), **rest: Any) -> Verdict:
    given = {"created": [], "unsent": [], "outages": [], **rest}
    return judge_interval(2, 0, list(runs), set(decided), until=runs[-1].at, **given)


def counts(found: Verdict) -> tuple[int, int, int]:
    return len(found.twice), len(found.lost), len(found.excused)


def test_there_and_back_is_well() -> None:
    there_and_back = (legacy(100.5, 98.5), airflow(102), airflow(104), legacy(106.01, 104), legacy(108.02, 106.01))
    assert counts(interval(*there_and_back)) == (0, 0, 0)


def test_a_tick_of_both_sides_is_found() -> None:
    assert counts(interval(legacy(100.01, 98.01), airflow(100))) == (1, 0, 0)
    assert counts(interval(airflow(102), legacy(102.9, 100.9))) == (1, 0, 0)
    assert counts(interval(airflow(102), airflow(102))) == (1, 0, 0)


def test_a_tick_of_nobody_is_found() -> None:
    # The window begins a tick too late.
    assert counts(interval(legacy(100.01, 98.01), airflow(104))) == (0, 1, 0)
    # Legacy is given back a clock that is a tick ahead of what ran.
    assert counts(interval(airflow(102), legacy(106.01, 104))) == (0, 1, 0)
    # One that comes late stands for all it went past.
    assert counts(interval(airflow(102), legacy(110.01, 102))) == (0, 0, 0)
    assert counts(interval(airflow(102), airflow(106), decided=(104,))) == (0, 0, 0)
    assert counts(interval(airflow(102), airflow(106))) == (0, 1, 0)


def test_only_what_legacy_does_to_itself_is_excused() -> None:
    repeated = (legacy(100.01, 98.01), legacy(100.9, 98.01))
    assert counts(interval(*repeated)) == (1, 0, 0)
    assert counts(interval(*repeated, outages=[(99.5, 100.5)])) == (0, 0, 1)
    assert counts(interval(airflow(100), legacy(100.9, 98), outages=[(99.5, 100.5)])) == (1, 0, 0)
    assert counts(interval(legacy(100.01, 98.01), legacy(104.1, 102.05))) == (0, 1, 0)
    assert counts(interval(legacy(100.01, 98.01), legacy(104.1, 102.05), unsent=[102.05])) == (0, 0, 0)


def test_what_a_store_forgot_may_be_repeated_by_the_dag_and_only_afterwards() -> None:
    fired = legacy(100.04, 96)
    after = Run("airflow", 100, 105)
    assert counts(interval(after, fired, outages=[(99.5, 100.5)])) == (0, 0, 1)
    assert counts(interval(after, fired, outages=[(101, 102)])) == (1, 0, 0)
    assert counts(interval(after, fired)) == (1, 0, 0)
    assert counts(interval(Run("airflow", 100, 100.01), fired, outages=[(99.5, 100.5)])) == (1, 0, 0)


def test_a_clock_that_the_application_set_anew_owes_nothing_before() -> None:
    assert counts(interval(airflow(102), legacy(110.01, 108), created=[108])) == (0, 0, 0)
    assert counts(interval(airflow(102), legacy(110.01, 108), created=[105])) == (0, 1, 0)
    assert counts(interval(airflow(102), legacy(110.01, 108))) == (0, 1, 0)


def test_a_new_clock_excuses_what_legacy_fires_by_it_and_no_run_of_the_dag_after_that() -> None:
    assert counts(interval(airflow(102), legacy(102.9, 100.9), created=[100.9])) == (0, 0, 1)
    assert counts(interval(legacy(101.9, 99.9), airflow(102), created=[99.9])) == (1, 0, 0)
    # Airflow's clock is ahead of beat's: its run was the first.
    slow = Run("legacy", 101.9, 103.9, 99.9)
    assert counts(interval(slow, Run("airflow", 102, 101.5), created=[99.9])) == (0, 0, 1)
    assert counts(interval(slow, Run("airflow", 102, 104.5), created=[99.9])) == (1, 0, 0)


def minutes(*runs: Run, decided: tuple[float, ...] = (), created: tuple[float, ...] = ()) -> Verdict:
    return judge_minutes(list(runs), set(decided), [], [], list(created), 59.0, 330.0)


def test_each_minute_is_somebodys_once() -> None:
    well = [legacy(60.01, 0.01), airflow(120), airflow(180), legacy(240.01, 180), legacy(300.01, 240.01)]
    assert counts(minutes(*well)) == (0, 0, 0)
    assert counts(minutes(*well, airflow(240))) == (1, 0, 0)
    assert counts(minutes(*well[:2], *well[3:])) == (0, 1, 0)
    assert counts(minutes(*well[:2], *well[3:], decided=(180,))) == (0, 0, 0)
    late = [legacy(60.01, 0.01), airflow(120), legacy(241, 120), legacy(300.01, 241)]
    assert counts(minutes(*late)) == (0, 0, 0)


def test_a_minute_that_was_created_when_the_dag_had_run_it_is_the_applications_doing() -> None:
    rest = [legacy(60.01, 0.01), airflow(120), legacy(240.01, 180), legacy(300.01, 240.01)]
    # The DAG's clock is 2 s ahead, beat's 2 s behind.
    early, behind = Run("airflow", 180, 179.1), Run("legacy", 180.05, 182.05, 179.7)
    assert counts(minutes(*rest, early, behind, created=(179.7,))) == (0, 0, 1)
    assert counts(minutes(*rest, early, behind, created=(150,))) == (1, 0, 0)
    assert counts(minutes(*rest, early, behind)) == (1, 0, 0)
    assert counts(minutes(*rest, Run("airflow", 180, 183), behind, created=(179.7,))) == (1, 0, 0)


def test_a_witness_finds_a_fire_while_the_clock_stood() -> None:
    seen = Seen()
    for look in range(10):
        seen.note(100 + look * 0.15, look >= 2)
    # Nobody looked for a while.
    seen.note(103, True)
    seen.note(103.1, False)
    assert seen.spans == [(100.3, 101.35), (103, 103)]
    assert [seen.holds(at) for at in (100.2, 100.5, 101.2, 102, 103)] == [False, True, False, False, False]


def test_an_absorbed_entry_may_run_near_the_hand_over_and_nowhere_else() -> None:
    # Fired by a beat whose clock is 2 s ahead, a second before the DAG ran its task.
    ahead = Run("legacy", 102.9, 100.9, 100.9)
    assert counts(interval(ahead, airflow(102), absorbed=True)) == (0, 0, 0)
    assert counts(interval(ahead, airflow(102))) == (1, 0, 0)
    assert counts(interval(legacy(101.5, 99.5), airflow(102), absorbed=True)) == (0, 0, 0)
    # Given back, it waits as long as any other.
    assert counts(interval(airflow(102), Run("legacy", 102.9, 103.2, 100.9), absorbed=True)) == (1, 0, 0)


def test_what_befalls_is_written_down() -> None:
    page = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    missing = [name for name in (*FAULTS, *CALAMITIES) if f"`{name}`" not in page]
    assert not missing, missing
