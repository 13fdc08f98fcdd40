"""Writes stored_results.json: records as Celery's own backend stores them, and what both readers make of each (Python and Swift).

Run with the interpreter of `.env-lab`. `as` is the JSON that the result is; `half` says that it holds half a surrogate pair, which Swift
spells out; `closed` is why Swift leaves the record closed; `error` what went wrong.
"""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from celery import Celery

FILE = Path(__file__).with_name("stored_results.json")
REQUEST = {"task": "lab.add", "args": [1, 1], "kwargs": {}, "retries": 0, "delivery_info": {"routing_key": "work"}}
# The record is written by a worker whose clock stands still.
AT = "2026-11-29T10:00:00+00:00"


def stored(value: Any, state: str = "SUCCESS", **settings: Any) -> str:
    """A record as the backend of an application with these settings stores it."""
    app = Celery("lab", backend="redis://127.0.0.1:1/0", set_as_current=False)
    app.conf.update(result_extended=True, **settings)
    backend = app.backend
    request = SimpleNamespace(**REQUEST, group=None, parent_id=None, hostname="w", stamped_headers=None, stamps={})
    request.id, request.children, request.errbacks = "one", [], None
    meta = backend._get_result_meta(
        backend.encode_result(value, state), state, "Traceback: …" if state == "FAILURE" else None, request
    )
    record = backend.encode({**meta, "date_done": AT, "task_id": "one"})
    return base64.b64encode(record.encode() if isinstance(record, str) else record).decode()


def cases() -> list[dict[str, Any]]:
    """All of them."""
    deep = json.loads("[" * 200 + "]" * 200)
    values: dict[str, Any] = {
        "a number": 2,
        "an object": {"b": 1.5, "a": "Zoë"},
        "none": None,
        "only Python's JSON": [math.nan, math.inf, -math.inf],
        "a zero character": "a\0b",
        "bytes": b"\x00\xff",
        "deep": deep,
    }
    found: list[dict[str, Any]] = []
    for name, value in values.items():
        text = json.dumps({"bytes": "AP8=", "__type__": "x"}) if name == "bytes" else json.dumps(value)
        if name == "bytes":
            text = json.dumps({"__type__": "base64", "__value__": "AP8="})
        found.append({"name": name, "stored": stored(value), "status": "SUCCESS", "as": text})
    half = {"name": "half of a pair", "stored": stored("half \ud800 of one"), "status": "SUCCESS"}
    found.append({**half, "as": '"half \\ud800 of one"', "half": True})
    for kind in ("gzip", "zlib"):
        found.append(
            {
                "name": f"by {kind}",
                "stored": stored(["x" * 1000], result_compression=kind),
                "status": "SUCCESS",
                "as": json.dumps(["x" * 1000]),
            }
        )
    other = {"name": "by bzip2", "stored": stored(7, result_compression="bzip2"), "status": "SUCCESS", "as": "7"}
    found.append({**other, "closed": "compressed as application/x-bz2"})
    raised: list[tuple[str, BaseException, str, str]] = [
        ("an error", ValueError("kaput", 3), "ValueError", "kaput 3"),
        ("an error without words", KeyError(), "KeyError", ""),
        ("an error with half of a pair", ValueError("half \ud800"), "ValueError", "half \ud800"),
    ]
    for name, error, kind, words in raised:
        case = {"name": name, "stored": stored(error, "FAILURE"), "status": "FAILURE", "error": [kind, words]}
        found.append(case | ({"half": True} if "half" in name else {}))
    from celery.exceptions import TaskRevokedError

    revoked = {"name": "revoked", "stored": stored(TaskRevokedError("expired"), "REVOKED"), "status": "REVOKED"}
    found.append({**revoked, "error": ["TaskRevokedError", "expired"]})
    pickled = stored(3, result_serializer="pickle")
    found.append(
        {
            "name": "pickled",
            "stored": pickled,
            "serializer": "pickle",
            "status": "SUCCESS",
            "closed": "pickled, and it stays closed",
        }
    )
    yaml = {"name": "yaml", "stored": stored([4], result_serializer="yaml"), "serializer": "yaml", "status": "SUCCESS"}
    found.append({**yaml, "as": "[4]", "closed": "not a JSON record"})
    for name, broken in (("torn", b'{"status": "SUCC'), ("no text", b"\xff\xfe"), ("empty object", b"{}")):
        found.append(
            {
                "name": name,
                "stored": base64.b64encode(broken).decode(),
                "status": "UNREADABLE",
                "closed": "not a JSON record",
            }
        )
    return found


if __name__ == "__main__":
    FILE.write_text(json.dumps(cases(), indent=1, ensure_ascii=True) + "\n", encoding="utf-8")
