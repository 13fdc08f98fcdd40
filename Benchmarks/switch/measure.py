"""Measures cutovers and rollbacks under a real beat: pipelines of one entry and one of five, moved over and back in turn.

Beat's loops are seen from outside: it extends its lock at the beginning of each. The longest one of the run, plus 200 ms, is the limit.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import statistics
import threading
import time

import redis
from moving import OVERRIDE

from testing.entry import Entry
from testing.server import wait_until
from testing.world import World, fresh_folder

ROUNDS = 20
MAX_INTERVAL = 5
OWN = 0.2
# How long a rollback waits for Redis' log, as `common.lua` says.
DURABLE = 1.1


class Loops:
    """When beat began each of its loops."""

    def __init__(self, world: World) -> None:
        # Kept, because a client that is collected closes its subscription's connection.
        self._client = world.server.client()
        self._client.config_set("notify-keyspace-events", "Kg")
        self.began: list[float] = []
        self._events = self._client.pubsub(ignore_subscribe_messages=True)
        self._events.subscribe(f"__keyspace@0__:{world.prefix}:lock")
        self._events.get_message(timeout=5)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with contextlib.suppress(redis.RedisError, ValueError):  # the server is gone at the end
            while True:
                event = self._events.get_message(timeout=1)
                if event is not None and event["data"] == b"expire":
                    self.began.append(time.time())

    def longest(self) -> float:
        return max(after - before for before, after in zip(self.began, self.began[1:]))

    def first_after(self, at: float) -> float:
        wait_until("the loop that ended the fence was seen", lambda: self.began and self.began[-1] > at)
        return next(began for began in self.began if began > at)


def timed(world: World, *words: str) -> tuple[float, dict[str, float]]:
    """Seconds of a whole command, and those from its decision to the end of each step."""
    start = time.monotonic()
    ended = world.bailey(*words, "--execute", "--json")
    seconds = time.monotonic() - start
    if ended.returncode != 0:
        raise SystemExit(f"bailey {' '.join(words)} ended with {ended.returncode}: {ended.stderr}")
    [pipeline] = json.loads(ended.stdout)["pipelines"]
    return seconds, {step["step"]: float(step["seconds"]) for step in pipeline["steps"]}


def line(name: str, seconds: list[float], wanted: str = "") -> None:
    print(
        f"{name:<46} median {statistics.median(seconds) * 1000:6.0f} ms, longest {max(seconds) * 1000:6.0f} ms{wanted}"
    )


def measure(world: World, pipelines: list[tuple[str, str]]) -> bool:
    loops = Loops(world)
    settled: list[float] = []
    own: list[float] = []
    back: list[float] = []
    commands: list[float] = []
    switches = world.server.client(decode_responses=True)
    time.sleep(2 * MAX_INTERVAL)
    for number in range(ROUNDS):
        pipeline, entry = pipelines[number % len(pipelines)]
        _, steps = timed(world, "cutover", pipeline, *OVERRIDE)
        settled.append(steps["settle"])
        closed = int(switches.hget(f"bailey:switch:{{{world.prefix}{entry}}}", "closed_at")) / 1e6
        fence = loops.first_after(closed) - closed
        own.append(steps["settle"] - fence)
        seconds, steps = timed(world, "rollback", pipeline)
        # Between the two it waits until Redis has the end of the window on disk.
        waited = max(0.0, min(steps["give-back"] - steps["bound"], DURABLE))
        back.append(steps["give-back"] - waited)
        commands.append(seconds - waited)
    time.sleep(MAX_INTERVAL)
    limit = loops.longest() + OWN
    print(
        f"{ROUNDS} cutovers and rollbacks, of one entry and of five; beat's longest loop {loops.longest() * 1000:.0f} ms"
    )
    line("decision to a settled switch", settled, f" (wanted: at most that loop and 200 ms, {limit * 1000:.0f} ms)")
    line("  of it bailey's own, without beat's loop", own, " (wanted: under 200 ms)")
    print(f"a rollback waits {DURABLE * 1000:.0f} ms for Redis' log; without that")
    line("decision to legacy has its clock back", back, " (wanted: under 200 ms)")
    line("the whole command bailey rollback", commands, " (wanted: under 200 ms)")
    return max(settled) <= limit and max(own) < OWN and max(back) < OWN and max(commands) < OWN


def main() -> None:
    names = ["lone1", "lone2", "lead", "two", "three", "four", "five"]
    # Beat is to have something to do, and an entry that is moved is not due meanwhile: no moment is waited for.
    entries = [Entry(name, "3600", static=place % 2 == 0) for place, name in enumerate(names)]
    entries.append(Entry("busy", "2", static=True))
    folder = fresh_folder("timing")
    world = World(folder, entries, max_interval=MAX_INTERVAL)
    with world.running():
        absorbed = [entry for entry in entries if entry.name in names[3:]]
        for entry in absorbed:
            (folder / "mappings" / f"{entry.name}.yaml").unlink()
        (folder / "mappings" / "lead.yaml").write_text(
            "pipeline: p-lead\nclock: scheduler/lead\n"
            f"absorbs: [{', '.join(f'scheduler/{entry.name}' for entry in absorbed)}]\n"
            "tasks:\n  run:\n    entry: scheduler/lead\n",
            encoding="utf-8",
        )
        holds = measure(world, [("p-lone1", "lone1"), ("p-lead", "lead"), ("p-lone2", "lone2"), ("p-lead", "lead")])
    shutil.rmtree(folder, ignore_errors=True)
    if not holds:
        raise SystemExit("something took longer than wanted")


if __name__ == "__main__":
    main()
