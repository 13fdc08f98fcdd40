"""The first company's whole road, as `make demo-company` goes it: each step shows what it says, or the script ends with another status."""

from __future__ import annotations

import os
import subprocess

import pytest
from bailey import PROGRAM, ROOT

LIMIT = 3600
STEPS = ("discover", "adopt", "import", "generate", "shadow", "cut over", "launch", "roll one back", "savings", "Done")


@pytest.mark.full
def test_every_step_shows_what_it_says() -> None:
    done = subprocess.run(
        [str(ROOT / "scripts" / "demo-company")],
        env={**os.environ, "BAILEY": PROGRAM, "LAB_PATIENCE": os.environ.get("LAB_PATIENCE", "4")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    places = [done.stdout.find(f"== {step}") for step in STEPS]
    assert -1 not in places and places == sorted(places)
    assert done.stdout.count("  shown: ") >= 20
