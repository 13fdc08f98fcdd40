"""Values as an outcome and Airflow may keep them: exact, whatever their form, and never too large. Pure, but for what is spilled."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

from .celery_values import is_strict
from .json_value import is_marked

# A longer text is kept by its digest and its beginning: XComs are no place for it.
MOST_BYTES = 48 * 1024
_HEAD = 2048
# The folder that large results are written to, where whoever runs Airflow names one.
FOLDER = "BAILEY_RESULTS_FOLDER"


def kept(text: str) -> str:
    """A result, which is JSON text, as an outcome holds it.

    As it is where it is strict JSON and not too long, half a character as JSON's escape of it. What only Python calls JSON (NaN,
    Infinity), or looks like one of these itself, stays as `{"bailey_text"}`, the exact text; what is too long as `{"bailey_truncated": SHA-256, "bytes", "head"}`, with `file` where it
    was spilled.
    """
    # Halves of characters stand only within the strings of a JSON text, where their escape says the same.
    stored = text.encode("utf-8", "backslashreplace")
    text = stored.decode()
    if len(stored) > MOST_BYTES:
        short: dict[str, Any] = {"bailey_truncated": hashlib.sha256(stored).hexdigest(), "bytes": len(stored)}
        short["head"] = text[:_HEAD]
        file = _spilled(stored, short["bailey_truncated"])
        return json.dumps(short | ({"file": file} if file else {}))
    if is_strict(text) and not is_marked(json.loads(text)):
        return text
    return json.dumps({"bailey_text": text})


def _spilled(stored: bytes, digest: str) -> str | None:
    folder = os.environ.get(FOLDER)
    if not folder:
        return None
    path = os.path.join(folder, f"{digest}.json")
    try:
        os.makedirs(folder, exist_ok=True)
        with open(f"{path}.{os.getpid()}", "wb") as file:
            file.write(stored)
        os.replace(f"{path}.{os.getpid()}", path)
    except OSError:
        # A full disk is no reason to fail a task that has done its work.
        return None
    return path
