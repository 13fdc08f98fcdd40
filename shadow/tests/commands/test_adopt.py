"""`adopt`: a schedule in code becomes RedBeat's by a restart of beat, and no tick is lost or doubled by it."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from adoption import Adoption, adoption, restarts

from testing.server import wait_until

ROOT = Path(__file__).resolve().parents[3]
RESTARTS = int(os.environ.get("BAILEY_RESTARTS", "10"))


@pytest.fixture(scope="module")
def world() -> Iterator[Adoption]:
    with adoption() as made:
        yield made


def adopted(world: Adoption, *words: str, status: int = 0) -> Any:
    """`adopt` away from every calendar's tick: for a beat that stops within a second of one there is a doubt, of which a dry run tells too."""
    wait_until("no minute is near", lambda: 2 < time.time() % 60 < 57, 10)
    done = world.bailey("adopt", *words, "--json")
    assert done.returncode == status, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout)


def stopped(world: Adoption, *words: str, status: int = 0) -> Any:
    """The same for a beat that stops now."""
    return adopted(world, *words, "--stopped-at", "now", "--execute", status=status)


def test_no_tick_is_lost_or_doubled_by_a_restart_at_a_random_moment() -> None:
    total = restarts(RESTARTS, int(os.environ.get("BAILEY_SEED", "7")), say=lambda text: print(text, file=sys.stderr))
    print(f"{RESTARTS} restarts: {total.runs} runs, {total.across} judged, {len(total.doubts)} doubts", file=sys.stderr)
    assert not total.problems and total.across >= 3 * RESTARTS


def keys(value: Any) -> set[str]:
    """The keys of objects, wherever they stand."""
    if isinstance(value, list):
        return {key for one in value for key in keys(one)}
    return set(value) | keys(list(value.values())) if isinstance(value, dict) else set()


def test_every_key_is_documented(world: Adoption) -> None:
    page = (ROOT / "docs/json.md").read_text(encoding="utf-8")
    (section,) = [part for part in page.split("\n## ") if part.startswith("adopt")]
    documented = {word for quoted in re.findall(r"`([^`]*)`", section) for word in re.findall(r"[\w-]+", quoted)}
    assert keys(adopted(world)) <= documented | {"bailey", "version"}


def test_discover_finds_it_by_its_workers_and_leads_here(world: Adoption) -> None:
    done = world.bailey("discover", world.server.url, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    (celery,) = [one for one in found["systems"] if one["kind"] == "celery"]
    assert (celery["amount"], celery["outlook"], celery["blocked"]) == (6, "read-only", None)
    assert "bailey adopt" in celery["advice"] and celery["writers"][0].startswith("the worker celery@")
    assert {kept["name"]: kept["per_day"] for kept in celery["keep"]}["every-2"] == 43200
    assert 'kind: "celery"' in found["settings"]
    left = json.loads(world.bailey("discover", world.server.url, "--no-ask-workers", "--json").stdout)
    assert [one["kind"] for one in left["systems"]] == [None] and "is unknown" in left["systems"][0]["advice"]


def test_a_dry_run_says_what_to_change_and_changes_nothing(world: Adoption) -> None:
    before = world.redis.dbsize()
    found = adopted(world)
    assert world.redis.dbsize() == before and not found["executed"] and found["outcome"] is None
    assert [entry["name"] for entry in found["entries"]] == ["even", "every-2", "every-3", "every-4", "minutely", "odd"]
    assert all(entry["fault"] is None and entry["next_due"] for entry in found["entries"])
    checks = {check["name"]: check for check in found["checks"]}
    assert checks["every entry arrives"]["holds"] and checks["every entry arrives"]["evidence"].startswith("6 of 6")
    assert any("redbeat.RedBeatScheduler" in line for line in found["changes"])
    # Without a record an interval counts from the stop, and that is said.
    (interval,) = [entry for entry in found["entries"] if entry["name"] == "every-4"]
    assert "nothing recorded tells" in interval["evidence"] and "later" in interval["note"]


def test_what_is_written_is_what_redbeat_writes(world: Adoption) -> None:
    found = stopped(world)
    assert found["outcome"] == "done"
    mine = {
        key: world.redis.hgetall(key) for key in world.redis.scan_iter("redbeat:*") if world.redis.type(key) == "hash"
    }
    assert len(mine) == 6 and world.redis.zcard("redbeat::schedule") == 6 == world.redis.scard("redbeat::statics")
    beat = world.beat("-S", "redbeat.RedBeatScheduler", "--max-interval", "1")
    try:
        wait_until("RedBeat runs", lambda: world.redis.exists("redbeat::lock"), 60)
        for key, fields in mine.items():
            stored = json.loads(world.redis.hget(key, "definition"))
            written = json.loads(fields["definition"])
            # RedBeat writes intervals with a point, and no arguments as null.
            assert stored.pop("schedule")["__type__"] == written.pop("schedule")["__type__"]
            assert {**stored, "args": stored["args"] or []} == written
        # While a RedBeat runs, nothing is written over it.
        assert stopped(world)["outcome"] == "already"
        # Before RedBeat has fired anything twice, nothing shows that the old beat is gone.
        wait_until("the check holds", lambda: world.bailey("adopt", "--check").returncode == 0, 60)
        # The old beat beside it: every run comes twice.
        old = world.beat("--schedule", str(world.folder / "old"))
        try:
            wait_until(
                "the check sees it",
                lambda: any(
                    "something else sends them too" in check["evidence"]
                    for check in json.loads(world.bailey("adopt", "--check", "--json").stdout)["checks"]
                ),
                60,
            )
        finally:
            old.terminate()
            old.wait()
    finally:
        beat.terminate()
        beat.wait()
    early = json.loads(world.bailey("adopt", "--check", "--json").stdout)
    assert early["outcome"] == "does-not-hold"
    assert "nobody holds its lock" in str(adopted(world, "--check", status=1)["checks"])


def test_what_would_not_arrive_is_refused(world: Adoption) -> None:
    for words, status, text in (
        (("--execute",), 2, "stop the old beat first"),
        (("--stopped-at", "2999-01-01T00:00:00Z", "--execute"), 2, "still to come"),
        (("--stopped-at", "yesterday"), 2, "is no instant"),
        (("other",), 2, "has none called “other”"),
    ):
        done = world.bailey("adopt", *words)
        assert done.returncode == status and text in done.stderr, f"{words}: {done.returncode} {done.stderr}"
    document = json.loads((world.folder / "bailey.yaml").read_text(encoding="utf-8"))
    celery = {"app": "adopted_app:app", "environment": "lab"}
    document["sources"]["s"]["celery"] = celery
    env = {"ADOPTED_BROKER": world.server.url, "ADOPTED_SET": "yes"}
    document["environments"] = {
        "lab": {"python": sys.executable, "path": world.env["PYTHONPATH"].split(":"), "env": env}
    }
    (world.folder / "other.yaml").write_text(json.dumps(document), encoding="utf-8")
    found = stopped(world, "--config", "other.yaml", status=1)
    assert found["outcome"] == "refused"
    faults = {entry["name"]: entry["fault"] for entry in found["entries"] if entry["fault"]}
    assert list(faults) == ["set"] and "a set or a range (minute)" in faults["set"]
