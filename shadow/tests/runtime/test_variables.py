"""Variables that a worker fills in: what they hold is in no DAG file."""

from __future__ import annotations

import pytest

from bailey_runtime.outcome import BodyFailed
from bailey_runtime.program import filled


def test_they_are_those_of_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_DB", "secret ${PW}")
    monkeypatch.setenv("PW", "p")
    monkeypatch.delenv("NOT_SET", raising=False)
    given = {"A": "${APP_DB}", "B": "x${PW}y${PW:-z}", "C": "${NOT_SET:-d:-e}", "D": "$${PW} $$x ${PW", "E": "${NOT_SET:-}"}
    assert filled(given) == {"A": "secret ${PW}", "B": "xpyp", "C": "d:-e", "D": "${PW} $$x ${PW", "E": ""}
    assert filled(None) == {}
    with pytest.raises(BodyFailed, match="the variable NOT_SET is not set on this worker"):
        filled({"A": "${NOT_SET}"})
    monkeypatch.setenv("NOT_SET", "")
    with pytest.raises(BodyFailed):
        filled({"A": "${NOT_SET}"})
