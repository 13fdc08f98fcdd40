"""Noise is learnt from what a real application returned, told with its evidence and its rate, and never applied by itself."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from stage import BAILEY, Stage, wait_until

TIMES = 24
WANTED = {
    "$.at": "pattern",
    "$.id": "pattern",
    "$.score": "tolerance",
    "$.tags": "unordered",
    "$.rows[*].nonce": "ignore",
    "$.mood": "ignore",
}


def proposed(stage: Stage) -> list[dict[str, Any]]:
    return list(stage.json("rules", "propose")["proposals"])


def report(stage: Stage, name: str) -> dict[str, Any]:
    [row] = [row for row in stage.json("report", status=(0, 1))["pipelines"] if row["id"] == name]
    return dict(row)


def test_noise_is_learnt_and_proposed_and_not_applied(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "stage")
    task = {"python": {"callable": "planted_cases:noisy_result", "environment": "planted", "args": [7]}}
    with stage.running():
        stage.entry("noise", "planted.noise", [7], 0.3)
        stage.map("noise", task)
        beat = stage.beat()
        wait_until("it ran often enough", lambda: stage.results() >= TIMES, 60)
        stage.end(beat)
        wait_until("all of it ended", lambda: stage.results() >= stage.fires("noise"), 30)
        stage.json("import")
        stage.json("shadow", "--from-history")
        before = report(stage, "noise")
        mapping = (stage.folder / "mappings" / "noise.yaml").read_bytes()

        proposals = proposed(stage)
        found = {one["path"]: one["rule"] for one in proposals}
        assert found == WANTED, proposals
        # Each with its evidence: pairs of legacy's own runs, how many of them differ, two of the values, what it would cover.
        runs = before["match"] + before["mismatch"]
        for one in proposals:
            assert one["pairs"] == runs - 1 and 0 < one["differing"] <= one["pairs"], one
            assert one["covers"] > 0 and len(one["examples"]) == 2 and one["examples"][0] != one["examples"][1], one
        rates = {one["path"]: one["differing"] / one["pairs"] for one in proposals}
        assert rates["$.id"] == 1 and 0 < rates["$.mood"] < 1, rates

        # Nothing of it is applied: neither the mapping nor what was compared has changed, and a second look says the same.
        assert (stage.folder / "mappings" / "noise.yaml").read_bytes() == mapping
        assert report(stage, "noise")["causes"] == before["causes"] and before["mismatch"] == runs
        # By cause: one for each place, with one example, however many elements and runs show it.
        causes = {cause["place"]: cause["runs"] for cause in before["causes"]}
        assert causes["$.id"] == runs and causes["$.rows[*].nonce"] == runs
        assert causes.keys() <= {"$.at", "$.id", "$.score", "$.tags[*]", "$.rows[*].nonce", "$.mood"}

        # What it prints is a mapping's own YAML. Written in by a person, it covers the noise and hides nothing else.
        text = subprocess.run(
            [str(BAILEY), "rules", "propose"], cwd=stage.folder, capture_output=True, text=True, check=True, timeout=60
        ).stdout
        assert "legacy differs from itself in" in text and "%" in text
        indented = "".join(f"    {line}\n" for line in text.splitlines())
        rest = "pipeline: noise\nclock: scheduler/noise\ntasks:\n  run:\n    entry: scheduler/noise\n    shadow: pure\n"
        for name, mismatches in (("noisy_result", 0), ("changed_noise", runs)):
            body = json.dumps({"callable": f"planted_cases:{name}", "environment": "planted", "args": [7]})
            (stage.folder / "mappings" / "noise.yaml").write_text(
                f"{rest}    python: {body}\n{indented}", encoding="utf-8"
            )
            stage.json("shadow", "--from-history")
            after = report(stage, "noise")
            assert after["mismatch"] == mismatches, after["causes"]
            assert after["ignored_differences"] > 0
            assert [cause["place"] for cause in after["causes"] if not cause["hidden_by"]] == ["$.steady"][
                : mismatches > 0
            ]
        assert proposed(stage) == []
