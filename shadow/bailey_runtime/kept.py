"""Values as an outcome and Airflow may keep them: exact, whatever their form, and never too large. Pure, but for what is spilled."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

# A longer text is kept by its digest and its beginning: XComs are no place for it.
MOST_BYTES = 48 * 1024
_HEAD = 2048
# The folder that large results are written to, where whoever runs Airflow names one.
FOLDER = "BAILEY_RESULTS_FOLDER"


def kept(text: str) -> str:
    """A result, which is JSON text, as an outcome holds it.

    As it is where it is strict JSON and not too long. What only Python calls JSON (NaN, Infinity) and what is no Unicode stays as
    `{"bailey_text"}`, the exact text; what is too long as `{"bailey_truncated": SHA-256, "bytes", "head"}`, with `file` where it
    was spilled.
    """
    stored = text.encode("utf-8", "surrogatepass")
    if len(stored) > MOST_BYTES:
        short: dict[str, Any] = {"bailey_truncated": hashlib.sha256(stored).hexdigest(), "bytes": len(stored)}
        short["head"] = text[:_HEAD]
        file = _spilled(stored, short["bailey_truncated"])
        return json.dumps(short | ({"file": file} if file else {}))
    return text if is_strict(text) else json.dumps({"bailey_text": text})


def is_strict(text: str) -> bool:
    """Whether a text is JSON to everybody."""
    try:
        json.loads(text, parse_constant=_refused)
        text.encode()
    except (ValueError, RecursionError):
        return False
    return True


def returnable(text: str | None) -> Any:
    """A result as Airflow may keep it beside the outcome; None where it cannot: its database stores no NUL and no half character,
    its JSON no NaN, and nothing as large as a file."""
    if text is None or len(text) > MOST_BYTES * 16 or not is_strict(text):
        return None
    value = json.loads(text)
    return value if _is_storable(value) else None


def _refused(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def _is_storable(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, float):
        # 1e999 reads as Infinity.
        return value - value == 0
    if isinstance(value, dict):
        return all(_is_storable(part) for pair in value.items() for part in pair)
    return not isinstance(value, list) or all(_is_storable(part) for part in value)


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
