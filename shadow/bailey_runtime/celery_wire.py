"""What beat would have sent, built and sent by Celery itself; and what the worker answered, read from Celery's result backend.

Needs the standard library and Celery only: the application's own interpreter runs this and its PARTS as one text (`via: app`), and DAG files
without a gate carry that text along. As a program it reads one request, a JSON object, on standard input and prints one reply.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from .celery_answers import ResultsAway, state, stated
from .celery_app import missing, opened
from .celery_places import divided, url_of
from .celery_sending import send
from .celery_silence import unanswered
from .celery_values import FINAL, WireError, returnable
from .celery_workers import ask, unknown


def call(app: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Sends a request's message and waits for what the worker answers: `state`, with `returned` where Airflow may keep the value."""
    reply = send(app, request)
    print(f"Celery task {reply['id']}: {'sent' if reply['sent'] else 'was sent before'}", file=sys.stderr)
    wait = request.get("wait", "result")
    if wait == "result":
        ends = time.monotonic() + float(request.get("seconds") or 86400)
        pause = 0.1
        while True:
            try:
                reply["state"] = state(app, reply["id"])
            except WireError:
                raise
            except Exception as error:
                reply["state"] = {"status": "PENDING"}
                print(f"the results give no answer: {type(error).__name__}: {error}", file=sys.stderr)
            if reply["state"]["status"] in (*FINAL, "UNREADABLE"):
                break
            if time.monotonic() > ends:
                words = (
                    "no result came in time: "
                    + unanswered(app, {**request, "id": reply["id"], "to": reply["to"]})["words"]
                )
                reply["state"] = {"status": "TIMEOUT", "error": {"type": "timeout", "message": words, "detail": ""}}
                break
            time.sleep(pause)
            pause = min(pause * 1.3, 1.5)
    if "result" in reply.get("state", {}):
        reply["returned"] = returnable(reply["state"].pop("result"))
    return reply


# What a request may ask of an application.
DOES: dict[str, Callable[[Any, dict[str, Any]], dict[str, Any]]] = {
    "send": send,
    "call": call,
    "state": lambda app, request: stated(app, request["id"]),
    "unanswered": unanswered,
}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """What a request asks for: `do` is `ask`, or one of DOES."""
    try:
        for name in ("broker", "results", "marks"):
            if request.get(name):
                request = {**request, name: url_of(request[name])}
        if request.get("broker"):
            url, tls = divided(request["broker"])
            request = {**request, "broker": url, "broker_tls": tls}
        if request["do"] == "ask":
            return ask(request["broker"], options=request.get("transport_options"), tls=request["broker_tls"])
        if not request.get("app"):
            known = request.get("configuration") or {}
            reason = "options" in request and unknown(known, request["task"], json.loads(request["options"]))
            if reason:
                raise WireError(
                    "route", f"nobody knows where this message goes: {reason}; say “via: app” in the mapping"
                )
        return DOES[request["do"]](opened(request), request)
    except WireError as error:
        return {"failed": error.code, "words": str(error)}
    except ResultsAway as error:
        return {"failed": "results", "words": str(error)}
    except ImportError as error:
        return {"failed": "celery", "words": missing(error)}


def main() -> None:
    """Reads a request and prints the reply; what the application prints goes to the log."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    reply = answer(json.load(sys.stdin))
    print(json.dumps(reply), file=out, flush=True)


if __name__ == "__main__":
    main()
