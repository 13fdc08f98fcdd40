"""How the laboratory's Redis and PostgreSQL are found and started."""

from __future__ import annotations

import os
import random
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from lab.processes import LabError

POSTGRES_ACCOUNT = "postgres"

# A killed postmaster leaves nothing behind outside its folder but one small System V segment.
POSTGRES_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "dynamic_shared_memory_type": "mmap",
    "timezone": "UTC",
    "fsync": "off",
    "max_connections": "50",
}


def free_port() -> int:
    """A loopback port that nobody listened on a moment ago."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def quiet_port() -> int:
    """A free loopback port out of the range from which the kernel takes those of outgoing connections.

    For servers that bind it only seconds later; nobody but another test picks a port there by chance.
    """
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    while True:
        port = random.randrange(max(1024, first - 20_000), first)
        with closing(socket.socket()) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def redis_command(port: int, folder: Path) -> list[str]:
    """redis-server on loopback that keeps what it is told. Its title is left alone, and with it its environment."""
    program = shutil.which("redis-server") or "/usr/bin/redis-server"
    if not os.path.exists(program):
        raise LabError("redis-server is not installed; on Debian: apt-get install redis-server")
    settings = {
        "port": port,
        "bind": "127.0.0.1",
        "dir": folder,
        "appendonly": "yes",
        "save": "",
        "set-proc-title": "no",
    }
    return [program, *(word for name, value in settings.items() for word in (f"--{name}", str(value)))]


def postgres_program(name: str) -> str:
    """The newest of the installed programs of this name, where Debian keeps them, or else the one in PATH."""
    found = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    newest = max(found, key=lambda path: int(re.sub(r"\D", "", path.parts[-3]) or 0), default=None)
    program = str(newest) if newest else shutil.which(name)
    if program is None:
        raise LabError(f"{name} is not installed; on Debian: apt-get install postgresql")
    return program


def postgres_user() -> str | None:
    """The account that PostgreSQL runs as: it refuses root's; None is one's own."""
    return POSTGRES_ACCOUNT if os.geteuid() == 0 else None


def reachable(folder: Path, user: str) -> bool:
    """Whether the account may enter the folder."""
    return (
        subprocess.run(["test", "-x", str(folder)], user=user, group=user, extra_groups=[], check=False).returncode == 0
    )


def make_cluster(data: Path, environment: Mapping[str, str], log: Path) -> None:
    """Makes an empty cluster whose superuser, `postgres`, needs no password on loopback."""
    user = postgres_user()
    data.mkdir(mode=0o700)
    if user is not None:
        shutil.chown(data, user, user)
    command = [
        postgres_program("initdb"),
        "-D",
        str(data),
        "-U",
        "postgres",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
        "-N",
    ]
    with log.open("ab") as output:
        status = subprocess.run(
            command,
            cwd="/",
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=user,
            group=user,
            extra_groups=[] if user else None,
            start_new_session=True,
            check=False,
        ).returncode
    if status != 0:
        raise LabError(f"initdb ended with status {status}; its log is {log}")


def postgres_command(port: int, data: Path) -> list[str]:
    """The server, in the foreground."""
    settings = {**POSTGRES_SETTINGS, "port": str(port)}
    return [
        postgres_program("postgres"),
        "-D",
        str(data),
        *(word for key, value in settings.items() for word in ("-c", f"{key}={value}")),
    ]


def release_shared_memory(data: Path) -> None:
    """Removes the segment that a killed postmaster left; its id is the second number in line 7 of `postmaster.pid`."""
    try:
        segment = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[6].split()[1]
    except (OSError, IndexError):
        return
    subprocess.run(["ipcrm", "-m", segment], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
