"""A workspace of Bailey's and the commands in it, run as a person does."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
SHADOW = ROOT / "shadow"
PROGRAM = os.environ.get("BAILEY", str(ROOT / ".build" / "debug" / "bailey"))


class Workspace:
    """A folder with `bailey.yaml` and mappings."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.environment = {**os.environ, **(environment or {})}
        # A program built into a folder elsewhere does not find the profiles of its checkout.
        shutil.copytree(ROOT / "mappings" / "profiles", folder / "mappings" / "profiles")
        # JSON is YAML.
        (folder / "bailey.yaml").write_text(json.dumps({"version": 1, **settings}, indent=2), encoding="utf-8")

    @property
    def dags(self) -> Path:
        """Where DAG files are written."""
        return self.folder / "dags"

    def add_mapping(self, mapping: Mapping[str, Any]) -> None:
        """Writes one mapping, named after its pipeline."""
        file = self.folder / "mappings" / f"{mapping['pipeline']}.yaml"
        text = json.dumps(mapping, ensure_ascii=False, indent=1)
        # JSON may hold these as they are, YAML may not.
        text = re.sub("[\x7f-\x9f\ufeff]", lambda found: f"\\u{ord(found.group()):04x}", text)
        file.write_text(text, encoding="utf-8")

    def run(
        self, *words: str, status: int | Iterable[int] = 0, text: str | None = None, limit: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end; it must end with the status, or one of them, within the limit (seconds)."""
        done = subprocess.run(
            [PROGRAM, *words],
            cwd=self.folder,
            env=self.environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
        allowed = {status} if isinstance(status, int) else set(status)
        assert done.returncode in allowed, f"{words}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done

    def json(self, *words: str, status: int | Iterable[int] = 0) -> Any:
        """Runs a command with --json and reads its document."""
        return json.loads(self.run(*words, "--json", status=status).stdout)


def company_environment() -> dict[str, Any]:
    """The setting under which mappings call `lab.work`: bodies run by this interpreter, as fast as can be."""
    return {"python": sys.executable, "path": [str(SHADOW)], "env": {"LAB_SPEED": "100000"}}
