"""Writes when Debian's cron runs lines over a change of the clock, as JSON lines: the real program, on a clock that runs sixty times as fast.

It needs root (a mount namespace of its own), faketime, and the program of Debian's package cron, which need not be installed:
python3 debian_cron.py PATH-OF-CRON > ../Fixtures/debian-cron.jsonl
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

SPEED = 60
HOURS = 5
LINES = [
    "30 2 * * *",
    "0 3 * * *",
    "15 1,2,3 * * *",
    "0,30 2 * * *",
    "*/30 * * * *",
    "45 * * * *",
    "*/20 2 * * *",
    "20 1-3 * * *",
    "10 1 * * *",
    "50 1 * * *",
    "0 2-3 * * *",
    "5 */2 * * *",
    "@hourly",
    "@daily",
]
# A zone, and an instant about an hour before its clock changes.
SPANS = [
    ("Europe/Berlin", "2026-03-28T23:45:00+00:00"),
    ("Europe/Berlin", "2026-10-24T22:45:00+00:00"),
    ("America/New_York", "2026-03-08T05:45:00+00:00"),
    ("America/New_York", "2026-11-01T04:45:00+00:00"),
]

INSIDE = """
mount --make-rprivate /
mount -t tmpfs none /run
mkdir -p /var/spool/cron && mount -t tmpfs none /var/spool/cron && mkdir /var/spool/cron/crontabs
mkdir -p /etc/cron.d && mount -t tmpfs none /etc/cron.d
touch /etc/crontab && mount --bind "$1/crontab" /etc/crontab
mount --bind "/usr/share/zoneinfo/$2" /etc/localtime
date +%s.%N > "$1/began"
exec faketime -f "@$3 x$4" timeout -s KILL "$5" "$6" -f -L 0
"""


def members(field: str, low: int, high: int) -> list[int]:
    """The values of a field of the lines above."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = (f"{low}-{high}" if span == "*" else span).partition("-")
        found.update(range(int(first), int(last or first) + 1, int(step or 1)))
    return sorted(found)


def calendar(text: str) -> dict:
    """A line's times as Bailey's timetable is told them."""
    named = {"@hourly": "0 * * * *", "@daily": "0 0 * * *"}
    minute, hour, *_ = named.get(text, text).split()
    clock = "shown" if minute.startswith("*") or hour.startswith("*") else "fixed"
    return {"clock": clock, "minutes": members(minute, 0, 59), "hours": members(hour, 0, 23)}


def run(cron: str, zone: str, start: datetime) -> list[dict]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = [f'{text} root date +\\%s.\\%N >> "{folder}/{index}"' for index, text in enumerate(LINES)]
        (folder / "crontab").write_text("\n".join(lines) + "\n")
        # The clock of a process begins at what its own zone calls so.
        local = start.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")
        seconds = HOURS * 3600 // SPEED
        words = [name, zone, local, str(SPEED), str(seconds), cron]
        subprocess.run(
            ["unshare", "-m", "env", f"TZ={zone}", "bash", "-c", INSIDE, "_", *words],
            check=False,
            capture_output=True,
        )
        began = float((folder / "began").read_text())
        until = start.timestamp() + (HOURS - 0.25) * 3600
        found = []
        for index, text in enumerate(LINES):
            path = folder / str(index)
            ran = path.read_text().split() if path.exists() else []
            # Jobs see the true time. They begin within some seconds, which are as many minutes.
            due = {round((start.timestamp() + (float(at) - began) * SPEED - 120) / 300) * 300 for at in ran}
            found.append(
                {
                    "tz": zone,
                    "cron": text,
                    "from": int(start.timestamp()),
                    "until": int(until),
                    "fires": sorted(at for at in due if at < until),
                    "runs": len(ran),
                    "calendar": calendar(text),
                }
            )
        return found


def main() -> None:
    cron = sys.argv[1]
    with ThreadPoolExecutor() as threads:
        spans = [(zone, datetime.fromisoformat(start)) for zone, start in SPANS]
        for lines in threads.map(lambda span: run(cron, *span), spans):
            for line in lines:
                print(json.dumps(line))


if __name__ == "__main__":
    main()
