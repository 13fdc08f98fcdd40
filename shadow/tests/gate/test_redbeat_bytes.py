"""Splicing RedBeat's bytes. The same table is tested in Swift: a case is added to both."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

from bailey_runtime import redbeat_bytes as bytes_of

TABLE = json.loads((Path(__file__).parent / "redbeat_bytes.json").read_text(encoding="utf-8"))


def stored(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


@pytest.mark.parametrize("case", TABLE["closed"], ids=lambda case: case["definition"][:40])
def test_closed(case):
    assert bytes_of.closed(stored(case["definition"])).decode() == case["closed"]


@pytest.mark.parametrize("case", TABLE["opened"], ids=lambda case: case["written"])
def test_opened(case):
    assert bytes_of.opened(stored(case["written"]), stored(case["planned"])).decode() == case["opened"]


@pytest.mark.parametrize("case", TABLE["last_run"], ids=lambda case: str(case["meta"])[:80])
def test_last_run(case):
    assert bytes_of.last_run(stored(case["meta"])) == case["us"]


@pytest.mark.parametrize("case", TABLE["unreadable"])
def test_what_beat_cannot_read_is_an_error(case):
    with pytest.raises(ValueError):
        bytes_of.last_run(stored(case))


@pytest.mark.parametrize("case", TABLE["parked"], ids=lambda case: str(case["meta"])[:80])
def test_parked(case):
    parked = bytes_of.parked(stored(case["meta"]))
    assert parked.decode() == case["parked"]
    assert bytes_of.last_run(parked) == bytes_of.PARKED_AT == int(bytes_of.PARKED_SCORE) * 1_000_000


@pytest.mark.parametrize("case", TABLE["with_last_run"], ids=lambda case: case["zone"])
def test_with_last_run(case):
    assert bytes_of.with_last_run(stored(case["meta"]), case["us"], case["zone"]).decode() == case["result"]


def test_an_instant_survives_in_every_hour_that_is_not_repeated():
    for zone in ("UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"):
        for day in range(1, 366):
            at = int(datetime(2026, 1, 1, 12, 0, 0, tzinfo=timezone.utc).timestamp()) * 1_000_000 + day * 86_400_000_007
            assert bytes_of.last_run(bytes_of.with_last_run(None, at, zone)) == at


def test_bytes_that_are_no_utf8_stay():
    assert bytes_of.closed(b'{"name": "\xff", "enabled": true}') == b'{"name": "\xff", "enabled": false}'


@pytest.mark.parametrize("case", TABLE["of_a_fire"], ids=lambda case: str(case["meta"]))
def test_has_fired(case):
    assert bytes_of.has_fired(stored(case["meta"])) is case["fired"]


def test_beat_goes_on_from_the_second_pass_of_a_repeated_hour():
    """The Celery of this laboratory; older ones as well where their environments are there (`make test-full`)."""
    root = Path(__file__).resolve().parents[3]
    others = [root / f".env-redbeat{version}" / "bin" / "python" for version in (22, 23)]
    for python in [Path(sys.executable), *(path for path in others if path.exists())]:
        program = str(Path(__file__).parent / "repeated_hour.py")
        ended = subprocess.run([str(python), program], capture_output=True, text=True, timeout=120)
        assert ended.returncode == 0, f"{python}: {ended.stdout}{ended.stderr}"
        assert ended.stdout.strip().endswith(" 0 wrong")
