"""Bodies of a real application in a sandbox: what legacy's worker did, they do where nobody is harmed, and what they wrote is compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stage import Stage, wait_until


def comparison(stage: Stage, name: str) -> dict[str, Any]:
    [row] = [row for row in stage.json("report", status=(0, 1))["pipelines"] if row["id"] == name]
    [found] = row["comparisons"]
    return dict(found)


def test_effects_are_compared_and_harm_nobody(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "stage")
    outside = tmp_path / "outside"
    outside.mkdir()
    with stage.running():
        for name in ("same", "differs", "forgets"):
            stage.entry(name, "planted.report", [name], 86_400)
            file = {"written": f"reports/{name}.csv", "legacy": f"{stage.folder}/reports/{name}.csv"}
            body = {"callable": "planted_effects:report", "environment": "planted"}
            stage.map(name, {"python": body, "shadow": "sandbox", "effects": {"files": [file]}})
        stage.entry("harm", "planted.harm", [str(outside), stage.server.port], 86_400)
        body = {"callable": "planted_effects:harm", "environment": "planted"}
        stage.map("harm", {"python": body, "shadow": "sandbox"})
        stage.entry("bill", "planted.bill", [7], 86_400)
        answer = {"method": "POST", "url": "http://billing.internal/invoices", "status": 201}
        body = {"callable": "planted_effects:bill", "environment": "planted"}
        stage.map("bill", {"python": body, "shadow": "sandbox", "effects": {"http": [answer]}})
        stage.beat()
        wait_until("every task ran", lambda: stage.results() == 5, 60)
        # Legacy's harm is its own; what matters is that it is not done once more.
        (outside / "harmed").unlink()
        stage.server.client().delete("harmed")

        stage.json("import")
        [check] = [one for one in stage.json("doctor", status=(0, 1, 3))["checks"] if one["name"] == "sandbox"]
        assert check["ok"] and check["detail"].startswith("bodies with"), check
        stage.json("shadow", "--from-history", status=(0, 1))

        same = comparison(stage, "same")
        assert same["verdict"] == "match", same
        assert [file["path"] for file in same["shadow"]["effects"]["files"]] == ["reports/same.csv"]
        differs = comparison(stage, "differs")
        [found] = differs["differences"]
        assert (found["kind"], found["path"]) == ("effects", "reports/differs.csv:line 3"), differs
        assert (found["legacy"], found["shadow"]) == ("2,20", "2,21")
        [found] = comparison(stage, "forgets")["differences"]
        assert found["kind"] == "effects" and found["shadow"] is None and "did not" in found["text"], found

        harm = comparison(stage, "harm")
        assert harm["verdict"] == "match" and f"connect 127.0.0.1:{stage.server.port}" in harm["shadow"]["isolation"], (
            harm
        )
        assert not list(outside.iterdir()) and stage.server.client().get("harmed") is None

        bill = comparison(stage, "bill")
        calls = [
            (call["method"], call["url"], call["bytes"], call["status"]) for call in bill["shadow"]["effects"]["http"]
        ]
        assert calls == [
            ("POST", "http://billing.internal/invoices", 8, 201),
            ("POST", "http://mail.internal/send", 1, 403),
        ], bill
        assert bill["verdict"] == "match", bill
        words = stage.text("report", "differs")
        assert "IN WHICH SANDBOX" in words and ("bubblewrap" in words or "Landlock" in words), words
        assert "effects" in words and "line 3" in words, words
