"""A broker, a result store, a worker and a beat of a test, as real processes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

HERE = Path(__file__).parent
PYTHON = os.environ.get("BAILEY_CELERY_PYTHON", sys.executable)


def until(holds: Callable[[], Any], words: str, seconds: float = 60) -> Any:
    """What a condition gives once it holds."""
    ends = time.monotonic() + seconds
    while True:
        found = holds()
        if found:
            return found
        assert time.monotonic() < ends, words
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def certificates(folder: Path) -> None:
    """An authority, `ca.pem`, and a certificate of it for 127.0.0.1, `server.pem` with `server.key`."""
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n", encoding="ascii")
    for words in (
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=Company -keyout ca.key -out ca.pem",
        "req -newkey rsa:2048 -nodes -subj /CN=broker -keyout server.key -out server.csr",
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem",
    ):
        subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True)


@contextmanager
def redis_server(*options: str, password: str | None = None) -> Iterator[int]:
    """The port of a Redis server."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="bailey-redis-") as folder:
        command = ["redis-server", "--port", str(port), "--dir", folder, "--bind", "127.0.0.1", "--save", "", *options]
        command += ["--requirepass", password, "--masterauth", password] if password else []
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            client = redis.Redis(port=port, password=password)

            def answers() -> bool:
                try:
                    return bool(client.ping())
                except redis.RedisError:
                    return False

            until(answers, "redis-server did not start")
            yield port
        finally:
            process.kill()
            process.wait()


@contextmanager
def sentinel(master: int, password: str | None = None, servers: str | None = None) -> Iterator[int]:
    """The port of a Sentinel that watches a Redis server, which it calls `legacy`. `servers` is the password of those it watches."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="bailey-sentinel-") as folder:
        settings = Path(folder, "sentinel.conf")
        lines = [f"port {port}", "bind 127.0.0.1", f"sentinel monitor legacy 127.0.0.1 {master} 1"]
        lines += ["sentinel down-after-milliseconds legacy 1000"]
        lines += [f'requirepass "{password}"'] if password else []
        lines += [f'sentinel auth-pass legacy "{servers}"'] if servers else []
        settings.write_text("\n".join(lines) + "\n")
        # What redis-sentinel is a link to.
        process = subprocess.Popen(["redis-server", str(settings), "--sentinel"], stdout=subprocess.DEVNULL)
        try:
            client = redis.Redis(port=port, password=password)

            def knows() -> bool:
                try:
                    return bool(client.sentinel_get_master_addr_by_name("legacy"))
                except redis.RedisError:
                    return False

            until(knows, "redis-sentinel did not start")
            yield port
        finally:
            process.kill()
            process.wait()


@contextmanager
def rabbitmq_server(tls: Path | None = None) -> Iterator[str]:
    """The URL of a RabbitMQ broker: Debian's, as a node of its own. `tls` is a folder of `certificates`, one of which a client must show."""
    port, distribution, names = free_port(), free_port(), free_port()
    name = f"bailey{port}@localhost"
    with tempfile.TemporaryDirectory(prefix="bailey-rabbit-") as folder:
        Path(folder, "enabled_plugins").write_text("[].\n")
        variables = {
            **os.environ,
            "HOME": folder,
            "ERL_EPMD_PORT": str(names),
            "RABBITMQ_NODENAME": name,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": folder,
            "RABBITMQ_LOG_BASE": folder,
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
            "RABBITMQ_CONFIG_FILE": f"{folder}/none",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1",
        }
        secure = free_port()
        if tls:
            files = (("cacertfile", "ca.pem"), ("certfile", "server.pem"), ("keyfile", "server.key"))
            lines = [f"listeners.ssl.1 = 127.0.0.1:{secure}", "ssl_options.verify = verify_peer"]
            lines += ["ssl_options.fail_if_no_peer_cert = true"]
            lines += [f"ssl_options.{name} = {tls / file}" for name, file in files]
            Path(folder, "rabbitmq.conf").write_text("\n".join(lines) + "\n")
            variables["RABBITMQ_CONFIG_FILE"] = f"{folder}/rabbitmq"
        program = "/usr/lib/rabbitmq/bin/rabbitmq-server"
        log = open(f"{folder}/out", "w")
        # Erlang would leave its own behind as a daemon.
        epmd = subprocess.Popen(["epmd", "-port", str(names)], stdout=log, stderr=log)
        process = subprocess.Popen(
            [program], env=variables, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:

            def answers() -> bool:
                assert process.poll() is None, Path(folder, "out").read_text()[-2000:]
                with socket.socket() as probe:
                    probe.settimeout(2)
                    if probe.connect_ex(("127.0.0.1", port)) != 0:
                        return False
                    probe.sendall(b"AMQP\x00\x00\x09\x01")
                    try:
                        return bool(probe.recv(8))
                    except OSError:
                        return False

            until(answers, "rabbitmq-server did not start", 120)
            yield f"amqps://guest:guest@127.0.0.1:{secure}//" if tls else f"amqp://guest:guest@127.0.0.1:{port}//"
        finally:
            os.killpg(process.pid, 9)
            process.wait()
            epmd.kill()
            epmd.wait()
            log.close()


class Legacy:
    """A Celery application with a worker, and on demand a beat."""

    def __init__(self, given: dict[str, Any], python: str = PYTHON) -> None:
        self.given = given
        self.python = python
        self.ledger = redis.Redis.from_url(given["ledger"])
        self.environment = {
            **os.environ,
            "LEGACY_CELERY": json.dumps(given),
            "PYTHONPATH": str(HERE),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.processes: list[subprocess.Popen[bytes]] = []
        self.folder = tempfile.TemporaryDirectory(prefix="bailey-celery-")
        self.worker: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [self.python, "-m", "celery", "-A", "legacy_celery", *arguments]
        log = open(Path(self.folder.name, f"{arguments[0]}.log"), "ab")
        process = subprocess.Popen(
            command, env=self.environment, cwd=self.folder.name, stdout=log, stderr=log, start_new_session=True
        )
        self.processes.append(process)
        return process

    def start_worker(self, *arguments: str) -> None:
        self.worker = self.start("worker", "-P", "solo", "-c", "1", "-l", "WARNING", "--without-mingle", *arguments)

    def log(self, name: str) -> str:
        return Path(self.folder.name, f"{name}.log").read_text()

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, 9)
            process.wait()
        self.processes.clear()
        self.folder.cleanup()

    def received(self, count: int, seconds: float = 40) -> list[dict[str, Any]]:
        """What the worker has received, once there is that much of it."""
        until(
            lambda: self.ledger.llen("received") >= count,
            f"the worker has not received {count}: {self.log('worker')[-1500:]}",
            seconds,
        )
        return [json.loads(one) for one in self.ledger.lrange("received", 0, -1)]

    def runs(self) -> int:
        return int(self.ledger.get("runs") or 0)


@contextmanager
def legacy(given: dict[str, Any], *arguments: str, python: str = PYTHON) -> Iterator[Legacy]:
    """The application with its worker running."""
    found = Legacy(given, python)
    try:
        found.start_worker(*arguments)
        yield found
    finally:
        found.stop()
