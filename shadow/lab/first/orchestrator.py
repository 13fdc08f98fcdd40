"""The workflow orchestrator (`python -m lab.first.orchestrator PORT DATABASE_URL AGENTS_URL`), as the company's is, in small.

A request writes a row of `demos` and one of `demo_stages` per agent, is answered with 202, and the agents are called one after another, each with
what the one before has made. Nothing is tried again: a stage that fails fails the demo.
"""

from __future__ import annotations

import json
import sys
import threading
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg

AGENTS = (("analyze-task", "task"), ("develop-solution", "analysis"), ("provide-consultation", "solution"))


class Orchestrator(ThreadingHTTPServer):
    """Serves requests for demos."""

    daemon_threads = True

    def __init__(self, port: int, database: str, agents: str) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.database = database
        self.agents = agents

    def accept(self, task: str) -> str:
        """Writes a demo and its stages; returns its id."""
        demo = str(uuid.uuid4())
        with psycopg.connect(self.database, autocommit=True) as connection:
            connection.execute("INSERT INTO demos (id, task, status) VALUES (%s, %s, 'pending')", (demo, task))
            for order, (agent, _) in enumerate(AGENTS, start=1):
                connection.execute(
                    "INSERT INTO demo_stages (demo_id, stage_order, agent, status) VALUES (%s, %s, %s, 'pending')",
                    (demo, order, agent),
                )
        threading.Thread(target=self.work, args=(demo, task), daemon=True).start()
        return demo

    def work(self, demo: str, task: str) -> None:
        """Calls one agent after another."""
        value: Any = task
        with psycopg.connect(self.database, autocommit=True) as connection:
            for order, (agent, takes) in enumerate(AGENTS, start=1):
                stage = (demo, order)
                connection.execute(
                    "UPDATE demo_stages SET status = 'processing' WHERE demo_id = %s AND stage_order = %s", stage
                )
                try:
                    answer = call(f"{self.agents}/{agent}", {takes: value})
                except OSError:
                    connection.execute(
                        "UPDATE demo_stages SET status = 'failed' WHERE demo_id = %s AND stage_order = %s", stage
                    )
                    connection.execute("UPDATE demos SET status = 'failed' WHERE id = %s", (demo,))
                    return
                value = next(iter(answer.values()))
                connection.execute(
                    "UPDATE demo_stages SET status = 'completed', result = %s WHERE demo_id = %s AND stage_order = %s",
                    (json.dumps(answer), *stage),
                )
            connection.execute("UPDATE demos SET status = 'completed' WHERE id = %s", (demo,))


def call(url: str, body: dict[str, Any]) -> dict[str, Any]:
    """One request to an agent."""
    request = urllib.request.Request(
        url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


class _Handler(BaseHTTPRequestHandler):
    server: Orchestrator

    def do_GET(self) -> None:  # noqa: N802
        self._send(200, {"orchestrator": True})

    def do_POST(self) -> None:  # noqa: N802
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        self._send(202, {"id": self.server.accept(body["task"])})

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def main() -> None:
    """Serves until it is ended."""
    port, database, agents = sys.argv[1:]
    Orchestrator(int(port), database, agents).serve_forever()


if __name__ == "__main__":
    main()
