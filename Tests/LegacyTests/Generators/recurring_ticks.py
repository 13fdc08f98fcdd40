"""Writes what other people's programs make of recurring schedules, as JSON lines: croniter, django-q2, and fugit of Debian's ruby-fugit.

It needs a Python with croniter and django-q2: python recurring_ticks.py > ../Fixtures/recurring.jsonl
"""

from __future__ import annotations

import json
import random
import subprocess
from datetime import datetime, timedelta, timezone
from typing import Any

import django
from croniter import croniter
from django.conf import settings

START = datetime(2026, 11, 30, 12, 0, 30, tzinfo=timezone.utc)
COUNT = 40
ODD = (
    "0 0 * * 7", "0 0 * * 5-0", "0 0 */2 * mon", "0 0 1-7 * mon", "* * * * * */10", "0 0 * * * *", "0 0 l * *", "0 0 L 2 *", "@hourly", "@daily",
    "0 0 31 2 *", "60 * * * *", "*/0 * * * *", "5/15 * * * *", "0 0 * jan-mar mon,wed", "0 22-2 * * *", "0 0 29 2 *", "0 0 * * 0-7", "0 0", "",
    "0 0 ? * mon", "1-5-7 * * * *", "0 0 * * mon#2", "0 0 * * monday", "0 0 1,15 * fri", "0, * * * *", "0 0 30 2 mon",
)  # fmt: skip
SENTENCES = (
    "every minute", "every hour", "every day", "every week", "every month", "every 5 minutes", "every 7 minutes", "every 2 hours", "every 5 hours",
    "every day at 9am", "every day at 12am", "every day at 12 pm", "every day at 9:30", "every day at 21:05", "every day at noon",
    "every day at 9:30pm", "@daily", "@weekly", "@monthly", "@yearly", "@hourly", "0 2 * * * Europe/Berlin", "30 2 * * * America/New_York",
    "30 1 * * * Europe/Berlin", "*/15 1-3 * * * Europe/Berlin", "0 0 1-7 * mon", "0 0 */2 * mon", "0 22 * * 5-0", "0 0 L * *", "0 0 * * 7",
    "*/15 * * * * *", "5/15 * * * *", "0 9 * * mon#2", "every 90 minutes", "every monday at 10:00", "every 12h", "every 15m", "0 0 * * * UTC",
    "1h", "never", "", "every 30 min", "every 1 hours", "0 0 29 2 *", "0 0 31 2 *", "0 0 */1 * mon", "every weekday at 9am",
)  # fmt: skip


def field(draw: random.Random, low: int, high: int, star: float) -> str:
    kind = draw.random()
    if kind < star:
        return "*"
    if kind < star + (1 - star) * 0.35:
        return str(draw.randint(low, high))
    if kind < star + (1 - star) * 0.55:
        return f"*/{draw.choice([2, 3, 5, 10, 15, 20])}"
    first, last = sorted(draw.sample(range(low, high + 1), 2))
    if kind < star + (1 - star) * 0.8:
        return f"{first}-{last}" + draw.choice(["", "", "/2", "/3"])
    return f"{first},{last}"


def expression(draw: random.Random) -> str:
    limits = ((0, 59, 0.1), (0, 23, 0.35), (1, 28, 0.65), (1, 12, 0.8), (0, 6, 0.55))
    return " ".join(field(draw, *limit) for limit in limits)


def line(
    dialect: str, row: dict[str, Any], ticks: list[datetime] | None, zone: str = "UTC", start: datetime = START
) -> None:
    fires = None if ticks is None else [int(at.timestamp()) for at in ticks]
    print(json.dumps({"dialect": dialect, "row": row, "zone": zone, "start": int(start.timestamp()), "fires": fires}))


def of_croniter(text: str) -> list[datetime] | None:
    try:
        walk = croniter(text, START)
        return [walk.get_next(datetime) for _ in range(COUNT)]
    except Exception:
        return None


def of_fugit(texts: list[str], zone: str, start: datetime) -> list[list[datetime] | None]:
    program = f"""
        require "fugit"; require "json"
        JSON.parse(STDIN.read).each do |text|
          cron = Fugit.parse(text)
          unless cron.is_a?(Fugit::Cron)
            puts "null"; next
          end
          at = EtOrbi::EoTime.new({int(start.timestamp())}, "{zone}"); found = []
          begin
            {COUNT}.times {{ at = cron.next_time(at); found << at.to_i }}
          rescue => e
            found = nil
          end
          puts JSON.generate(found)
        end
    """
    given = json.dumps(texts)
    done = subprocess.run(
        ["ruby", "-e", program],
        input=given,
        capture_output=True,
        text=True,
        check=True,
        env={"TZ": zone, "PATH": "/usr/bin:/bin"},
    )
    rows = [json.loads(text) for text in done.stdout.splitlines()]
    return [None if row is None else [datetime.fromtimestamp(at, timezone.utc) for at in row] for row in rows]


def of_django_q(row: dict[str, Any]) -> list[datetime]:
    """As its scheduler goes on from a run to the next."""
    from django_q.models import Schedule

    one = Schedule(
        schedule_type=row["schedule"],
        cron=row.get("cron"),
        minutes=int(row["minutes"]) if "minutes" in row else None,
        next_run=datetime.fromisoformat(row["next"].replace("Z", "+00:00")),
    )
    ticks = []
    for _ in range(COUNT):
        ticks.append(one.next_run)
        one.next_run = one.calculate_next_run()
    return ticks


def main() -> None:
    draw = random.Random(20261130)
    for text in [*ODD, *(expression(draw) for _ in range(200))]:
        line("croniter", {"schedule": text}, of_croniter(text))
    # The clock of Berlin changes a day after the two others begin.
    changes = [datetime(2027, 3, 27, 9, tzinfo=timezone.utc), datetime(2026, 10, 24, 9, tzinfo=timezone.utc)]
    for zone, start in (("UTC", START), *(("Europe/Berlin", change) for change in changes)):
        texts = [*SENTENCES, *(expression(draw) for _ in range(100))]
        for text, ticks in zip(texts, of_fugit(texts, zone, start)):
            line("fugit", {"schedule": text}, ticks, zone, start)
    settings.configure(
        USE_TZ=True,
        TIME_ZONE="UTC",
        INSTALLED_APPS=["django.contrib.contenttypes", "django_q"],
        Q_CLUSTER={"orm": "default"},
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    )
    django.setup()
    for kind in ("I", "H", "D", "W", "BW", "M", "BM", "Q", "Y"):
        for _ in range(6):
            next_run = START + timedelta(seconds=draw.randint(1, 80 * 86_400))
            row = {"schedule": kind, "next": next_run.strftime("%Y-%m-%dT%H:%M:%S.000000Z")}
            if kind == "I":
                row["minutes"] = str(draw.randint(1, 200))
            line("django_q", row, of_django_q(row))


if __name__ == "__main__":
    main()
