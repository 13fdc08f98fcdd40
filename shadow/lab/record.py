"""`lab.json`: what a laboratory is made of, written step by step while it starts, so that it can always be removed."""

from __future__ import annotations

import json
import os
import sys
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lab.processes import Birth, LabError

SHADOW = Path(__file__).resolve().parents[1]


@dataclass
class Record:
    """The contents of `lab.json`. `state` is `starting` or `running`; `births` tells a pid from its later reuse."""

    token: str
    effects: str
    postgres_data: str
    speed: float
    starter: int
    starter_birth: int
    state: str = "starting"
    redis_url: str = ""
    postgres_url: str = ""
    python: str = sys.executable
    pythonpath: str = str(SHADOW)
    pids: dict[str, int] = field(default_factory=dict)
    births: dict[str, int] = field(default_factory=dict)

    @classmethod
    def new(cls, folder: Path, speed: float) -> Record:
        """The record of a laboratory of which nothing has started."""
        starter = Birth.of(os.getpid())
        assert starter is not None
        return cls(
            token=uuid.uuid4().hex,
            effects=str(folder / "effects"),
            postgres_data=str(folder / "postgres"),
            speed=speed,
            starter=starter.pid,
            starter_birth=starter.started,
        )

    @classmethod
    def read(cls, folder: Path) -> Record | None:
        """The record in the folder, or None if there is none."""
        file = folder / "lab.json"
        try:
            return cls(**json.loads(file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise LabError(
                f"{file} is not a laboratory's record ({error}); if nothing of it runs, delete the folder"
            ) from error

    def write(self, folder: Path) -> None:
        """Replaces the file in one step: a reader sees the old or the new one, whole."""
        draft = folder / "lab.json.new"
        draft.write_text(self._text(), encoding="utf-8")
        draft.replace(folder / "lab.json")

    def create(self, folder: Path) -> None:
        """Writes the file for the first time; FileExistsError if another process did so a moment before."""
        draft = folder / f"lab.json.{self.token}"
        draft.write_text(self._text(), encoding="utf-8")
        try:
            os.link(draft, folder / "lab.json")
        finally:
            draft.unlink()

    def note(self, name: str, pid: int, folder: Path) -> None:
        """Records a member that has just started."""
        birth = Birth.of(pid)
        self.pids[name] = pid
        self.births[name] = birth.started if birth else 0
        self.write(folder)

    def member(self, name: str) -> Birth:
        """The process recorded under the name."""
        return Birth(self.pids[name], self.births[name])

    def _text(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"

    @property
    def being_started(self) -> bool:
        """Whether the process that makes it is still at it."""
        return self.state == "starting" and Birth(self.starter, self.starter_birth).alive
