"""What `doctor --rights` prints is enough for each step of a move: a user that has exactly that."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from desk import OVERRIDE
from redis.exceptions import NoPermissionError, ResponseError
from test_bad_input import Case

from bailey_runtime.switch import Group, Switch

MOVE = ("cutover", "p", "--execute", "--patience", "2", *OVERRIDE)
STEPS = (("status",), MOVE, ("watch", "--once"), ("rollback", "p", "--execute"))


class Mover:
    """A workspace whose user has the rights that are printed."""

    def __init__(self, folder: Path) -> None:
        self.case = Case(folder)
        self.case.fill()
        self.file = folder / "bailey.yaml"
        self.admin = self.file.read_text(encoding="utf-8")
        printed = json.loads(self.case.bailey("doctor", "--rights", "--json").stdout)
        lines = [need["lines"] for need in printed["needs"] if "cutover" in need["commands"]]
        assert len(lines) == 1
        self.rules = lines[0][0].replace("PASSWORD", "x").split()[3:]
        self.file.write_text(self.admin.replace("redis://", "redis://bailey:x@"), encoding="utf-8")
        self.before = self.case.contents()

    def grant(self, *without: str) -> None:
        rules = [rule for rule in self.rules if rule not in without]
        self.case.redis.execute_command("ACL", "SETUSER", "bailey", *rules)

    def reset(self) -> None:
        """As it was before the first step."""
        self.case.redis.flushall()
        self.case.redis.script_flush()
        for key, held in self.before.items():
            if isinstance(held, dict):
                self.case.redis.hset(key, mapping=held)
            else:
                self.case.redis.zadd(key, dict(held))
        for name in (".bailey",):
            state = self.case.folder / name
            if (self.case.folder / "kept").exists():
                shutil.rmtree(state)
                shutil.copytree(self.case.folder / "kept", state)
            else:
                shutil.copytree(state, self.case.folder / "kept")

    def walk(self) -> tuple[list[int], str]:
        """All steps: how each ended, and all that was said."""
        ended = [self.case.bailey(*words) for words in STEPS]
        return [one.returncode for one in ended], "\n".join(one.stdout + one.stderr for one in ended)

    def owner(self) -> str | None:
        state: str | None = self.case.redis.hget("bailey:switch:{redbeat:a}", "state")
        return state

    def without(self, right: str, *words: str) -> str:
        """A step by a user that has all of it but one right: what it said. It may change nothing that is not its own mark."""
        before = self.case.contents()
        self.grant(f"+{right}")
        try:
            ended = self.case.bailey(*words)
        finally:
            self.grant()
        said = ended.stdout + ended.stderr
        assert "may not" in said and right.upper() in said.upper(), (
            f"{words} without {right}: {ended.returncode} {said}"
        )
        assert ended.returncode != 0 or words[0] in ("status", "watch"), f"{words} without {right}: {said}"
        assert self.case.contents() == before, f"{words} without {right}"
        return said

    def claim(self) -> str:
        """As the gate of a DAG does it, with the printed rights."""
        client = self.case.server.client(username="bailey", password="x")
        tick = str(round(time.time() * 1_000_000) + 3_600_000_000)
        return Switch(client, Group(("a", "b"))).call("claim", tick, "p/r", "coalesce", "", tick, "", "")[0]


@pytest.fixture(scope="module")
def mover(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mover]:
    made = Mover(tmp_path_factory.mktemp("rights"))
    yield made
    made.case.server.stop()


def test_they_are_enough(mover: Mover) -> None:
    mover.reset()
    mover.grant()
    ended, said = mover.walk()
    assert ended == [0, 0, 0, 0], said
    assert "NOPERM" not in said and "may not do this" not in said, said


def test_results_whose_keys_have_a_prefix_are_named(mover: Mover) -> None:
    before = mover.file.read_text(encoding="utf-8")
    settings = yaml.safe_load(before)
    for source in settings["sources"].values():
        source["celery"] = {"settings": {"result_backend_transport_options": {"global_keyprefix": "acme:"}}}
    try:
        mover.file.write_text(yaml.safe_dump(settings), encoding="utf-8")
        printed = json.loads(mover.case.bailey("doctor", "--rights", "--json").stdout)
    finally:
        mover.file.write_text(before, encoding="utf-8")
    lines = [
        need["lines"][0].split()
        for need in printed["needs"]
        if need["commands"] in ("import, doctor, shadow --from-history", "shadow")
    ]
    assert len(lines) == 2
    for line in lines:
        assert "~acme:celery-task-meta-*" in line and "~acme:_celery-task-meta-*" in line
        assert "~celery-task-meta-*" not in line
    assert "&acme:celery-task-meta-*" in lines[1]


# What the scripts read, and what the commands ask beside them.
READ = ("ping", "eval", "time", "hget", "hgetall", "hkeys", "exists", "get", "pttl", "zscore", "info")
WRITTEN = ("hset", "hdel", "persist", "zadd")


def test_with_one_less_nothing_is_begun_and_it_is_named(mover: Mover) -> None:
    mover.reset()
    mover.grant()
    for right in READ + WRITTEN:
        mover.without(right, *MOVE)
        assert mover.owner() is None
    assert mover.case.bailey(*MOVE).returncode == 0
    assert mover.owner() == "airflow"
    # While Airflow owns the ticks.
    for right in READ + ("scan", "zrangebyscore", "hmget"):
        mover.without(right, "watch", "--once")
    for right in ("eval", "hgetall", "scan"):
        mover.without(right, "status")
    for right in (*READ, "hset", "hdel", "zadd"):
        mover.without(right, "rollback", "p", "--execute")
        assert mover.owner() == "airflow"
    for right in ("evalsha", "hset", "hdel", "hlen"):
        mover.grant(f"+{right}")
        with pytest.raises((NoPermissionError, ResponseError), match=f"(?i)may not {right}|'{right}'"):
            mover.claim()
    mover.grant()
    # It is asked an hour too early.
    assert mover.claim() == "denied"
    for right in ("hset", "hdel", "del", "zrem"):
        mover.grant(f"+{right}")
        client = mover.case.server.client(username="bailey", password="x")
        fence = str(mover.case.redis.hget("bailey:switch:{redbeat:a}", "fence"))
        with pytest.raises(ResponseError, match=f"(?i)may not {right}"):
            Switch(client, Group(("a", "b"))).call("retire", fence, "mark")
    mover.grant()
    assert mover.case.bailey("rollback", "p", "--execute").returncode == 0
    assert mover.owner() == "legacy"


def test_each_printed_right_is_tried_with_one_less(mover: Mover) -> None:
    """But for PEXPIRE, without which marks of gates that nobody needs are kept for ever."""
    tried = {*READ, *WRITTEN, "scan", "zrangebyscore", "hmget", "evalsha", "hlen", "del", "zrem"}
    assert {rule.removeprefix("+") for rule in mover.rules if rule.startswith("+")} == {*tried, "pexpire"}
