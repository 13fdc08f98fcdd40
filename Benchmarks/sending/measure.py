"""The sending benchmark: measure.py [MESSAGES].

Three ways to put one message into Redis once: a hand-written one (a mark and a push, with the payload made before), by configuration in the
task's own process, and by the application in a child process of its own interpreter. They take turns, so that whatever else the machine does
falls on all of them; a fourth row is what a task's process pays once, for Celery's import. It fails where the application takes more than 2 s
a message, or a configuration more than 50 ms more than the hand-written one, in the median.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import redis
from stack import legacy, redis_server
from test_parity import asked, given, sending

from bailey_runtime import celery_wire
from bailey_runtime.celery_once import SEND_ONCE
from bailey_runtime.celery_text import text_of

APP_SECONDS = 2.0
MORE_SECONDS = 0.05
DEFINITION = {"task": "legacy.echo", "args": [1, "two"], "kwargs": {"n": 0}, "options": {"queue": "unread"}}
# What a task that sends by hand imports too, and what one by configuration does beside it.
BY_HAND = "import json, redis, uuid"
BESIDE = f"{BY_HAND}; import celery.app.amqp, celery.app.control, celery.backends.redis, kombu.transport.redis"


def measured(send: Callable[[int], None], number: int) -> tuple[float, float]:
    """Seconds that a message takes, and of the processor."""
    begun, busy = time.monotonic(), processor()
    send(number)
    return time.monotonic() - begun, processor() - busy


def processor() -> float:
    """Seconds of the processor that this process and its ended children have used."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    with redis_server() as port:
        settings = given(f"redis://127.0.0.1:{port}/0", port, "default", "json")
        with legacy(settings, "-Q", "work") as app:
            configuration = asked(settings)
            client = redis.Redis(port=port)

            def by_hand(number: int) -> None:
                words = [SEND_ONCE, 2, f"hand:{number}", "unread", 60, "{}", "list", "x" * 700]
                redis.Redis(port=port).eval(*words)

            def by_configuration(number: int) -> None:
                more = {"configuration": configuration, "broker": settings["settings"]["broker_url"]}
                answer = celery_wire.answer(sending(DEFINITION, ids=[f"c{number}"], **more))
                assert answer["sent"], answer

            def child(text: str, request: str = "") -> str:
                done = subprocess.run(
                    [app.python, "-c", text],
                    input=request,
                    env=app.environment,
                    cwd=app.folder.name,
                    capture_output=True,
                    text=True,
                    check=True,
                    timeout=120,
                )
                return done.stdout

            def by_app(number: int) -> None:
                request = sending(DEFINITION, ids=[f"a{number}"], app="legacy_celery:app")
                answer = child(text_of(), json.dumps(request))
                assert json.loads(answer.splitlines()[-1])["sent"], answer

            ways: dict[str, Callable[[int], None]] = {
                "by hand": by_hand,
                "via: configuration": by_configuration,
                "via: app": by_app,
                "imports by hand": lambda _: print(child(BY_HAND), end=""),
                "imports of Celery": lambda _: print(child(BESIDE), end=""),
            }
            # The first message of each pays for what is imported and connected once.
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
            for number in range(count + 1):
                for name, send in ways.items():
                    found[name].append(measured(send, number))
            left = sum(client.llen(key) for key in client.scan_iter("unread*"))
            assert left == 3 * (count + 1), left
    walls = {name: statistics.median(wall for wall, _ in spans[1:]) for name, spans in found.items()}
    more = walls["via: configuration"] - walls["by hand"]
    once = walls["imports of Celery"] - walls["imports by hand"]
    words = {
        "via: configuration": f"{more * 1000:.1f} ms more than by hand (limit {MORE_SECONDS * 1000:.0f})",
        "via: app": f"(limit {APP_SECONDS * 1000:.0f})",
        "imports of Celery": f"{once * 1000:.0f} ms more, once for a process that sends",
    }
    print(f"{count} messages each, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    for name, spans in found.items():
        longest = max(wall for wall, _ in spans[1:])
        busy = statistics.median(used for _, used in spans[1:])
        print(
            f"{name:18} {walls[name] * 1000:8.1f} ms a message (longest {longest * 1000:.0f}), {busy * 1000:.1f} ms of the processor  "
            f"{words.get(name, '')}"
        )
    return int(more > MORE_SECONDS or walls["via: app"] > APP_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
