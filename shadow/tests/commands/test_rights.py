"""What `doctor --rights` prints is enough for each step of a move: a user that has exactly that."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from desk import OVERRIDE
from test_bad_input import Case

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
        return self.case.redis.hget("bailey:{redbeat:a}", "state") or next(
            (self.case.redis.hget(key, "state") for key in self.case.redis.scan_iter("bailey:*redbeat:a*")), None
        )


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
