"""An Airflow behind TLS with a certificate of a company's own authority."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from road import Road
from test_deploy import elsewhere

UNREACHABLE = 3


def make_certificates(folder: Path) -> None:
    """An authority, `ca.pem`, and a server's certificate of it for 127.0.0.1, `server.pem` with `server.key`."""
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n", encoding="ascii")
    for words in (
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=Company -keyout ca.key -out ca.pem",
        "req -newkey rsa:2048 -nodes -subj /CN=airflow -keyout server.key -out server.csr",
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem",
    ):
        subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True)


def carry(source: socket.socket, target: socket.socket) -> None:
    """Passes on what comes until it ends."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(listener: socket.socket, context: ssl.SSLContext, port: int) -> None:
    """Takes TLS off each connection and passes it on to the port."""
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return
        try:
            inside = context.wrap_socket(plain, server_side=True)
        except (ssl.SSLError, OSError):
            plain.close()
            continue
        airflow = socket.create_connection(("127.0.0.1", port))
        for ends in ((inside, airflow), (airflow, inside)):
            threading.Thread(target=carry, args=ends, daemon=True).start()


@pytest.fixture
def behind_tls(road: Road, tmp_path: Path) -> Iterator[str]:
    """The https URL of the Airflow, as a proxy before it gives it."""
    make_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    port = urlsplit(road.airflow.record.api_url).port
    assert port is not None
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener, context, port), daemon=True).start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.full
def test_it_is_trusted_only_if_its_authority_is_named(road: Road, behind_tls: str, tmp_path: Path) -> None:
    stranger = elsewhere(road, tmp_path / "stranger", url=behind_tls)
    said = stranger.run("deploy", "taken", status=UNREACHABLE).stderr
    assert "certificate" in said and "ca" in said, said
    friend = elsewhere(road, tmp_path / "friend", url=behind_tls, ca=str(tmp_path / "ca.pem"))
    assert f"at {behind_tls}" in friend.run("deploy", "taken").stdout
