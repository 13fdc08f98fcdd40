"""The same DAGs for every tool: a chain of commands in local time, with retries, time-outs, tags and a text. Plain values only."""

from __future__ import annotations

from typing import Any

TASKS = 5
ZONE = "Europe/Berlin"
RETRIES = 2
RETRY_SECONDS = 60
TIMEOUT_SECONDS = 600


def dag(number: int) -> dict[str, Any]:
    """One of them; `tasks` are id and command, each after the one before."""
    return {
        "id": f"pipeline_{number}",
        "text": f"Pipeline {number} of the benchmark.",
        "cron": f"{number % 60} {number % 24} * * 1-5",
        "tags": ["benchmark", f"group-{number % 7}"],
        "owner": "ml",
        "tasks": [(f"step_{step}", f"/bin/echo {number} {step}") for step in range(TASKS)],
    }
