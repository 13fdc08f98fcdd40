"""A Redis server of a test's own, and a legacy system in it that does what the test says."""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
import time

import redis

from bailey_runtime import redbeat_bytes, switch_steps
from bailey_runtime.switch import Group, Switch, packed


class Server:
    """A redis-server on a free port, in a folder of its own."""

    def __init__(self, *arguments: str) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="bailey-redis-", ignore_cleanup_errors=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.arguments = arguments
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--dir", self.folder.name, "--bind", "127.0.0.1"]
        self.process = subprocess.Popen(
            [*command, "--save", "", "--appendonly", "yes", "--appendfsync", "always", *self.arguments],
            stdout=subprocess.DEVNULL,
        )
        ends = time.monotonic() + 20
        while True:
            try:
                if self.client().ping():
                    return
            except redis.RedisError:
                assert time.monotonic() < ends, "redis-server did not start"
                time.sleep(0.05)

    def stop(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=2, socket_connect_timeout=2)


class Legacy:
    """What beat and an operator do to the entries of a group."""

    def __init__(self, server: Server, *names: str) -> None:
        self.server = server
        self.client = server.client()
        self.client.flushall()
        self.group = Group(names)
        self.switch = Switch(self.client, self.group)
        self.keys = [f"redbeat:{name}" for name in names]
        self.now = self.time()
        for key, name in zip(self.keys, names):
            definition = {"name": name, "task": "t", "args": [1], "schedule": {"every": 5.0}, "enabled": True}
            self.client.hset(key, "definition", json.dumps(definition))
            self.fire(key, self.now - 10_000_000)
            self.client.zadd("redbeat::schedule", {key: self.now // 1_000_000})
        self.client.set("redbeat::lock", "beat-one", px=25_000)

    def time(self) -> int:
        seconds, rest = self.client.time()
        return seconds * 1_000_000 + rest

    def fire(self, key: str, at: int) -> None:
        """Beat's own write when it fires: the meta with the run count."""
        meta = redbeat_bytes.with_last_run(b'{"total_run_count": 3}', at, "UTC")
        self.client.hset(key, "meta", meta)

    def extend_lock(self) -> None:
        """Beat's next tick: whatever it had loaded before has been fired."""
        self.client.pexpire("redbeat::lock", 60_000)

    def release_lock(self) -> None:
        """Beat ends. Whether it was beat cannot be seen, so that the fence waits for the longest tick: let that have passed, too."""
        self.client.delete("redbeat::lock")
        for key in self.keys:
            switch = f"bailey:switch:{{{key}}}"
            if self.client.exists(switch):
                self.client.hset(switch, "longest_tick", "0")

    def close(
        self,
        ticks: str = "",
        until: str = "",
        longest: int = 300_000_000,
        proof: str = "fired",
        installation: str = "",
    ) -> list[str]:
        arguments = ["pipe", "lock", str(longest), "1000000", "", ticks, until, "entry", "me", "", proof, installation]
        for entry in self.switch.status():
            last = redbeat_bytes.last_run(entry.meta)
            arguments += [entry.definition, redbeat_bytes.closed(entry.definition), packed(entry.meta), str(last)]
        return self.switch.call("close", *arguments)

    def cut_over(self, **bounds: str) -> str:
        """Closed, fenced and settled; the window begins after legacy's last run, ten seconds ago."""
        word, _, fence = self.close(**bounds)
        assert word == "ok"
        self.extend_lock()
        reply = self.switch.call("settle", *switch_steps.settle(self.switch.status(), fence))
        assert reply[0] == "ok", reply
        return fence

    def meta(self, place: int = 0) -> bytes | None:
        return self.client.hget(self.keys[place], "meta")

    def definition(self, place: int = 0) -> dict:
        return json.loads(self.client.hget(self.keys[place], "definition"))

    def state(self, place: int = 0) -> str:
        return self.switch.status()[place].text("state")

    def claims(self, place: int = 0) -> dict[int, dict]:
        stored = self.client.hgetall(f"bailey:claims:{{{self.keys[place]}}}")
        return {int(tick): json.loads(record) for tick, record in stored.items() if tick.isdigit()}

    def marks(self) -> list[dict]:
        """Who asked here, by installation."""
        stored = self.client.hgetall(f"bailey:claims:{{{self.keys[0]}}}")
        return [json.loads(stored[name]) for name in sorted(stored) if name.startswith(b"asked:")]
