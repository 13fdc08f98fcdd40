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
# How long a claim waits for replicas. One that is further behind is refused before a cutover.
_FOLLOW_SECONDS = 2.0


@dataclass(frozen=True)
class Answer:
    """Who owns a tick.

    `mode`: `live` runs the bodies, `shadow` shadows them, `skip` runs nothing, `wait` is no answer yet.
    `how`: `live`; of skip `coalesced`, `dropped`, `claimed` (by another run) or `trimmed`; of shadow `no-switch`,
    `not-ours` or `other-installation`; of wait `closing`, `mixed`, `lost`, `future`, `moving` or `away`. `retry_at` is in µs, where the switch knows it.
    `without` names entries of the group that legacy ran by itself at this tick: a live run leaves their tasks to it.
    `into` is the run that stands for a tick that was coalesced; empty where the switch does not know it.
    """

    mode: Literal["live", "shadow", "skip", "wait"]
    how: str
    note: str = ""
    fence: str = ""
    again: bool = False
    retry_at: int | None = None
    into: str = ""
    alerts: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


class Gate:
    """Asks for one group of entries.

    `policy` is for ticks that nobody was up to run in time: `coalesce`, `every` or `none`; `late_after`, in seconds, is when
    a tick counts as missed, for `none` only. `timezone` is the Celery application's. With `durable` seconds, `wait` looks
    again that much later before it answers `live` or `shadow`: a Redis that loses its last second then cannot lose the answer.
    `installation` names the Airflow that asks; `now`, in seconds since the epoch, is the clock that its ticks come from.
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
        installation: str = "",
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._switch = Switch(client, group)
        self._entries = group.entries
        self._policy = policy
        self._late_after = None if late_after is None else round(late_after * 1_000_000)
        self._timezone = timezone
        self._durable = durable
        self._installation = installation
        self._now = now
        self._clock = clock
        self._sleep = sleep

    def ask(self, tick: int, run: str, since: int | None = None, *, cleared: bool = False) -> Answer:
        """One look for a tick (µs) of a run; the same run may ask again and is told the same.

        `since` is when the run began to ask (µs, by Airflow's clock; now if left out): a tick that became late only by waiting for
        the switch was not missed. A run of the same name that began later is another run, made by an Airflow that has forgotten the first,
        unless a person has `cleared` it.
        Raises SwitchError if asking again is of no use.
        """
        return self._look(tick, run, since, since is not None and not cleared)

    def _look(self, tick: int, run: str, since: int | None, once: bool) -> Answer:
        alerts: list[str] = []
        try:
            answer = self._ask(tick, run, since, once, alerts)
        except RedisError as error:
            answer = Answer("wait", "away", f"Redis gives no answer: {type(error).__name__}: {error}")
        except ValueError as error:
            answer = Answer("wait", "moving", f"what legacy wrote cannot be read: {error}")
            alerts.append(answer.note)
        return replace(answer, alerts=tuple(alerts))

    def wait(
        self,
        tick: int,
        run: str,
        limit: float,
        *,
        since: int | None = None,
        cleared: bool = False,
        pause: float = 0.25,
    ) -> Answer:
        """Asks until there is an answer, for `limit` seconds at most; its mode is `wait` if there was none.

        The pauses grow from `pause` to two seconds.
        """
        ends = self._clock() + limit
        once = since is not None and not cleared
        since = self._began(since)
        alerts: list[str] = []
        said = ""
        while True:
            answer = self._look(tick, run, since, once)
            alerts += [alert for alert in answer.alerts if alert not in alerts]
            # A Redis that comes back without its last second may have forgotten that this tick was told to be legacy's, or that legacy
            # had its clock back: Airflow's window could then hold a tick whose run will not ask again.
            unsure = answer.mode == "shadow" and said != answer.how
            if self._durable and (unsure or (answer.mode == "live" and not answer.again)):
                said = answer.how
                self._sleep(self._durable)
                continue
            if answer.mode == "live" and self._durable:
                self._follow(alerts)
            if answer.mode != "wait" or self._clock() + pause > ends:
                return replace(answer, alerts=tuple(alerts))
            self._sleep(pause)
            pause = min(pause * 1.5, 2)

    def _ask(self, tick: int, run: str, since: int | None, once: bool, alerts: list[str]) -> Answer:
        late = "" if self._late_after is None else str(self._late_after)
        began = str(self._began(since))
        for _ in range(_MOST_CALLS):
            asked = (str(tick), run, self._policy, late, began, self._installation, "once" if once else "")
            word, *rest = self._switch.call("claim", *asked)
            if word in ("live", "coalesced", "dropped"):
                note, ended, fence, apart, into = rest
                if ended:
                    self._end_window(fence, alerts)
                gone = "the legacy entry is gone" if note == "gone" else ""
                stands = f"the run {into} began late and stands for this tick" if into else ""
                mode: Literal["live", "skip"] = "live" if word == "live" else "skip"
                without = tuple(self._entries[int(place) - 1] for place in apart.split())
                if without and mode == "live":
                    self._alert(
                        alerts, f"legacy ran {', '.join(without)} by itself at this tick: this run does the others"
                    )
                words = "; ".join(part for part in (gone, stands) if part)
                return Answer(mode, word, words, fence, again=note == "again", into=into, without=without)
            if word == "skip":
                other, how, _at, anew = rest
                if how == "trimmed":
                    note = "too old a tick to say who ran it; it is not run again"
                    # One late run stands for it, or none was to; only where each counts somebody has to look.
                    if self._policy == "every":
                        self._alert(alerts, note)
                    return Answer("skip", "trimmed", note)
                if anew:
                    note = (
                        "a run of this name that began earlier has this tick, and Airflow has forgotten that run, as a database does that was"
                        " put back from an older copy: see whether its work was done, and clear this run to do it again"
                    )
                    self._alert(alerts, note)
                    return Answer("skip", "claimed", note)
                return Answer("skip", "claimed", f"{other} has this tick ({how})")
            if word == "shadow":
                why, ended, fence = rest
                if ended:
                    self._end_window(fence, alerts)
                note = ""
                if why == "other-installation":
                    note = f"the switch names another installation of Airflow than this one ({self._installation or 'unnamed'})"
                    self._alert(alerts, note)
                return Answer("shadow", why, note, fence)
            if word == "closing":
                waiting = self._settle(rest[1], alerts)
                if waiting is not None:
                    return waiting
            elif word == "unparked":
                self._repark(rest[1], alerts)
            elif word == "mixed":
                note = f"entry {rest[0]} of the group is {rest[1]}, the first is airflow"
                return Answer("wait", "mixed", note)
            elif word == "lost":
                # Neither Airflow's nor legacy's until somebody gives it back: the run waits for that.
                note = f"legacy's clock of {rest[1]} stands and no switch says why: nobody runs it until bailey rollback has given it back"
                self._alert(alerts, note)
                return Answer("wait", "lost", note)
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
        elif word == "undriven":
            self._alert(
                alerts, "nobody holds beat's lock, and nothing shows that RedBeat drives these entries: given back"
            )
            self._undo(fence)
        elif word == "uneven":
            self._alert(alerts, f"legacy fired {rest[0]} of the entries after the close and not the others: given back")
            self._undo(fence)
        elif word == "gone":
            self._alert(alerts, f"entry {rest[0]} was deleted while it was being closed: given back")
            self._undo(fence)
        elif word == "denied":
            note = f"the clock of entry {rest[0]} is in the far future, and not by Bailey's hand"
            self._alert(alerts, note)
            return Answer("wait", "closing", note, fence)
        return None

    def _repark(self, fence: str, alerts: list[str]) -> None:
        word, *rest = self._switch.call("repark", *switch_steps.repark(self._switch.status(), fence))
        if word == "ok" and rest[0] == "closing":
            self._alert(alerts, "something restarted the legacy clock; it is being parked again")
        elif word == "redefined":
            self._alert(
                alerts,
                f"the application wrote another definition of entry {rest[0]} while it was being closed: given back",
            )
            self._undo(fence)
        elif word == "ok" and rest[0] == "tidied":
            self._alert(
                alerts, "something enabled the legacy entry again while its clock stood; it is closed once more"
            )

    def _undo(self, fence: str) -> bool:
        """Gives back what is still closing for the first time; somebody may have settled it since it was looked at."""
        return self._give_back(fence, only_closing=True)

    def _give_back(self, fence: str, only_closing: bool = False) -> bool:
        for _ in range(_MOST_CALLS):
            entries = self._switch.status()
            if only_closing and (entries[0].text("state") != "closing" or entries[0].text("heal")):
                return False
            arguments = switch_steps.give_back(entries, fence, self._timezone)
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

    def _follow(self, alerts: list[str]) -> None:
        """Waits until the replicas know of the claim: one of them may take over. A tick is not kept for the sake of one that is away."""
        try:
            behind = self._switch.behind(_FOLLOW_SECONDS)
        except RedisError as error:
            self._alert(alerts, f"whether Redis' replicas know of this claim could not be asked: {error}")
            return
        if behind:
            self._alert(
                alerts,
                f"{behind} of Redis' replicas have not confirmed this claim within {_FOLLOW_SECONDS:g} s: a failover to one would forget it",
            )

    def _began(self, since: int | None) -> int:
        return round(self._now() * 1_000_000) if since is None else since

    def _alert(self, alerts: list[str], text: str) -> None:
        _LOG.warning("%s", text)
        alerts.append(text)
