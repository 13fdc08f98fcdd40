"""A share of the torture: `BAILEY_CUTOVERS` of it, 200 if left out; `make soak` runs 5,000."""

from __future__ import annotations

import argparse
import os
import time

import pytest
from tally import report
from torture import torture


def run(capsys: pytest.CaptureFixture[str], **options: object) -> None:
    given = argparse.Namespace(
        cutovers=200,
        entries=25,
        seed=int(os.environ.get("BAILEY_SEED", time.time())),
        at_once=4,
        prefix="redbeat:",
        lock=None,
        beats=1,
        python=os.environ.get("BAILEY_CELERY_PYTHON", os.sys.executable),
        durable=1.1,
        calm=False,
    )
    vars(given).update(options)
    tally, verdicts, folder = torture(given)
    status = report(given.seed, tally, verdicts, folder)
    said = capsys.readouterr().out
    with capsys.disabled():
        print(f"\n{said.strip().splitlines()[-1]}")
    assert status == 0, said


def test_nothing_runs_twice_and_nothing_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    cutovers = int(os.environ.get("BAILEY_CUTOVERS", "200"))
    run(capsys, cutovers=cutovers, entries=min(40, max(12, cutovers // 8)))


def test_with_another_prefix_and_without_a_lock(capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, cutovers=8, entries=8, prefix="acme:rb:", lock="none", calm=True)
