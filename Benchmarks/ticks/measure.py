"""The ticks benchmark: measure.py BAILEY PYTHON_WITH_CELERY PYTHON_WITH_CRONITER.

The crontabs are the thousand random ones of the oracle, in 24 zones. Bailey's numbers are those of the program, its JSON read and
written; the peers only compute. Rates are ticks per second of CPU on one thread, so that other work on the machine weighs little; ten
years of 10,000 crontabs are wall time of two programs side by side, one for each core.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
FIXTURE = HERE.parent.parent / "Tests/SchedulesTests/Fixtures/crontab.jsonl"
FIELDS = ["minute", "hour", "day_of_week", "day_of_month", "month_of_year"]
CORES = 2
TEN_YEARS = 10 * 365 * 86_400 + 2 * 86_400


def questions() -> list[dict]:
    rows = [json.loads(line) for line in FIXTURE.read_text().splitlines()]
    return [
        {"tz": row["tz"], "schedule": {"__type__": "crontab", **{f: row[f] for f in FIELDS}}, "from": row["start"]}
        for row in rows
    ]


def write(folder: Path, name: str, lines: list[dict]) -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def run(words: list[str], stdin: Path | None = None, count: bool = False) -> tuple[float, float, int, int]:
    """Wall seconds, CPU seconds, peak KiB, and (with `count`) the ticks that a bailey wrote."""
    began = time.monotonic()
    with open(stdin or os.devnull) as source:
        output = subprocess.PIPE if count else subprocess.DEVNULL
        process = subprocess.Popen(words, stdin=source, stdout=output, stderr=subprocess.DEVNULL)
        ticks = sum(len(json.loads(line)["ticks"]) for line in process.stdout) if count else 0
        _, _, usage = os.wait4(process.pid, 0)
    return time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, ticks


def rate(bailey: str, folder: Path, sample: list[dict]) -> float:
    path = write(folder, "once", sample)
    ticks = run([bailey, "ticks", "--stdin", "--json"], path, count=True)[3]
    repeated = write(folder, "often", sample * 100)
    return 100 * ticks / run([bailey, "ticks", "--stdin", "--json"], repeated)[1]


def peer(python: str, name: str, path: Path) -> dict:
    return json.loads(subprocess.run([python, HERE / "peer.py", name, path], check=True, capture_output=True).stdout)


def ten_years(bailey: str, folder: Path, lines: list[dict]) -> tuple[float, float, int]:
    """Wall and CPU seconds for ten years of 10,000 crontabs, written to /dev/null, and how many ticks they are."""
    spans = [{**line, "until": line["from"] + TEN_YEARS} for line in lines]
    words = [bailey, "ticks", "--stdin", "--json"]
    once = subprocess.Popen(words, stdin=open(write(folder, "once", spans)), stdout=subprocess.PIPE)
    ticks = sum(chunk.count(b",") for chunk in iter(lambda: once.stdout.read(1 << 20), b""))
    once.wait()
    half = write(folder, "half", spans * (10_000 // len(spans) // CORES))
    began, cpu = time.monotonic(), os.times().children_user + os.times().children_system
    processes = [subprocess.Popen(words, stdin=open(half), stdout=subprocess.DEVNULL) for _ in range(CORES)]
    if any([process.wait() for process in processes]):
        sys.exit("bailey ticks has failed")
    wall = time.monotonic() - began
    return wall, os.times().children_user + os.times().children_system - cpu, ticks * (10_000 // len(spans))


def proofs(bailey: str, lines: list[dict]) -> list[float]:
    """CPU milliseconds of comparing a crontab with Airflow's until 2101, less those of the program's start."""

    def cpu(words: list[str]) -> float:
        return statistics.median(run([bailey, "ticks", *words])[1] for _ in range(3)) * 1000

    found = []
    for line in lines:
        text = " ".join(
            str(line["schedule"][f]) for f in ["minute", "hour", "day_of_month", "month_of_year", "day_of_week"]
        )
        asked = ["--crontab", text, "--timezone", line["tz"], "--from", "1795392000"]
        found.append(cpu([*asked, "--against", text]) - cpu([*asked, "--count", "1"]))
    return found


def main() -> None:
    bailey, celery, croniter = sys.argv[1:]
    lines = questions()
    # croniter reads texts only.
    plain = [line for line in lines if all(isinstance(v, (str, int)) for v in line["schedule"].values())]
    sample = [{**line, "count": 200} for line in plain[:300]]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = write(folder, "sample", sample)
        own = rate(bailey, folder, sample)
        peers = {name: peer(python, name, path) for name, python in [("celery", celery), ("croniter", croniter)]}
        print(f"crontab ticks per CPU second, one thread, {len(sample)} crontabs of 200 ticks")
        print(f"  {'bailey ticks':<14}{own:>14,.0f}")
        for name, wanted in [("celery", 100), ("croniter", 250)]:
            measured = peers[name]["ticks"] / peers[name]["seconds"]
            print(
                f"  {name:<14}{measured:>14,.0f}   bailey is {own / measured:,.0f} times as fast (wanted: {wanted})",
                end="",
            )
            print(f"   {peers[name]['refused']} crontabs refused" if peers[name]["refused"] else "")
        few = run([bailey, "ticks", "--json", "--crontab", "* * * * *", "--from", "0", "--count", "1000"])[2]
        most = run([bailey, "ticks", "--json", "--crontab", "* * * * *", "--from", "0", "--count", "50000000"])[2]
        print(f"memory            {few:,} KiB for 1,000 ticks, {most:,} KiB for 50,000,000")
        times = sorted(proofs(bailey, plain[:40]))
        print(
            f"equivalence       median {statistics.median(times):.1f} ms, slowest of {len(times)}: {times[-1]:.1f} ms"
            " (wanted: under 50)"
        )
        wall, cpu, ticks = ten_years(bailey, folder, lines)
        print(
            f"ten years         of 10,000 crontabs, {ticks:,} ticks written to /dev/null on {CORES} cores: {wall:.1f} s"
            f" ({cpu:.1f} s of CPU, {cpu / ticks * 1e9:.1f} ns a tick; wanted: under 60 s)"
        )


if __name__ == "__main__":
    main()
