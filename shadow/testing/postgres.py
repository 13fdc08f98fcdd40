"""A PostgreSQL for the time of a test."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from lab import servers
from testing.server import wait_until


class Cluster:
    """A cluster of its own, with settings such as `max_prepared_transactions=5`."""

    def __init__(self, folder: Path, *settings: str) -> None:
        self.folder = folder
        self.port = servers.free_port()
        self._settings = settings
        self._user = servers.postgres_user()
        self._process: subprocess.Popen[bytes] | None = None
        folder.chmod(0o755)

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def make(self) -> Cluster:
        """Empty."""
        servers.make_cluster(self.data, os.environ, self.folder / "log")
        return self

    def copy(self, port: int) -> Cluster:
        """As another cluster is, which it follows from then on through that port."""
        words = [servers.postgres_program("pg_basebackup"), "-D", str(self.data), "-R", "-X", "stream", "-c", "fast"]
        address = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        self.data.mkdir(mode=0o700)
        if self._user is not None:
            shutil.chown(self.data, self._user, self._user)
        subprocess.run([*words, "-d", address], cwd="/", check=True, capture_output=True, **self._account)
        return self

    def start(self) -> Cluster:
        """Returns when it answers."""
        with (self.folder / "log").open("ab") as output:
            words = [word for setting in self._settings for word in ("-c", setting)]
            self._process = subprocess.Popen(
                [*servers.postgres_command(self.port, self.data), *words],
                cwd="/",
                stdout=output,
                stderr=output,
                **self._account,
            )
        wait_until("PostgreSQL answers", self._answers)
        return self

    def kill(self) -> None:
        """As a machine that fails: all of it at once, and nothing more is sent to a standby."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()

    @property
    def _account(self) -> dict[str, Any]:
        return {} if self._user is None else {"user": self._user, "group": self._user, "extra_groups": []}

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.url):
            return True
        return False


@contextmanager
def cluster(*settings: str) -> Iterator[str]:
    """A cluster for as long as this lasts; the URL of its database."""
    with tempfile.TemporaryDirectory(prefix="bailey-postgres-") as name:
        one = Cluster(Path(name), *settings)
        try:
            yield one.make().start().url
        finally:
            one.kill()
