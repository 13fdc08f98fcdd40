"""A PostgreSQL for the time of a test."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from lab import servers
from testing.server import wait_until


@contextmanager
def cluster(*settings: str) -> Iterator[str]:
    """A cluster of its own, with settings such as `max_prepared_transactions=5`; the URL of its database."""
    with tempfile.TemporaryDirectory(prefix="bailey-postgres-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        data, log, user, port = folder / "data", folder / "log", servers.postgres_user(), servers.free_port()
        servers.make_cluster(data, os.environ, log)
        account: dict[str, Any] = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        with log.open("ab") as output:
            words = [word for setting in settings for word in ("-c", setting)]
            process = subprocess.Popen(
                [*servers.postgres_command(port, data), *words], cwd="/", stdout=output, stderr=output, **account
            )
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"

        def answers() -> bool:
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url):
                return True
            return False

        try:
            wait_until("PostgreSQL answers", answers)
            yield url
        finally:
            process.terminate()
            process.wait()
