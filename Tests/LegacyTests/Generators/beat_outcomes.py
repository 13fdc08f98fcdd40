"""What a running beat does with each entry of odd_entries.py: beat_outcomes.py [PARALLEL], in an environment with Celery and RedBeat.

Prints one JSON object a line: `id` and `outcome`, and of a beat that ended or could not send, `error`, the exception's class. Each case has
a Redis database of its own with a witness that is due at every tick of 0.2 s; a beat is a process of its own. The outcomes:

- `fires`: it was sent once, the witness goes on;
- `floods`: it was sent again and again, the witness goes on;
- `unsent`: beat tried to send it and could not, the witness goes on;
- `never`: it stays in the schedule (or was never in it) and was not sent, the witness goes on;
- `dropped`: beat took it out of the schedule, the witness goes on;
- `exits`: beat ended;
- `silences`: beat lives on and sends nothing more, the witness's neither;
- `hangs`: beat computes without end.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from functools import partial
from multiprocessing import get_context
from typing import Any

import kombu.transport.redis  # noqa: F401
import redbeat.schedulers  # noqa: F401
import redis
from celery import Celery
from celery.apps import beat as _beat  # noqa: F401
from odd_entries import PAST, cases

TICKS = 5
WITNESS = {
    "name": "witness",
    "task": "t.witness",
    "schedule": {"__type__": "interval", "every": 0.1, "relative": False},
    "args": [],
    "kwargs": {},
    "options": {},
    "enabled": True,
}


def become_beat(url: str, log: str) -> None:
    """Runs beat in this process until it ends, and the process with it."""
    app = Celery("odd", broker=url)
    app.conf.update(
        redbeat_redis_url=url,
        redbeat_lock_timeout=600,
        result_expires=None,
        task_default_queue="sent",
        broker_connection_retry_on_startup=True,
    )
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    status = 1
    try:
        app.Beat(scheduler="redbeat.RedBeatScheduler", max_interval=0.2, loglevel="DEBUG", logfile=log).run()
        status = 0
    except SystemExit as ended:
        status = 1 if ended.code else 0
    except BaseException:
        pass
    os._exit(status)


def stored(case: dict[str, Any], field: str) -> bytes | None:
    if case.get(f"{field}_base64") is not None:
        return base64.b64decode(case[f"{field}_base64"])
    value = case.get(field)
    return None if value is None else value.encode()


def write(client: redis.Redis, case: dict[str, Any]) -> None:
    key = b"redbeat:" + case["key"].encode()
    match case.get("type"):
        case "string":
            client.set(key, "x")
        case "list":
            client.rpush(key, "x")
        case "set":
            client.sadd(key, "x")
        case "zset":
            client.zadd(key, {"x": 1})
        case _:
            fields = {name: stored(case, name) for name in ("definition", "meta")}
            fields.update(case.get("extra", {}))
            known = {name: value for name, value in fields.items() if value is not None}
            if known:
                client.hset(key, mapping=known)
    if case["score"] is not None:
        client.zadd("redbeat::schedule", {key: float(case["score"])})
    client.hset(
        "redbeat:witness", mapping={"definition": json.dumps(WITNESS), "meta": json.dumps({"last_run_at": PAST})}
    )
    client.zadd("redbeat::schedule", {"redbeat:witness": 1})


def sent(client: redis.Redis) -> tuple[int, int]:
    """How many messages there are of the witness, and of the others."""
    witness = others = 0
    for key in client.scan_iter(count=1000):
        if client.type(key) == b"list" and not key.startswith(b"redbeat:"):
            for message in client.lrange(key, 0, -1):
                if json.loads(message)["headers"].get("task") == "t.witness":
                    witness += 1
                else:
                    others += 1
    return witness, others


def settled(client: redis.Redis, case: dict[str, Any], log: str) -> dict[str, Any]:
    witness, others = sent(client)
    said = open(log, errors="replace").read()
    key = b"redbeat:" + case["key"].encode()
    errors = re.findall(r"^(?:[\w.]+\.)?(\w+(?:Error|Exception|NotFound|Invalid)\w*)(?::.*)?$", said, re.MULTILINE)
    result: dict[str, Any] = {"id": case["id"]}
    if others:
        result["outcome"] = "floods" if others >= TICKS - 1 else "fires"
    elif "Message Error" in said:
        result |= {"outcome": "unsent", "error": errors[-1] if errors else None}
    elif case["score"] is not None and client.zscore("redbeat::schedule", key) is None:
        result["outcome"] = "dropped"
    else:
        result["outcome"] = "never"
    return result


def outcome(server: str, index: int, case: dict[str, Any], folder: str) -> dict[str, Any]:
    url = f"{server}/{index + 1}"
    log = f"{folder}/{case['id']}.log"
    client = redis.Redis.from_url(url)
    write(client, case)
    open(log, "w").close()
    child = os.fork()
    if child == 0:
        become_beat(url, log)
    used = 0.0
    result: dict[str, Any] | None = None
    deadline = time.monotonic() + 120
    while result is None:
        ended, status = os.waitpid(child, os.WNOHANG)
        said = open(log, errors="replace").read()
        if ended:
            found = re.findall(r"beat raised exception <class '(?:\w+\.)*(\w+)'>", said)
            return {"id": case["id"], "outcome": "exits", "error": found[-1] if found else None}
        used = sum(map(int, open(f"/proc/{child}/stat").read().rsplit(")", 1)[1].split()[11:13])) / os.sysconf(
            "SC_CLK_TCK"
        )
        if sent(client)[0] >= TICKS:
            result = settled(client, case, log)
        elif said.count("beat: RuntimeError") >= TICKS:
            result = {"id": case["id"], "outcome": "silences"}
        elif used > 20 or time.monotonic() > deadline:
            result = {"id": case["id"], "outcome": "hangs"}
        else:
            time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    client.flushdb()
    return result


def place(server: str, index: int, folder: str) -> dict[str, Any]:
    return outcome(server, index, cases[index], folder)


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--port", str(port), "--databases", str(len(cases) + 1), "--save", ""]
        server = subprocess.Popen(["redis-server", *arguments], stdout=subprocess.DEVNULL, cwd=folder)
        try:
            url = f"redis://127.0.0.1:{port}"
            while server.poll() is None:
                try:
                    redis.Redis.from_url(url).ping()
                    break
                except redis.exceptions.ConnectionError:
                    time.sleep(0.05)
            # Processes, not threads: each of them forks.
            with get_context("fork").Pool(int(sys.argv[1]) if len(sys.argv) > 1 else 4) as pool:
                for found in pool.imap(partial(place, url, folder=folder), range(len(cases))):
                    print(json.dumps(found), flush=True)
        finally:
            server.kill()
            server.wait()


if __name__ == "__main__":
    main()
