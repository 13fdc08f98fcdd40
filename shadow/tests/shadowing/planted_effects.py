"""What an application does beside returning something. The same code runs in legacy's worker and in a sandbox."""

from __future__ import annotations

import os
import socket
import urllib.error
import urllib.request
from pathlib import Path


def report(name: str) -> str:
    """Writes a file where it stands, as many tasks do."""
    Path("reports").mkdir(exist_ok=True)
    rows = ["day,sum", "1,10", "2,20"]
    if name == "differs" and os.environ.get("BAILEY_SHADOW"):
        rows[2] = "2,21"
    if not (name == "forgets" and os.environ.get("BAILEY_SHADOW")):
        Path("reports", f"{name}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return "written"


def harm(folder: str, port: int) -> str:
    """Writes elsewhere and speaks to a server, and tells nobody if that fails."""
    try:
        Path(folder, "harmed").write_text("x", encoding="utf-8")
    except OSError:
        pass
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as link:
            link.sendall(b"SET harmed 1\r\n")
            link.recv(100)
    except OSError:
        pass
    return "done"


def bill(number: int) -> int:
    """Sends an invoice. Legacy's worker has no such server either, and has learnt to live with that."""
    if os.environ.get("BAILEY_SHADOW"):
        with urllib.request.urlopen(
            "http://billing.internal/invoices", f'{{"n": {number}}}'.encode(), timeout=10
        ) as answer:
            assert answer.status == 201
        try:
            urllib.request.urlopen("http://mail.internal/send", b"x", timeout=10)
        except urllib.error.HTTPError as error:
            assert error.code == 403
    return number
