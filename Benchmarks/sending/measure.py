"""The sending benchmark: measure.py [MESSAGES].

Three ways to put one message into Redis once: a hand-written one (a mark and a push, with the payload made before), by configuration in the
task's own process, and by the application in a child process of its own interpreter. Medians over messages, side by side; it fails where the
application takes more than 2 s a message, or a configuration more than 50 ms more than the hand-written one.
"""

from __future__ import annotations

import json
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

APP_SECONDS = 2.0
MORE_SECONDS = 0.05
DEFINITION = {"task": "legacy.echo", "args": [1, "two"], "kwargs": {"n": 0}, "options": {"queue": "unread"}}


def measured(count: int, send: Callable[[int], None]) -> tuple[float, float]:
    """Seconds a message, and of the processor; the first message pays for what is imported and connected once."""
    spans, used = [], []
    for number in range(count + 1):
        begun, busy = time.monotonic(), processor()
        send(number)
        spans.append(time.monotonic() - begun)
        used.append(processor() - busy)
    return statistics.median(spans[1:]), statistics.median(used[1:])


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
                words = [celery_wire.SEND_ONCE, 2, f"hand:{number}", "unread", 60, "{}", "list", "x" * 700]
                redis.Redis(port=port).eval(*words)

            def by_configuration(number: int) -> None:
                more = {"configuration": configuration, "broker": settings["settings"]["broker_url"]}
                answer = celery_wire.answer(sending(DEFINITION, ids=[f"c{number}"], **more))
                assert answer["sent"], answer

            def by_app(number: int) -> None:
                request = sending(DEFINITION, ids=[f"a{number}"], app="legacy_celery:app")
                done = subprocess.run(
                    [app.python, "-c", celery_wire.source()],
                    input=json.dumps(request),
                    env=app.environment,
                    cwd=app.folder.name,
                    capture_output=True,
                    text=True,
                    check=True,
                    timeout=60,
                )
                assert json.loads(done.stdout.splitlines()[-1])["sent"], done.stdout

            hand = measured(count, by_hand)
            configured = measured(count, by_configuration)
            own = measured(max(3, count // 3), by_app)
            # Lists of priorities have names of their own.
            left = sum(client.llen(key) for key in client.scan_iter("unread*"))
            assert left == 2 * (count + 1) + max(3, count // 3) + 1, left
    more = configured[0] - hand[0]
    rows = {"by hand": (hand, ""), "via: configuration": (configured, f"{more * 1000:.1f} ms more (limit 50)")}
    rows["via: app"] = (own, "(limit 2000)")
    for name, ((wall, busy), words) in rows.items():
        print(f"{name:18} {wall * 1000:8.1f} ms a message, {busy * 1000:.1f} ms of the processor  {words}")
    return int(more > MORE_SECONDS or own[0] > APP_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
