"""What a stack of servers is made of, written step by step while it starts, so that it can always be removed."""

from __future__ import annotations

import json
import os
import sys
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from lab.processes import Birth, LabError

SHADOW = Path(__file__).resolve().parents[1]

AnyRecord = TypeVar("AnyRecord", bound="StackRecord")


@dataclass
class StackRecord:
    """What every stack records. `state` is `starting` or `running`; `births` tells a pid from its later reuse."""

    FILE: ClassVar[str]
    KIND: ClassVar[str]

    token: str
    postgres_data: str
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
    def new(cls: type[AnyRecord], folder: Path, **values: Any) -> AnyRecord:
        """The record of a stack of which nothing has started."""
        starter = Birth.of(os.getpid())
        assert starter is not None
        return cls(
            token=uuid.uuid4().hex,
            postgres_data=str(folder / "postgres"),
            starter=starter.pid,
            starter_birth=starter.started,
            **values,
        )

    @classmethod
    def read(cls: type[AnyRecord], folder: Path) -> AnyRecord | None:
        """The record in the folder, or None if there is none."""
        file = folder / cls.FILE
        try:
            return cls(**json.loads(file.read_text(encoding="utf-8")))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, TypeError) as error:
            raise LabError(
                f"{file} is not the record of {cls.KIND} ({error}); if nothing of it runs, delete the folder"
            ) from error

    def write(self, folder: Path) -> None:
        """Replaces the file in one step: a reader sees the old or the new one, whole."""
        draft = self._draft(folder)
        draft.write_text(self._text(), encoding="utf-8")
        draft.replace(folder / self.FILE)

    def create(self, folder: Path) -> None:
        """Writes the file for the first time; FileExistsError if another process did so a moment before."""
        draft = self._draft(folder)
        draft.write_text(self._text(), encoding="utf-8")
        try:
            os.link(draft, folder / self.FILE)
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

    @property
    def being_started(self) -> bool:
        """Whether the process that makes it is still at it."""
        return self.state == "starting" and Birth(self.starter, self.starter_birth).alive

    def _draft(self, folder: Path) -> Path:
        return folder / f"{self.FILE}.{self.token}"

    def _text(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"


@dataclass
class Record(StackRecord):
    """The contents of `lab.json`: the laboratory's."""

    FILE = "lab.json"
    KIND = "a laboratory"

    effects: str = ""
    speed: float = 600.0


@dataclass
class FirstRecord(StackRecord):
    """The contents of `first.json`: the first company's stack."""

    FILE = "first.json"
    KIND = "a first company"

    speed: float = 100.0
    night: int = 2
    phase: int = 0
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def results_url(self) -> str:
        """Where Celery's results are: another database of the Redis."""
        return self.redis_url.removesuffix("/0") + "/1"

    def url(self, name: str) -> str:
        """Where one of the HTTP servers answers."""
        return f"http://127.0.0.1:{self.ports[name]}"


@dataclass
class AirflowRecord(StackRecord):
    """The contents of `airflow.json`: an Airflow's. The passwords open nothing but this Airflow, on loopback."""

    FILE = "airflow.json"
    KIND = "an Airflow"

    version: str = ""
    executor: str = ""
    queues: str = ""
    broker_url: str = ""
    api_port: int = 0
    log_ports: list[int] = field(default_factory=list)
    admin_password: str = ""
    op_password: str = ""
    secret: str = ""

    @property
    def api_url(self) -> str:
        """Where its API server (in 2.11, its web server) answers."""
        return f"http://127.0.0.1:{self.api_port}"
