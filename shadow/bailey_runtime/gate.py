"""The gate: asks the switch who owns a tick, and says so. It needs Redis, not Airflow.

One look never sleeps; whoever asks decides how long to go on. No answer never means go.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import Any, Callable, Literal

from redis.exceptions import RedisError

from . import switch_steps
from .switch import Group, Switch, SwitchError

__all__ = ["Answer", "Gate", "Group", "SwitchError"]

_LOG = logging.getLogger("bailey.gate")
# One look takes a few calls: to claim, to repark, to settle, to claim.
_MOST_CALLS = 8


@dataclass(frozen=True)
class Answer:
    """Who owns a tick.

    `mode`: `live` runs the bodies, `shadow` shadows them, `skip` runs nothing, `wait` is no answer yet.
    `how`: `live`; of skip `coalesced`, `dropped`, `claimed` (by another run) or `trimmed`; of shadow `no-switch` or
    `not-ours`; of wait `closing`, `mixed`, `future`, `moving` or `away`. `retry_at` is in µs, where the switch knows it.
    """

    mode: Literal["live", "shadow", "skip", "wait"]
    how: str
    note: str = ""
    fence: str = ""
    again: bool = False
    retry_at: int | None = None
    alerts: tuple[str, ...] = ()


class Gate:
    """Asks for one group of entries.

    `policy` is for ticks that nobody was up to run in time: `coalesce`, `every` or `none`; `late_after`, in seconds, is when
    a tick counts as missed, for `none` only. `timezone` is the Celery application's. With `durable` seconds, `wait` looks
    again that much later before it answers `live` or `shadow`: a Redis that loses its last second then cannot lose the answer.
    """

    def __init__(
        self,
        client: Any,
        group: Group,
        policy: Literal["coalesce", "every", "none"] = "coalesce",
        *,
        late_after: float | None = None,
        timezone: str = "UTC",
        durable: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._switch = Switch(client, group)
        self._policy = policy
        self._late_after = None if late_after is None else round(late_after * 1_000_000)
        self._timezone = timezone
        self._durable = durable
        self._clock = clock
        self._sleep = sleep

    def ask(self, tick: int, run: str, since: int | None = None) -> Answer:
        """One look for a tick (µs) of a run; the same run may ask again and is told the same.

        `since` is when the run began to ask (µs): a tick that became late only by waiting for the switch was not missed.
        Raises SwitchError if asking again is of no use.
        """
        alerts: list[str] = []
        try:
            answer = self._ask(tick, run, since, alerts)
        except RedisError as error:
            answer = Answer("wait", "away", f"Redis gives no answer: {type(error).__name__}: {error}")
        except ValueError as error:
            answer = Answer("wait", "moving", f"what legacy wrote cannot be read: {error}")
            alerts.append(answer.note)
        return replace(answer, alerts=tuple(alerts))

    def wait(self, tick: int, run: str, limit: float, *, since: int | None = None, pause: float = 0.25) -> Answer:
        """Asks until there is an answer, for `limit` seconds at most; its mode is `wait` if there was none.

        The pauses grow from `pause` to two seconds.
        """
        ends = self._clock() + limit
        alerts: list[str] = []
        said = ""
        while True:
            answer = self.ask(tick, run, since)
            alerts += [alert for alert in answer.alerts if alert not in alerts]
            # A Redis that comes back without its last second may have forgotten that this tick was told to be legacy's, or that legacy
            # had its clock back: Airflow's window could then hold a tick whose run will not ask again.
            unsure = answer.mode == "shadow" and said != answer.how
            if self._durable and (unsure or (answer.mode == "live" and not answer.again)):
                said = answer.how
                self._sleep(self._durable)
                continue
            if answer.mode != "wait" or self._clock() + pause > ends:
                return replace(answer, alerts=tuple(alerts))
            self._sleep(pause)
            pause = min(pause * 1.5, 2)

    def _ask(self, tick: int, run: str, since: int | None, alerts: list[str]) -> Answer:
        late = "" if self._late_after is None else str(self._late_after)
        if since is not None and self._late_after is not None and since - tick <= self._late_after:
            late = ""
        for _ in range(_MOST_CALLS):
            word, *rest = self._switch.call("claim", str(tick), run, self._policy, late)
            if word in ("live", "coalesced", "dropped"):
                note, ended, fence = rest
                if ended:
                    self._end_window(fence, alerts)
                gone = "the legacy entry is gone" if note == "gone" else ""
                mode: Literal["live", "skip"] = "live" if word == "live" else "skip"
                return Answer(mode, word, gone, fence, again=note == "again")
            if word == "skip":
                other, how, _at = rest
                if how == "trimmed":
                    return Answer("skip", "trimmed", "too old a tick to say who ran it")
                return Answer("skip", "claimed", f"{other} has this tick ({how})")
            if word == "shadow":
                why, ended, fence = rest
                if ended:
                    self._end_window(fence, alerts)
                return Answer("shadow", why, "", fence)
            if word == "closing":
                waiting = self._settle(rest[1], alerts)
                if waiting is not None:
                    return waiting
            elif word == "unparked":
                self._repark(rest[1], alerts)
            elif word == "mixed":
                note = f"entry {rest[0]} of the group is {rest[1]}, the first is airflow"
                return Answer("wait", "mixed", note)
            elif word == "denied":
                return Answer("wait", "future", "the tick is more than a minute ahead of Redis' clock")
            else:
                raise SwitchError(f"the switch answered {word!r} to a claim, which this version does not know")
        return Answer("wait", "moving", "the switch changed at every look")

    def _settle(self, fence: str, alerts: list[str]) -> Answer | None:
        """Settles a switch whose fence has passed; the answer to give if it has not, None to ask again."""
        entries = self._switch.status()
        if entries[0].text("state") != "closing":
            return None
        word, *rest = self._switch.call("settle", *switch_steps.settle(entries, fence))
        if word == "waiting":
            retry_at = int(rest[1]) if rest[1] else None
            return Answer("wait", "closing", f"the fence waits for {rest[0]}", fence, retry_at=retry_at)
        if word == "reopened":
            self._alert(alerts, f"a beat start had enabled entry {rest[0]} again; it is closed once more")
            return Answer("wait", "closing", "the fence begins anew", fence)
        if word == "redefined":
            self._repark(fence, alerts)
        elif word == "uneven":
            self._alert(alerts, f"legacy fired {rest[0]} of the entries after the close and not the others: given back")
            self._give_back(fence)
        elif word == "gone":
            self._alert(alerts, f"entry {rest[0]} was deleted while it was being closed: given back")
            self._give_back(fence)
        elif word == "denied":
            note = f"the clock of entry {rest[0]} is in the far future, and not by Bailey's hand"
            self._alert(alerts, note)
            return Answer("wait", "closing", note, fence)
        return None

    def _repark(self, fence: str, alerts: list[str]) -> None:
        word, *rest = self._switch.call("repark", *switch_steps.repark(self._switch.status(), fence))
        if word == "ok" and rest[0] == "closing":
            self._alert(alerts, "something restarted the legacy clock; it is being parked again")
        elif word == "ok" and rest[0] == "tidied":
            self._alert(
                alerts, "something enabled the legacy entry again while its clock stood; it is closed once more"
            )

    def _give_back(self, fence: str) -> bool:
        for _ in range(_MOST_CALLS):
            arguments = switch_steps.give_back(self._switch.status(), fence, self._timezone)
            word, *rest = self._switch.call("give_back", *arguments)
            if word == "ok":
                return True
            if word != "changed" or rest[1] == "fence":
                return False
        return False

    def _end_window(self, fence: str, alerts: list[str]) -> None:
        """The last tick of a bounded window is decided: legacy has its clock back. The next gate tries again if this fails."""
        try:
            if not self._give_back(fence):
                self._alert(alerts, "the window has ended, but the entry could not be given back yet")
        except (RedisError, ValueError) as error:
            self._alert(alerts, f"the window has ended, but the entry could not be given back yet: {error}")

    def _alert(self, alerts: list[str], text: str) -> None:
        _LOG.warning("%s", text)
        alerts.append(text)
