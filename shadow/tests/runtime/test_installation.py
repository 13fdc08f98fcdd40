"""What an installation of Airflow is called: the same in all its processes, another in another one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bailey_runtime.installation import installation

PROGRAM = "from bailey_runtime.installation import installation; print(installation())"


def named(**environment: str) -> str:
    """What a process of an installation with these settings is called."""
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=variables, capture_output=True, text=True, check=True)
    return done.stdout.strip().splitlines()[-1]


def test_a_process_of_the_same_installation_has_the_same_name() -> None:
    assert named() == named() == installation()
    assert len(installation()) == 16


@pytest.mark.parametrize(
    "setting",
    [
        {"AIRFLOW_HOME": "/tmp/of-another-airflow"},
        {"AIRFLOW__API__BASE_URL": "https://staging.example.com"},
        {"AIRFLOW__CORE__FERNET_KEY": "bGV0IHVzIGNhbGwgdGhpcyBhIGtleSBvZiAzMiBieXQ="},
    ],
    ids=lambda setting: next(iter(setting)),
)
def test_another_installation_has_another_name(setting: dict[str, str]) -> None:
    assert named(**setting) != installation()


def test_a_person_may_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAILEY_INSTALLATION", " blue ")
    assert installation() == "blue"
