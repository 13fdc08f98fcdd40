"""What `bailey cutover --execute` is refused for, by its command line: nothing was changed, and it says what to do."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from desk import OVERRIDE

from testing.server import Server, free_port, wait_until
from testing.world import BAILEY


def definition(name: str, every: float = 3600.0) -> str:
    """An entry as RedBeat writes one."""
    schedule = {"__type__": "interval", "every": every, "relative": False}
    rest = {"task": "t", "args": [], "kwargs": {}, "options": {}, "schedule": schedule, "enabled": True}
    return json.dumps({"name": name, **rest})


class Case:
    """A Redis of its own with two entries of one pipeline, imported."""

    def __init__(self, folder: Path, *options: str, prefix: str = "redbeat:") -> None:
        self.server = Server(folder / "redis", durable=False, options=options)
        self.folder = folder
        self.prefix = prefix
        self.server.start()
        self.redis = self.server.client(decode_responses=True)

    def fill(self) -> None:
        """Writes the entries and the workspace, and imports."""
        now = time.gmtime(time.time() - 60)
        stamp = dict(zip(("year", "month", "day", "hour", "minute", "second"), now[:6]))
        last = {"__type__": "datetime", **stamp, "microsecond": 0, "timezone": "UTC"}
        for name in ("a", "b"):
            meta = json.dumps({"last_run_at": last, "total_run_count": 1})
            self.redis.hset(f"{self.prefix}{name}", mapping={"definition": definition(name), "meta": meta})
            self.redis.zadd(f"{self.prefix}:schedule", {f"{self.prefix}{name}": time.time() + 3540})
        source = {
            "kind": "redbeat",
            "celery": {"settings": {}},
            "url": self.server.url,
            "max_interval": 1,
            "prefix": self.prefix,
        }
        settings = {"version": 1, "sources": {"s": source}}
        (self.folder / "mappings").mkdir()
        (self.folder / "bailey.yaml").write_text(json.dumps(settings), encoding="utf-8")
        tasks = {name: {"entry": f"s/{name}"} for name in ("a", "b")}
        mapping = {"pipeline": "p", "clock": "s/a", "tasks": tasks}
        (self.folder / "mappings" / "p.yaml").write_text(json.dumps(mapping), encoding="utf-8")
        done = self.bailey("import")
        assert done.returncode == 0, done.stderr

    def bailey(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs a command."""
        return subprocess.run(
            [str(BAILEY), *words], cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
        )

    def contents(self) -> dict[str, Any]:
        """All keys with what they hold."""
        found: dict[str, Any] = {}
        for key in sorted(self.redis.scan_iter(count=1000)):
            kind = self.redis.type(key)
            found[key] = self.redis.hgetall(key) if kind == "hash" else self.redis.zrange(key, 0, -1, withscores=True)
        return found

    def refused(self) -> dict[str, Any]:
        """Cutover, without and with --execute; nothing may have changed. The refusal, or the check that does not hold."""
        before = self.contents()
        dry = self.bailey("cutover", "p", "--json", *OVERRIDE)
        done = self.bailey("cutover", "p", "--json", "--execute", "--patience", "1", *OVERRIDE)
        assert self.contents() == before
        assert (dry.returncode, done.returncode) == (1, 1), (dry.stderr, done.stderr)
        for document in (json.loads(dry.stdout), json.loads(done.stdout)):
            assert document["holds"] is False
        [pipeline] = json.loads(done.stdout)["pipelines"]
        failed = [check for check in pipeline["checks"] if not check["holds"]]
        assert failed and all(check["advice"] for check in failed), pipeline
        refusal: dict[str, Any] = pipeline["refusal"]
        assert pipeline["outcome"] == "refused" and refusal["advice"]
        return refusal


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    """Entries that could be cut over."""
    case = Case(tmp_path, "--enable-protected-configs", "yes")
    case.fill()
    yield case
    case.server.stop()


def changed(case: Case) -> None:
    """The application writes another schedule."""
    case.redis.hset("redbeat:b", "definition", definition("b", 1800.0))


def gone(case: Case) -> None:
    """The application deletes one of its entries."""
    case.redis.delete("redbeat:b")
    case.redis.zrem("redbeat::schedule", "redbeat:b")


def replica(case: Case) -> None:
    """The address is that of a replica."""
    case.redis.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))


def full(case: Case) -> None:
    """Its memory is full."""
    case.redis.config_set("maxmemory", 1)


def evicting(case: Case) -> None:
    """It may throw keys away."""
    case.redis.config_set("maxmemory", 1 << 30)
    case.redis.config_set("maxmemory-policy", "allkeys-lru")


def disk(case: Case) -> None:
    """It cannot write to its disk, and takes no writes."""
    case.redis.config_set("dir", "/proc")
    case.redis.bgsave()
    wait_until("saving has failed", lambda: case.redis.info()["rdb_last_bgsave_status"] == "err")


@pytest.mark.parametrize(
    ("breaks", "reason", "advice"),
    [
        (changed, "changed", "Run bailey import"),
        (gone, "gone", "Run bailey import"),
        (replica, "not-writable", "Write the master's address into bailey.yaml"),
        (full, "not-writable", "Give it more (maxmemory)"),
        (evicting, "evicting", "Set maxmemory-policy to noeviction"),
        (disk, "not-writable", "whether its disk is full"),
    ],
)
def test_refused(case: Case, breaks: Callable[[Case], None], reason: str, advice: str) -> None:
    breaks(case)
    refusal = case.refused()
    assert refusal["reason"] == reason
    assert advice in refusal["advice"]


def test_what_was_not_broken_would_go(case: Case) -> None:
    """Without this the refusals above might have another cause."""
    done = case.bailey("cutover", "p", *OVERRIDE)
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("changes owner:", "cannot be rolled back:", "Nothing was changed."):
        assert words in done.stdout


def test_keys_in_several_slots_of_a_cluster(tmp_path: Path) -> None:
    options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    case = Case(tmp_path, *options)
    try:
        case.redis.execute_command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        wait_until(
            "the cluster is up", lambda: "cluster_state:ok" in str(case.redis.execute_command("CLUSTER", "INFO"))
        )
        case.fill()
        refusal = case.refused()
        assert refusal["reason"] == "slots"
        assert 'redbeat_key_prefix = "{redbeat}:"' in refusal["advice"]
    finally:
        case.server.stop()


def test_a_user_that_may_only_read(case: Case) -> None:
    case.redis.execute_command(
        "ACL",
        "SETUSER",
        "reader",
        "on",
        ">word",
        "~*",
        "+@read",
        "+@connection",
        "+info",
        "+time",
        "+eval",
        "+evalsha",
        "+script",
    )
    file = case.folder / "bailey.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("redis://", "redis://reader:word@"), encoding="utf-8")
    before = case.contents()
    done = case.bailey("cutover", "p", "--execute", *OVERRIDE)
    assert case.contents() == before
    assert done.returncode == 3, done.stdout + done.stderr
    assert "word@" not in done.stdout + done.stderr
    assert "ACL" in done.stderr, done.stderr


def test_an_address_of_nothing(case: Case) -> None:
    file = case.folder / "bailey.yaml"
    text = file.read_text(encoding="utf-8").replace(f":{case.server.port}/", f":{free_port()}/")
    file.write_text(text, encoding="utf-8")
    done = case.bailey("cutover", "p", "--execute", *OVERRIDE)
    assert done.returncode == 3 and "See whether Redis runs there" in done.stderr


def test_two_operators_at_once(case: Case) -> None:
    # Something is due at every moment, so that the first waits.
    case.redis.hset("redbeat:a", "definition", definition("a", 1.0))
    assert case.bailey("import").returncode == 0
    first = subprocess.Popen(
        [str(BAILEY), "cutover", "p", "--execute", "--patience", "20", *OVERRIDE],
        cwd=case.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert first.stderr is not None
    line = first.stderr.readline()
    while line and "moment" not in line and "due" not in line:
        line = first.stderr.readline()
    try:
        second = case.bailey("rollback", "p", "--execute", "--json")
        third = case.bailey("cutover", "p", "--execute", "--json", *OVERRIDE)
        assert json.loads(third.stdout)["pipelines"][0]["refusal"]["reason"] == "at-work"
        assert f"process {first.pid}" in json.loads(third.stdout)["pipelines"][0]["refusal"]["found"]
        assert second.returncode in (0, 1)
    finally:
        first.kill()
        first.wait()
