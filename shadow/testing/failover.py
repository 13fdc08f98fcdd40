"""A Redis with a replica and a Sentinel: the replica takes over when the master is killed, with what it knows."""

from __future__ import annotations

from pathlib import Path

import redis

from testing.entry import Entry
from testing.network import Network
from testing.server import Server, wait_until
from testing.world import World

NAME = "legacy"


class FailingOver(World):
    """RedBeat and Bailey ask the Sentinel where the master is; gates, whose Airflow knows no Sentinels, go through the network."""

    def __init__(self, folder: Path, entries: list[Entry]) -> None:
        super().__init__(folder, entries, server=Server(folder / "redis", durable=True))
        self.old = self.server
        self.sentinel = Server(folder / "sentinel", durable=False, options=("--sentinel",))

    def up(self) -> None:
        self.server.start()
        # What the replica follows: a link of its own, which can fall silent.
        self.link = Network(self.server.port)
        follow = ("--replicaof", f"127.0.0.1 {self.link.port}", "--repl-diskless-sync-delay", "0")
        self.replica = Server(self.folder / "replica", durable=True, options=follow)
        self.replica.start()
        wait_until("the replica follows", lambda: self._link() == "up")
        self.sentinel.start()
        asked = self.sentinel.client()
        asked.execute_command("SENTINEL", "MONITOR", NAME, "127.0.0.1", self.server.port, 1)
        # The replica stays where it is: the Sentinel would lead it past the link after that time.
        for name, value in [("down-after-milliseconds", 1000), ("failover-timeout", 600_000)]:
            asked.execute_command("SENTINEL", "SET", NAME, name, value)
        super().up()
        # Before the Sentinel has asked the replica it would not promote it.
        wait_until("the Sentinel knows the replica", self._knows_replica)

    def down(self) -> None:
        super().down()
        self.link.close()
        for server in (self.old, self.replica, self.sentinel):
            server.stop()

    @property
    def source_url(self) -> str:
        return f"sentinel://127.0.0.1:{self.sentinel.port}/0?master_name={NAME}"

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "LEGACY_REDIS": "redis-sentinel://", "LEGACY_SENTINEL": str(self.sentinel.port)}

    def fail_over(self) -> None:
        """Kills the master; returns when the replica has taken its place."""
        self.old.stop()
        wait_until("the replica is the master", lambda: self.replica.client().role()[0] == b"master", 60)
        wait_until("the Sentinel says so", lambda: self._master() == self.replica.port, 60)
        self.network.lead_to(self.replica.port)
        self.server = self.replica

    def _link(self) -> str:
        return str(self.replica.client(decode_responses=True).info("replication").get("master_link_status"))

    def _master(self) -> int:
        found = self.sentinel.client().execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
        return int(found[1])

    def _knows_replica(self) -> bool:
        try:
            [one] = self.sentinel.client(decode_responses=True).sentinel_slaves(NAME)
        except (ValueError, redis.RedisError):
            return False
        return int(one["port"]) == self.replica.port and one["role-reported"] == "slave"
