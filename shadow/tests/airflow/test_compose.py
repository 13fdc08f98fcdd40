"""`compose.airflow.yaml` as Docker's own program reads it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest
from bailey import ROOT


def compose() -> list[str]:
    """The program, as a plug-in of `docker` or by itself."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"]


def config(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """What `config` says."""
    return subprocess.run(
        [*compose(), "--file", str(ROOT / "compose.airflow.yaml"), "config", *words],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


pytestmark = pytest.mark.skipif(
    shutil.which("docker-compose") is None and shutil.which("docker") is None,
    reason="neither docker nor docker-compose",
)


def test_it_is_valid_and_has_every_part_of_an_airflow() -> None:
    secrets = {"AIRFLOW_SECRET": "s" * 64, "AIRFLOW_ADMIN_PASSWORD": "a", "AIRFLOW_OP_PASSWORD": "o"}
    listed = config("--services", **secrets)
    assert listed.returncode == 0, listed.stderr
    parts = {"database", "init", "api-server", "scheduler", "dag-processor", "triggerer"}
    assert set(listed.stdout.split()) == parts
    shown = config(**secrets)
    assert shown.returncode == 0, shown.stderr
    release = (ROOT / "shadow" / "requirements-airflow33.txt").read_text(encoding="utf-8").split()[0].partition("==")[2]
    assert shown.stdout.count(f"apache/airflow:{release}-") == len(parts) - 1
    for place in ("dags", "shadow", "Sources/Cutover/RedBeat/Scripts"):
        assert f"{ROOT / place}" in shown.stdout


@pytest.mark.parametrize("missing", ["AIRFLOW_SECRET", "AIRFLOW_ADMIN_PASSWORD", "AIRFLOW_OP_PASSWORD"])
def test_it_has_no_password_of_its_own(missing: str) -> None:
    names = {"AIRFLOW_SECRET", "AIRFLOW_ADMIN_PASSWORD", "AIRFLOW_OP_PASSWORD"} - {missing}
    refused = config(**{name: json.dumps("x") for name in names})
    assert refused.returncode != 0
    assert "set it" in refused.stderr
