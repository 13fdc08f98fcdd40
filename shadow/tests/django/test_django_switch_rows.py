"""What the switch makes of what applications do to rows, by their own models; beat is played by whoever disables the witness."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest
from beat_world import TASK, Switch, make

from bailey_runtime import django_switch

MINUTE = 60


def load(switch: Switch) -> None:
    """As a beat that loads its schedule."""
    switch.connection.execute(f"UPDATE {TASK} SET enabled = false WHERE task = 'bailey.witness'")


def run(switch: Switch, name: str, at: float) -> None:
    """As a beat that has fired it and writes that."""
    switch.connection.execute(
        f"UPDATE {TASK} SET last_run_at = to_timestamp(%s), total_run_count = total_run_count + 1 WHERE name = %s",
        (at, name),
    )


def settle(switch: Switch, pipeline: str = "p") -> dict[str, Any]:
    while True:
        load(switch)
        found = switch.call("settle", "d", pipeline)
        if found["answer"] != "waiting":
            return found
        time.sleep(0.05)


@pytest.fixture
def tick(switch: Switch) -> float:
    """The latest minute, which beat has run, of the entries a and b."""
    at = float(int(time.time()) // MINUTE * MINUTE)
    for name in ("a", "b"):
        make(name)
        run(switch, name, at + 0.02)
    return at


def close(switch: Switch, *names: str, **more: Any) -> dict[str, Any]:
    return switch.close("p", list(names or ["a"]), longest=0.3, **more)


def moved(switch: Switch, *names: str, **more: Any) -> dict[str, Any]:
    assert close(switch, *names, **more)["answer"] == "closed"
    found = settle(switch)
    assert found["answer"] == "settled", found
    return found


def model(name: str = "a") -> Any:
    from django_celery_beat.models import PeriodicTask

    return PeriodicTask.objects.get(name=name)


def test_a_model_that_was_read_before_the_close_starts_nothing(switch: Switch, tick: float) -> None:
    stale = model()
    assert close(switch)["answer"] == "closed"
    stale.save()
    row = switch.row("a")
    assert row["enabled"] and row["start_time"].startswith("2100")
    assert settle(switch)["answer"] == "settled"
    stale.save()
    # A beat may have it as it meant to write it: no tick is given before one was seen to load the row as it is.
    row = switch.row("a")
    assert row["enabled"] and row["start_time"].startswith("2100")
    assert switch.ask("p", tick + 30, "r")["how"] == "closing"
    assert settle(switch)["answer"] == "settled"
    assert switch.ask("p", tick + 30, "r")["mode"] == "live"
    row = switch.row("a")
    assert not row["enabled"] and row["start_time"] is None


def test_a_last_run_that_beat_wrote_is_not_unwritten_while_it_closes(switch: Switch, tick: float) -> None:
    stale = model()
    assert close(switch)["answer"] == "closed"
    run(switch, "a", tick + 40)
    stale.save()
    assert settle(switch)["from"] == round((tick + 40) * 1e6) + 1


def test_what_legacy_fired_of_a_row_that_was_started_is_its_own(switch: Switch, tick: float) -> None:
    moved(switch)
    assert switch.ask("p", tick + 10, "r1")["mode"] == "live"
    switch.connection.execute(f"ALTER TABLE {TASK} DISABLE TRIGGER bailey_beat_guard")
    switch.connection.execute(f"UPDATE {TASK} SET enabled = true WHERE name = 'a'")
    switch.connection.execute(f"ALTER TABLE {TASK} ENABLE TRIGGER bailey_beat_guard")
    run(switch, "a", tick + 20.5)
    assert switch.ask("p", tick + 20, "r2")["how"] == "closing"
    assert settle(switch)["answer"] == "settled"
    assert switch.ask("p", tick + 20, "r2")["mode"] == "shadow"
    again = switch.ask("p", tick + 10, "r1")
    assert again["mode"] == "live", again
    assert switch.ask("p", tick + 30, "r3")["mode"] == "live"


def test_what_the_application_decides_while_it_closes_ends_the_closing(switch: Switch, tick: float) -> None:
    one = model()
    assert close(switch)["answer"] == "closed"
    one = model()
    one.enabled = False
    one.save()
    assert settle(switch)["answer"] == "disabled"
    assert switch.give_back("p", only_closing=True)["answer"] == "given"
    row = switch.row("a")
    assert not row["enabled"] and row["start_time"] is None
    one.enabled, one.last_run_at = True, datetime.fromtimestamp(tick, timezone.utc)
    one.save()
    assert close(switch)["answer"] == "closed"
    one = model()
    one.args = "[1]"
    one.save()
    assert settle(switch)["answer"] == "redefined"
    assert switch.give_back("p", only_closing=True)["answer"] == "given"
    row = switch.row("a")
    assert row["enabled"] and row["args"] == "[1]" and row["start_time"] is None


def test_what_was_read_while_the_clock_was_taken_away_does_not_take_it_away_again(switch: Switch, tick: float) -> None:
    assert close(switch)["answer"] == "closed"
    closing = model()
    assert settle(switch)["answer"] == "settled"
    moved_away = model()
    assert switch.give_back("p")["answer"] == "given"
    closing.save()
    assert model().enabled and model().start_time is None
    # This one is not to be told from the application's own will, so that it is shown.
    moved_away.save()
    status = switch.call("status", "d", ["p"], 0)["pipelines"]["p"]
    assert not model().enabled and status["entries"][0]["disabled"]
    one = model()
    one.enabled = True
    one.save()
    assert not switch.call("status", "d", ["p"], 0)["pipelines"]["p"]["entries"][0]["disabled"]


def test_a_start_time_that_the_application_writes_meanwhile_is_the_rows(switch: Switch, tick: float) -> None:
    moved(switch)
    one = model()
    wanted = datetime(2027, 5, 1, tzinfo=timezone.utc)
    one.enabled, one.start_time = True, wanted
    one.save()
    assert switch.row("a")["start_time"].startswith("2100")
    assert switch.give_back("p")["answer"] == "given"
    assert model().start_time == wanted and model().enabled


def test_a_row_that_is_deleted_runs_on_and_stays_deleted_unless_it_is_asked_for(switch: Switch, tick: float) -> None:
    moved(switch)
    model().delete()
    assert switch.ask("p", tick + 30, "r")["mode"] == "live"
    assert switch.give_back("p")["gone"] == ["a"]
    assert switch.connection.execute(f"SELECT count(*) FROM {TASK} WHERE name = 'a'").fetchone() == (0,)
    make("a")
    run(switch, "a", tick + 0.03)
    moved(switch)
    model().delete()
    assert switch.call("give_back", "d", "p", None, True, False)["gone"] == ["a"]
    assert model().enabled and model().last_run_at == datetime.fromtimestamp(tick + 30, timezone.utc)


def test_a_row_that_is_created_anew_is_held(switch: Switch, tick: float) -> None:
    moved(switch)
    model().delete()
    make("a")
    assert switch.row("a")["start_time"].startswith("2100")
    assert switch.ask("p", tick + 30, "r")["how"] == "closing"
    assert settle(switch)["answer"] == "settled"
    assert switch.ask("p", tick + 30, "r")["mode"] == "live"
    assert switch.give_back("p")["answer"] == "given"
    assert model().enabled and model().start_time is None


def test_a_tick_that_was_left_to_legacy_is_to_be_run_by_it(switch: Switch, tick: float) -> None:
    assert switch.ask("p", tick + 30, "r")["how"] == "no-switch"
    assert close(switch)["answer"] == "closed"
    found = settle(switch)
    assert (found["answer"], found["tick"]) == ("shadowed", round((tick + 30) * 1e6))
    assert switch.give_back("p", only_closing=True)["answer"] == "given"
    run(switch, "a", tick + 30.2)
    moved(switch)
    assert switch.give_back("p")["answer"] == "given"
    # The tick that was due last, too, though nobody asked for it.
    assert close(switch, told=round((tick + 35) * 1e6))["answer"] == "closed"
    assert settle(switch)["answer"] == "shadowed"


def test_a_bounded_window_is_given_back_by_the_gate_of_its_last_tick(switch: Switch, tick: float) -> None:
    moved(switch, ticks=1)
    assert switch.ask("p", tick + 30, "r1")["mode"] == "live"
    row = switch.row("a")
    assert row["enabled"] and row["last_run_at"].startswith(
        datetime.fromtimestamp(tick + 30, timezone.utc).isoformat()[:19]
    )
    assert switch.ask("p", tick + 31, "r2")["mode"] == "shadow"
    assert switch.ask("p", tick + 30, "r1")["mode"] == "live"


def test_what_is_retired_is_given_back_by_nobody_and_leaves_its_row_disabled(switch: Switch, tick: float) -> None:
    def retire(deed: str) -> Any:
        fence = switch.call("status", "d", ["p"], 0)["pipelines"]["p"]["switch"]["fence"]
        return switch.call("retire", "d", "p", fence, deed)["answer"]

    moved(switch, ticks=5)
    assert retire("mark") == "bounded"
    assert switch.give_back("p")["answer"] == "given"
    assert retire("mark") == "not-mine"
    moved(switch)
    assert retire("finish") == "unmarked"
    assert retire("mark") == "done"
    assert switch.give_back("p")["answer"] == "retiring"
    assert retire("unmark") == "done"
    switch.connection.execute(f"UPDATE {TASK} SET enabled = true WHERE name = 'a'")
    assert retire("mark") == "started"
    assert switch.ask("p", tick + 30, "r")["how"] == "closing"
    assert settle(switch)["answer"] == "settled"
    assert retire("mark") == "done" and retire("finish") == "done"
    assert not model().enabled and model().start_time is None
    for table in ("switch", "entry", "windows", "claim", "asked"):
        assert switch.connection.execute(f"SELECT count(*) FROM bailey_beat.{table}").fetchone() == (0,), table
    # Nothing is held any more.
    one = model()
    one.enabled = True
    one.save()
    assert model().enabled and model().start_time is None


def test_a_group_moves_whole_or_not_at_all(switch: Switch, tick: float) -> None:
    order = switch.order(["a", "b"], longest=0.3)
    switch.connection.execute(f"UPDATE {TASK} SET args = '[2]' WHERE name = 'b'")
    before = [switch.row(name) for name in ("a", "b")]
    assert switch.call("close", "d", "p", order)["answer"] == "changed"
    assert [switch.row(name) for name in ("a", "b")] == before
    assert close(switch, "a", "b")["answer"] == "closed"
    assert switch.close("q", ["b"])["answer"] in ("held", "changed")
    run(switch, "a", time.time() + 1)
    assert settle(switch)["answer"] == "uneven"
    assert switch.give_back("p", only_closing=True)["answer"] == "given"
    assert all(switch.row(name)["enabled"] and switch.row(name)["start_time"] is None for name in ("a", "b"))


def test_without_a_beat_everything_is_given_back(switch: Switch, tick: float, monkeypatch: pytest.MonkeyPatch) -> None:
    before = switch.row("a")
    assert close(switch)["answer"] == "closed"
    switch.connection.execute("UPDATE bailey_beat.switch SET closed_at = closed_at - interval '1 hour'")
    assert switch.call("settle", "d", "p")["answer"] == "undriven"
    # A gate gives it back, too.
    assert switch.ask("p", tick + 40, "r")["mode"] == "shadow"
    assert switch.row("a") == before
    assert switch.connection.execute(f"SELECT count(*) FROM {TASK} WHERE task = 'bailey.witness'").fetchone() == (0,)


def test_a_beat_that_disables_a_witness_which_is_gone_is_not_hurt(switch: Switch, tick: float) -> None:
    from django_celery_beat.models import IntervalSchedule, PeriodicTask

    assert close(switch)["answer"] == "closed"
    switch.tell()
    witness = PeriodicTask.objects.get(task="bailey.witness")
    assert switch.give_back("p", only_closing=True)["answer"] == "given"
    assert not PeriodicTask.objects.filter(task="bailey.witness").exists()
    # As its scheduler does with what it has loaded.
    witness.no_changes, witness.enabled = True, False
    witness.save()
    assert switch.call("sweep", "d")["count"] == 1
    assert IntervalSchedule.objects.count() == 1
    switch.connection.execute("UPDATE bailey_beat.beat SET told_at = told_at - interval '1 hour'")
    switch.call("sweep", "d")
    assert IntervalSchedule.objects.count() == 0


def test_one_installation_of_airflow_runs_the_ticks(switch: Switch, tick: float) -> None:
    moved(switch)
    assert switch.ask("p", tick + 30, "r", installation="blue")["mode"] == "live"
    assert switch.ask("p", tick + 40, "r2", installation="green")["how"] == "other-installation"
    assert switch.ask("p", tick + 30, "r", installation="green")["mode"] == "skip"


def test_an_application_that_has_a_row_locked_is_waited_for_and_never_hurt(
    switch: Switch, database: str, tick: float
) -> None:
    with psycopg.connect(database) as application:
        application.execute(f"UPDATE {TASK} SET description = 'x' WHERE name = 'a'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            switch.connection.execute("SELECT bailey_beat.close('d', 'p', %s)", (switch.order(["a"]),))
        application.execute("UPDATE django_celery_beat_periodictasks SET last_update = now()")
    assert close(switch)["answer"] == "closed"


def test_a_mark_that_another_clock_had_set_ahead_grows_all_the_same(switch: Switch, tick: float) -> None:
    ahead = datetime.now(timezone.utc) + timedelta(hours=1)
    marks = "django_celery_beat_periodictasks"
    switch.connection.execute(
        f"INSERT INTO {marks} VALUES (1, %s) ON CONFLICT (ident) DO UPDATE SET last_update = %s", (ahead, ahead)
    )
    assert close(switch)["answer"] == "closed"
    switch.tell()
    found = switch.connection.execute(f"SELECT last_update FROM {marks}").fetchone()
    assert found is not None and found[0] > ahead


def test_the_gate_asks_in_one_transaction_and_takes_no_answer_for_go(
    switch: Switch, database: str, tick: float
) -> None:
    at = datetime.fromtimestamp(tick + 30, timezone.utc)
    with psycopg.connect(database) as connection:
        assert django_switch.ask(connection, "d", "p", at, "r")["mode"] == "shadow"
        run(switch, "a", tick + 30)
        moved(switch)
        later = at + timedelta(seconds=10)
        assert django_switch.wait(connection, "d", "p", later, "r")["mode"] == "live"
        with psycopg.connect(database) as other:
            assert django_switch.wait(other, "d", "p", later, "another")["how"] == "claimed"
        far = at + timedelta(days=1)
        assert django_switch.ask(connection, "d", "p", far, "r")["how"] == "future"
        switch.connection.execute("CREATE ROLE stranger")
        connection.execute("SET ROLE stranger")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            django_switch.ask(connection, "d", "p", later, "r")
    switch.connection.execute("DROP ROLE stranger")
