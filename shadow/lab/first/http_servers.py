"""Small real HTTP servers (`python -m lab.first.http_servers NAME PORT FILE`): the stores, and the orchestrator's three agents.

`neo4j`, `qdrant` and `elasticsearch` stand in for the products of that name: they keep what they are sent in a SQLite file of their own, and know
nothing else of them. `agents` answers as a model might.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

JSONObject = dict[str, Any]


class Store:
    """What a store keeps: a window of rows as often as it is sent, once."""

    def __init__(self, name: str, file: Path) -> None:
        self.name = name
        self.file = file
        with self._open() as database:
            database.execute("CREATE TABLE IF NOT EXISTS windows (since TEXT PRIMARY KEY, until TEXT, rows INTEGER)")
            database.execute("CREATE TABLE IF NOT EXISTS done (what TEXT)")

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self.file, timeout=10)

    def answer(self, path: str, body: JSONObject) -> JSONObject | None:
        """What it says; None where there is no such path."""
        with self._open() as database:
            if path == "/sync":
                values = (body["since"], body["until"], body["rows"])
                database.execute("INSERT OR REPLACE INTO windows VALUES (?, ?, ?)", values)
                return {"store": self.name, "received": body["rows"]}
            if path in ("/orphans", "/optimise"):
                database.execute("INSERT INTO done VALUES (?)", (path,))
                return {"store": self.name, "done": path.strip("/")}
            if path == "/count":
                rows, windows = database.execute("SELECT coalesce(sum(rows), 0), count(*) FROM windows").fetchone()
                return {"store": self.name, "rows": rows, "windows": windows}
            return {"store": self.name, "healthy": True} if path == "/health" else None


class Agents:
    """Three agents at one address."""

    def answer(self, path: str, body: JSONObject) -> JSONObject | None:
        """What the agent at the path makes of what it is given."""
        if path == "/analyze-task":
            return {"analysis": f"what is asked: {body['task']}", "words": len(str(body["task"]).split())}
        if path == "/develop-solution":
            return {"solution": f"for {body['analysis']}"}
        if path == "/provide-consultation":
            return {"consultation": f"about {body['solution']}"}
        return {"agents": 3} if path == "/health" else None


class Server(ThreadingHTTPServer):
    """A server of one of them."""

    daemon_threads = True

    def __init__(self, port: int, of: Store | Agents) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.of = of


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, answer = 200, None
        try:
            answer = self.server.of.answer(self.path, json.loads(body) if body else {})
            if answer is None:
                status, answer = 404, {"error": f"there is nothing at {self.path}"}
        except (ValueError, KeyError, TypeError) as error:
            status, answer = 400, {"error": f"{type(error).__name__}: {error}"}
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = _answer  # noqa: N815


def main() -> None:
    """Serves until it is ended."""
    name, port, file = sys.argv[1:]
    Server(int(port), Agents() if name == "agents" else Store(name, Path(file))).serve_forever()


if __name__ == "__main__":
    main()
