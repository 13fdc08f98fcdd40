"""A workspace of Bailey's, driven by its command line, and the gates of its DAGs."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from bailey_runtime.switch import Group, Switch
from testing.entry import Entry
from testing.server import wait_until
from testing.world import World

OVERRIDE = ("--override", "a test", "--reason", "nothing was compared here")


class Desk:
    """Commands in a workspace; settings beside the source are each test's own."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._free = list(world.entries)
        self._settings = (world.folder / "bailey.yaml").read_text(encoding="utf-8")
        self.redis = world.server.client(decode_responses=True)

    def entry(self) -> Entry:
        """An entry that no other test uses."""
        return self._free.pop()

    def settle(self, **more: Any) -> None:
        """Writes settings beside the source."""
        # JSON is YAML.
        text = self._settings + "".join(f"{key}: {json.dumps(value)}\n" for key, value in more.items())
        (self.world.folder / "bailey.yaml").write_text(text, encoding="utf-8")

    def run(self, *words: str, status: int = 0, die_at: int | None = None) -> Any:
        """Runs a command with --json and reads its document."""
        done = self.world.bailey(*words, "--json", die_at=die_at)
        if die_at is not None:
            return None
        assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    def cut_over(self, entry: Entry, *words: str) -> None:
        """Moves an entry to Airflow."""
        self.run("cutover", entry.pipeline, "--execute", *OVERRIDE, *words)
        assert self.world.owner(entry) == "airflow"

    def left_closing(self, entry: Entry) -> None:
        """A cutover that was killed right after its close."""
        for lines in range(1, 20):
            self.world.bailey("cutover", entry.pipeline, "--execute", *OVERRIDE, die_at=lines)
            if self.world.owner(entry) == "closing":
                return
        raise AssertionError("no cutover was left closing")

    def watch(self) -> list[Mapping[str, Any]]:
        """Looks once; what happened."""
        events: list[Mapping[str, Any]] = self.run("watch", "--once")["events"]
        return events

    def watch_until(self, entry: Entry, event: str) -> Mapping[str, Any]:
        """Looks until something has happened to a pipeline."""
        found: list[Mapping[str, Any]] = []

        def happened() -> bool:
            found.extend(one for one in self.watch() if one["pipeline"] == entry.pipeline and one["event"] == event)
            return bool(found)

        wait_until(f"{event} of {entry.pipeline}", happened, 60)
        return found[0]

    def claim(self, entry: Entry, run: str, *, ahead: float = 1.0, policy: str = "coalesce") -> int:
        """Claims the tick so many seconds ahead, as a gate that dies right after; the tick."""
        tick = round((time.time() + ahead) * 1_000_000)
        switch = Switch(self.world.server.client(), Group((entry.name,), self.world.prefix))
        word, *_ = switch.call("claim", str(tick), f"{entry.pipeline}/{run}", policy, "", str(tick), "", "")
        assert word == "live", word
        return tick

    def status(self, entry: Entry) -> Mapping[str, Any]:
        """What `status` says of a pipeline."""
        found: Mapping[str, Any] = self.run("status", entry.pipeline)["pipelines"][0]
        return found

    def fires(self, entry: Entry) -> int:
        """How often beat has fired it."""
        meta = json.loads(self.redis.hget(f"{self.world.prefix}{entry.name}", "meta") or "{}")
        return int(meta.get("total_run_count", 0))

    def legacy_resumes(self, entry: Entry) -> None:
        """Waits until beat fires it again."""
        assert self.world.owner(entry) == "legacy"
        before = self.fires(entry)
        wait_until("beat fires it again", lambda: self.fires(entry) > before)
