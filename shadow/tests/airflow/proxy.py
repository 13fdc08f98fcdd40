"""An HTTP proxy before an Airflow, that notes what was asked and may tell something else than Airflow said."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# What is not passed on: the proxy's own connections have these of their own.
_HOP_BY_HOP = ("connection", "transfer-encoding", "content-length", "host", "accept-encoding")
# The body of an answer to a path, changed or not.
Change = Callable[[str, bytes], bytes]


@dataclass
class Proxy:
    """Where it listens, and what has been asked through it so far."""

    url: str
    # Method, path and the answer's status, in order.
    seen: list[tuple[str, str, int]] = field(default_factory=list)

    def statuses(self, path: str = "") -> list[int]:
        """How questions were answered whose path begins so."""
        return [status for _, asked, status in self.seen if asked.startswith(path)]


@contextmanager
def proxy(target: str, change: Change = lambda _, body: body) -> Iterator[Proxy]:
    """A proxy before the URL, for as long as this lasts."""

    class Handler(BaseHTTPRequestHandler):
        def pass_on(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            request = urllib.request.Request(
                target + self.path,
                method=self.command,
                data=self.rfile.read(length) if length else None,
                headers={name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP},
            )
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    status, headers, body = answer.status, answer.headers, answer.read()
            except urllib.error.HTTPError as error:
                status, headers, body = error.code, error.headers, error.read()
            made.seen.append((self.command, self.path, status))
            body = change(self.path, body)
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = pass_on

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing: what was asked stands in `seen`."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made = Proxy(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
