"""The programs that send messages and prove them, each as one text for interpreters that have nothing of Bailey's."""

from __future__ import annotations

import re
from pathlib import Path

# What is joined, in this order; Sources/Airflow/CeleryText.swift joins the same.
SENDING = (
    "celery_values",
    "celery_places",
    "celery_app",
    "celery_workers",
    "celery_answers",
    "celery_once",
    "celery_sending",
    "celery_silence",
    "celery_wire",
)
PROVING = (*SENDING, "celery_messages", "celery_copies", "celery_round_trip", "celery_proof")
_TAIL = 'if __name__ == "__main__":\n    main()\n'
_FIRST = "from __future__ import annotations\n\n"


def text_of(parts: tuple[str, ...] = SENDING) -> str:
    """Parts of the runtime as one program, without the lines by which they import each other."""
    return _FIRST + "\n\n".join(_alone(part) for part in parts) + "\n\n\n" + _TAIL


def _alone(part: str) -> str:
    text = Path(__file__).with_name(f"{part}.py").read_text(encoding="utf-8")
    text = text.replace(_FIRST, "").replace(_TAIL, "")
    return re.sub(r"^from \.[^(\n]*(?:\([^)]*\))?\n", "", text, flags=re.M).strip("\n")
