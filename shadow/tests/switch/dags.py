"""The DAGs' side of the switch's tests: ticks, and the gates that decide them."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import redis

from testing.entry import Entry

if TYPE_CHECKING:
    from testing.world import World

# What is asked for so soon was not missed, in seconds.
IN_TIME = 0.9


class Airflow:
    """The DAGs' side: at each tick of each entry a run whose gate asks the switch, as a generated DAG's does."""

    def __init__(self, world: World, entries: list[Entry], *, twin: bool = False) -> None:
        from bailey_runtime.gate import Gate, Group

        self._world = world
        self._entries = entries
        self._pool = ThreadPoolExecutor(max_workers=4 * len(entries) + 16)
        self._stop = threading.Event()
        self.stalled = threading.Event()
        # What each run was told, by its tick: `live`, `coalesced`, `not-ours`, …
        self.told: dict[str, dict[float, str]] = {entry.name: {} for entry in entries}
        self.alerts: list[str] = []
        # Ticks whose run asked at once when they were due, by this side's clock: nothing may say of them that they were missed.
        self.in_time: dict[str, set[float]] = {entry.name: set() for entry in entries}
        # How far this side's clock is ahead, in seconds.
        self.skew = 0.0
        # Another Airflow with the same DAGs: the same ticks, the same run ids.
        self._twins = (
            {
                entry.name: Gate(
                    redis.Redis(port=world.network.port, socket_timeout=2, socket_connect_timeout=2),
                    Group(tuple(one.name for one in entry.everyone), world.prefix),
                    entry.policy,
                    installation="twin",
                )
                for entry in entries
            }
            if twin
            else {}
        )
        self._gates = {
            entry.name: Gate(
                redis.Redis(port=world.network.port, socket_timeout=2, socket_connect_timeout=2),
                Group(tuple(one.name for one in entry.everyone), world.prefix),
                entry.policy,
                late_after=entry.late_after,
                durable=world.durable,
                installation="airflow",
                now=lambda: time.time() + self.skew,
            )
            for entry in entries
        }
        self._threads = [threading.Thread(target=self._schedule, args=(entry,), daemon=True) for entry in entries]
        for thread in self._threads:
            thread.start()

    def decided(self, entry: Entry) -> set[float]:
        """Ticks that a claim recorded as run by nobody, by policy."""
        return {tick for tick, how in list(self.told[entry.name].items()) if how in ("coalesced", "dropped")}

    def wrongly_dropped(self, entry: Entry) -> list[float]:
        """Ticks that were asked for in time and are run by nobody all the same."""
        return sorted(self.decided(entry) & self.in_time[entry.name])

    def stop(self) -> None:
        """No new ticks; those under way are decided first."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._pool.shutdown(wait=True)

    def _schedule(self, entry: Entry) -> None:
        every = entry.seconds
        number = int((time.time() - entry.phase) // every) + 1
        while not self._stop.is_set():
            tick = entry.phase + number * every
            # In small steps: the clock may be set meanwhile.
            while (left := tick - self.skew - time.time()) > 0:
                if self._stop.wait(min(left, 0.5)):
                    return
            while self.stalled.is_set() and not self._stop.wait(0.05):
                pass
            self._pool.submit(self._run, entry, tick)
            number += 1

    def _run(self, entry: Entry, tick: float) -> None:
        run = f"{entry.pipeline}/{tick:.3f}"
        try:
            # When the run began, by this side's clock, however often it has to ask.
            began = time.time() + self.skew
            if began - tick < IN_TIME:
                self.in_time[entry.name].add(round(tick, 3))
            while True:
                answer = self._gates[entry.name].wait(
                    round(tick * 1_000_000), run, 5.0, since=round(began * 1_000_000), pause=0.1
                )
                self.alerts += answer.alerts
                if answer.mode != "wait":
                    break
                if self._world.ended.is_set():
                    self.alerts.append(f"undecided: {run}")
                    return
            if answer.mode == "live":
                run = {"side": "airflow", "at": tick, "ran_at": time.time()}
                mine = [one for one in entry.everyone if one.name not in answer.without]
                records = [json.dumps({"entry": one.name, **run}) for one in mine]
                self._world.records.rpush("runs", *records)
            self.told[entry.name][round(tick, 3)] = answer.how
            if entry.name in self._twins:
                name = f"{entry.pipeline}/{tick:.3f}"
                other = self._twins[entry.name].ask(round(tick * 1_000_000), name)
                if other.mode == "live":
                    self.alerts.append(f"broken: {name}: the other installation was told live")
        except Exception as error:  # A gate that breaks is a defect: told at the end.
            self.alerts.append(f"broken: {run}: {type(error).__name__}: {error}")
