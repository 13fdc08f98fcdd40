"""Random histories of one switch, which is lost again and again: whoever asks late, each tick is decided once, by one side."""

from __future__ import annotations

import json
import random

import pytest
from gates import SECOND, gate
from legacy_redis import Legacy

from bailey_runtime import redbeat_bytes, switch_steps
from bailey_runtime.switch import packed

STEPS = 50
# Between a tick and the time at which its run asks, in ticks.
LATEST = 25


class History:
    """An entry that is due each second, in a past that goes on a second at a time; Redis's own clock only says what is not too far ahead."""

    def __init__(self, it: Legacy, seed: int) -> None:
        self.it = it
        self.chance = random.Random(seed)
        self.key, self.switch, self.claims = it.keys[0], "bailey:switch:{redbeat:one}", "bailey:claims:{redbeat:one}"
        self.now = self.begin = it.now - 3600 * SECOND
        it.fire(self.key, self.begin)
        self.legacy: dict[int, int] = {}
        self.airflow: dict[int, int] = {}
        self.pending: dict[int, int] = {}
        self.said: dict[str, int] = {}

    def state(self) -> str:
        return (self.it.client.hget(self.switch, "state") or b"").decode()

    def stands(self) -> bool:
        return redbeat_bytes.last_run(self.it.meta()) == redbeat_bytes.PARKED_AT

    def pass_time(self) -> None:
        """A tick falls due: beat fires it if it may, and its run will ask at some time."""
        self.now += SECOND
        self.pending[self.now] = self.now + self.chance.choice((0, 0, 0, 1, 3, LATEST)) * SECOND
        if self.chance.random() < 0.8:
            self.beat()
        for tick in sorted(tick for tick, at in self.pending.items() if at <= self.now):
            self.ask(tick)

    def beat(self) -> None:
        last = redbeat_bytes.last_run(self.it.meta())
        if not self.it.definition()["enabled"] or last is None or last >= self.now:
            return
        for tick in range(last + SECOND, self.now + 1, SECOND):
            self.legacy[tick] = self.legacy.get(tick, 0) + 1
        self.it.fire(self.key, self.now)

    def ask(self, tick: int) -> None:
        self.it.extend_lock()
        answer = gate(self.it, "every").ask(tick, f"d/{tick}", since=tick)
        self.said[answer.how] = self.said.get(answer.how, 0) + 1
        if answer.mode == "live" and not answer.again:
            self.airflow[tick] = self.airflow.get(tick, 0) + 1
        if answer.mode != "wait":
            del self.pending[tick]

    def cut_over(self) -> None:
        if self.state() in ("closing", "airflow") or self.stands():
            return
        # Legacy has just run, as a cutover waits for.
        self.beat()
        self.it.client.pexpire("redbeat::lock", 25_000)
        reply = self.it.close(ticks=self.chance.choice(("", "", "2")))
        assert reply[0] in ("ok", "due"), reply
        if reply[0] == "ok" and self.chance.random() < 0.7:
            self.it.extend_lock()
            reply = self.it.switch.call("settle", *switch_steps.settle(self.it.switch.status(), reply[2]))
            assert reply[0] == "ok", reply

    def roll_back(self) -> None:
        status = self.it.switch.status()
        if self.state() in ("closing", "airflow"):
            assert self.it.switch.call("give_back", *switch_steps.give_back(status, "", "UTC"))[0] == "ok"
        elif self.stands():
            self.restore()
        elif self.state() == "" and not self.it.definition()["enabled"]:
            # Lost before it was settled: legacy's own clock stays.
            self.it.client.hset(self.key, "definition", redbeat_bytes.opened(status[0].definition, b"{}"))

    def restore(self) -> None:
        """As `bailey rollback` computes it."""
        (entry,) = self.it.switch.status()
        kept = self.it.client.hgetall(self.claims)
        claimed = max((int(name) for name in kept if name.isdigit()), default=0)
        last = max(claimed, int(kept.get(b"decided", b"0")))
        meta = redbeat_bytes.with_last_run(b'{"total_run_count": 3}', last, "UTC")
        opened = redbeat_bytes.opened(entry.definition, b"{}")
        assert (
            self.it.switch.call("restore", packed(entry.definition), packed(entry.meta), opened, meta, "1")[0] == "ok"
        )

    def lose(self) -> None:
        self.it.client.delete(self.switch)

    def save(self) -> None:
        definition = self.it.definition()
        if self.state() == "airflow":
            self.it.client.hset(self.key, "definition", json.dumps({**definition, "enabled": True}))

    def run(self) -> None:
        for _ in range(STEPS):
            self.pass_time()
            what = self.chance.choice(
                (self.cut_over, self.cut_over, self.roll_back, self.lose, self.save, None, None, None)
            )
            if what is not None:
                what()
        # Everything is legacy's at last, and everybody asks.
        self.roll_back()
        self.now += SECOND
        for tick in sorted(self.pending):
            self.ask(tick)
        self.roll_back()
        for tick in sorted(self.pending):
            self.ask(tick)
        self.beat()


@pytest.mark.parametrize("seed", range(8))
def test_each_tick_is_decided_once(legacy, seed) -> None:
    history = History(legacy(), seed)
    history.run()
    assert history.pending == {}, history.said
    due = range(history.begin + SECOND, history.now + 1, SECOND)
    decided = {tick: history.legacy.get(tick, 0) + history.airflow.get(tick, 0) for tick in due}
    wrong = {(tick - history.begin) // SECOND: number for tick, number in decided.items() if number != 1}
    assert wrong == {}, history.said
