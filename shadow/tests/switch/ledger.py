"""Judges what ran: every tick once, by one side. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

# Beat's and the tasks' own lateness within one tick, in seconds.
SLACK = 0.05
# How far beat's and the application's clocks may be off, and how long a program takes from reading its clock to writing, in seconds.
CLOCKS = 3.0


@dataclass(frozen=True)
class Run:
    """One execution. `at` is its place in time: for legacy when beat fired, by beat's clock; for a DAG the tick.

    `ran_at` is when it ran. `went_on_from` is the last run that beat found in the entry: a fire stands for every tick after that.
    """

    side: str
    at: float
    ran_at: float
    went_on_from: float | None = None


@dataclass
class Verdict:
    """What was found wrong with one entry; and what was right, counted."""

    runs: int = 0
    twice: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    excused: list[str] = field(default_factory=list)
    coalesced: int = 0
    listed: list[str] = field(default_factory=list)


def judge_interval(
    every: float,
    phase: float,
    runs: list[Run],
    decided: set[float],
    created: list[float],
    unsent: list[float],
    outages: list[tuple[float, float]],
    until: float,
    absorbed: bool = False,
) -> Verdict:
    """An entry that is due so long after each run; the DAG's ticks stand on a grid with a phase.

    An `absorbed` one runs whenever its driver does: its first run in Airflow may lie nearer to legacy's last, or further from it, than its interval.

    `decided`: ticks that a claim recorded as coalesced or dropped. `created`: the clocks that entries were created with, by the application or by a beat's start: what would
    have been due before such a clock is due by none, and legacy's runs follow it, not what ran before. `unsent`: fires of a beat that died after it had noted them and before it had sent the message, or lost the message. `outages`: spans whose records the store lost; legacy itself repeats what it fired in them.
    """
    found = Verdict(runs=len(runs), coalesced=len(decided), listed=[f"{tick:.3f}" for tick in sorted(decided)])
    ordered = sorted(runs, key=lambda run: run.at)
    half = every / 2
    for before, run in zip(ordered, ordered[1:]):
        if absorbed and _moves_over(before, run):
            continue
        clock = max([at for at in created if at <= run.at + SLACK], default=0.0)
        # A claim that was coalesced into a live run is no run, and its tick is decided all the same.
        last_decided = max([tick for tick in decided if tick <= run.at + SLACK], default=0.0)
        last_unsent = max([at for at in unsent if at <= run.at + SLACK], default=0.0)
        known = max(before.at, clock, last_decided, last_unsent)
        where = f"{run.side} {run.at:.3f} after {before.side} {before.at:.3f}"
        if run.at - before.at < half - SLACK:
            if before.side == "legacy" and any(start <= before.ran_at <= end for start, end in outages):
                found.excused.append(f"{where}: legacy repeats a run of which its store lost the record")
            elif _repeats_what_was_forgotten(before, run, outages):
                found.excused.append(f"{where}: the DAG repeats a run of which legacy's store lost the record")
            elif _goes_by_a_new_clock(before, run) and clock > before.at - every - CLOCKS:
                found.excused.append(f"{where}: a clock that was created with {clock:.3f}")
            else:
                found.twice.append(f"{where}: {run.at - before.at:.3f} s apart, due every {every:g} s")
        elif run.side == "legacy":
            if run.went_on_from is not None and run.went_on_from > known + half + SLACK:
                found.lost.append(f"{where}: beat went on from {run.went_on_from:.3f}")
        else:
            for tick in _grid(known + half + SLACK, run.at - SLACK, every, phase):
                if not any(abs(tick - other) < SLACK for other in decided):
                    found.lost.append(f"{where}: the tick {tick:.3f} is nobody's")
    if ordered and ordered[-1].at < until - 3 * every - 5:
        found.lost.append(f"nothing ran after {ordered[-1].at:.3f}; the test ended at {until:.3f}")
    return found


def _repeats_what_was_forgotten(one: Run, other: Run, outages: list[tuple[float, float]]) -> bool:
    """Whether legacy ran in a span whose records its store lost, and the DAG ran after it: nothing was there any more that said so."""
    if other.side != "legacy" or one.side == "legacy":
        return False
    return one.ran_at > other.ran_at and any(start <= other.ran_at <= end for start, end in outages)


def _goes_by_a_new_clock(before: Run, run: Run) -> bool:
    """Whether the one that ran last is legacy's: a clock that was created in between may have made it due. Clocks that are off place the two the other way round."""
    return run.side == "legacy" or (before.side == "legacy" and run.ran_at < before.ran_at)


def _moves_over(one: Run, other: Run) -> bool:
    """Whether two runs are legacy's last and Airflow's first, which a beat whose clock is ahead may place the other way round."""
    if one.side == other.side:
        return False
    legacy, airflow = (one, other) if one.side == "legacy" else (other, one)
    return legacy.ran_at < airflow.ran_at


def judge_minutes(
    runs: list[Run],
    decided: set[float],
    unsent: list[float],
    outages: list[tuple[float, float]],
    created: list[float],
    begin: float,
    until: float,
) -> Verdict:
    """An entry that is due each minute: each minute is covered once, by a fire of beat, a live claim, or a recorded claim.

    `created`: the clocks that the entry was created with. What is created just before a tick that a DAG's faster clock has run already is due
    by it again, and beat may fire it before anybody can have parked it.
    """
    found = Verdict(runs=len(runs), coalesced=len(decided), listed=[f"{tick:.3f}" for tick in sorted(decided)])
    covered: dict[int, list[Run]] = {}
    for run in runs:
        last = int((run.at + SLACK) // 60)
        covered.setdefault(last, []).append(run)
    first = int(begin // 60) + 1
    for minute in range(first, int((until - 20) // 60) + 1):
        mine = covered.get(minute, [])
        if len(mine) > 1:
            text = f"minute {minute * 60}: " + ", ".join(f"{run.side} {run.at:.3f}" for run in mine)
            excused = any(run.side == "legacy" and start <= run.ran_at <= end for run in mine for start, end in outages)
            if excused:
                found.excused.append(f"{text}: legacy repeats a run of which its store lost the record")
            elif _created_after(mine, minute * 60.0, created):
                found.excused.append(f"{text}: a clock that was created when the DAG had run this tick")
            else:
                found.twice.append(text)
        if not mine and minute * 60.0 not in decided:
            tick = minute * 60.0
            # One late fire stands for all minutes since the last run.
            late = [run for run in runs if run.side == "legacy" and run.at >= tick and (run.went_on_from or 0) < tick]
            if late or any(int(at // 60) == minute for at in unsent):
                found.coalesced += 1
            else:
                found.lost.append(f"minute {minute * 60} is nobody's")
    return found


def _created_after(runs: list[Run], tick: float, created: list[float]) -> bool:
    """Whether one run of each side met at a tick, the DAG's first, and a clock was created in the moment before legacy's."""
    if sorted(run.side for run in runs) != ["airflow", "legacy"]:
        return False
    airflow, legacy = sorted(runs, key=lambda run: run.side)
    return airflow.ran_at < legacy.ran_at and any(tick - CLOCKS < clock <= legacy.at + SLACK for clock in created)


def _grid(after: float, before: float, every: float, phase: float) -> list[float]:
    number = int((after - phase) // every) + 1
    ticks = []
    while phase + number * every < before:
        ticks.append(phase + number * every)
        number += 1
    return ticks
