"""Bodies that tests call: they tell what reached them, and last as long as they are told."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any


def echo(*args: Any, **kwargs: Any) -> dict[str, Any]:
    """What it was called with, and a digest of its bytes."""
    text = json.dumps([args, kwargs], ensure_ascii=False, sort_keys=True)
    return {
        "args": list(args),
        "kwargs": kwargs,
        "sha256": hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
    }


def last(seconds: float, folder: str, name: str = "body") -> dict[str, Any]:
    """Writes `NAME.begun` with its pid, lasts so many seconds, and writes `NAME.done`; `NAME.overlaps` if another one lasts already."""
    place = Path(folder)
    lock = (place / f"{name}.lock").open("w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with (place / f"{name}.overlaps").open("a", encoding="utf-8") as file:
            file.write(f"{os.getpid()}\n")
    with (place / f"{name}.begun").open("a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(seconds)
    with (place / f"{name}.done").open("a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")
    lock.close()
    return {"lasted": seconds}


def nothing() -> None:
    """Nothing at all."""
