"""A real HTTP server that answers as it is asked to."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Agent(ThreadingHTTPServer):
    """Answers with what it was asked, and as its paths say; it keeps what came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, Any]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Agent

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        asked = {"method": self.command, "path": self.path, "body": body, "headers": dict(self.headers)}
        self.server.asked.append(asked)
        path = self.path.split("?")[0]
        status, text = 200, json.dumps({"you": body, "at": self.path}, indent=1)
        if path.startswith("/status/"):
            status, text = int(path.split("/")[2]), "as you wished"
        elif path == "/text":
            text = "no JSON {\n"
        elif path == "/number":
            text = '{"n": 12345678901234567890.50}'
        elif path == "/busy-once":
            status = 200 if sum(one["path"] == self.path for one in self.server.asked) > 1 else 503
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        data = text.encode()
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = _answer  # noqa: N815

    def log_message(self, *args: Any) -> None:
        """Nothing."""
