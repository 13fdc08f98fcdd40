"""`python -m lab.first.scale SPEED FILE…`: writes the durations that mappings state (`expected`, `every` of waits) so many times shorter."""

from __future__ import annotations

import re
import sys
from pathlib import Path

SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def scaled(text: str, speed: float) -> str:
    """The text of a mapping with its durations as they are in a laboratory."""

    def shorter(found: re.Match[str]) -> str:
        seconds = float(found[2]) * SECONDS[found[3]] / speed
        return f"{found[1]}{max(seconds, 0.01):g}s"

    text = re.sub(r"(\bexpected: )([0-9.]+)([smh])\b", shorter, text)
    return re.sub(r"(\bwithin: 1h, every: )([0-9.]+)([smh])\b", lambda found: found[1] + "1s", text)


def main() -> None:
    """Rewrites the files."""
    speed = float(sys.argv[1])
    for name in sys.argv[2:]:
        file = Path(name)
        file.write_text(scaled(file.read_text(encoding="utf-8"), speed), encoding="utf-8")


if __name__ == "__main__":
    main()
