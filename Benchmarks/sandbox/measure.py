"""Starts a program many times, in turn bare and on each rung, and prints what each takes: `measure.py [ROUNDS]`.

Processor time is printed beside the wall's: on a machine that has other work the wall says more of that.
"""

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

bailey = os.environ["BAILEY"]
rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
program = ["/bin/true"]


def command(rung, folder):
    """The words that Bailey itself starts a body with."""
    if rung is None:
        return [bailey, "__guard", str(os.getpid()), *program]
    limits = [f"memory={1 << 30}", "cpu=600", "processes=64", f"disk={1 << 30}"]
    places = [f"scratch={folder}/scratch", f"directory={folder}/scratch", f"report={folder}/report"]
    return [bailey, "__sandbox", str(os.getpid()), rung, *places, *limits, "--", *program]


def spent():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main():
    rungs = {"bare": None, "Landlock and seccomp": "version=1000"}
    if shutil.which("bwrap"):
        rungs["bubblewrap"] = f"bubblewrap={shutil.which('bwrap')}"
    walls, processor = {name: [] for name in rungs}, dict.fromkeys(rungs, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(f"{folder}/scratch")
        for _ in range(rounds):
            for name, rung in rungs.items():
                before, began = spent(), time.perf_counter()
                subprocess.run(command(rung, os.path.realpath(folder)), check=True)
                walls[name].append((time.perf_counter() - began) * 1000)
                processor[name] += spent() - before
    bare = statistics.median(walls["bare"])
    print(f"{rounds} starts each, load {os.getloadavg()[0]:.1f}")
    for name, times in walls.items():
        times.sort()
        median, least = statistics.median(times), times[0]
        print(
            f"{name:22} median {median:6.1f} ms ({median - bare:+.1f}, × {median / bare:.1f}), "
            f"p95 {times[int(len(times) * 0.95)]:6.1f}, least {least:6.1f} ({least - walls['bare'][0]:+.1f}), "
            f"processor {processor[name] / rounds * 1000:5.1f}"
        )


if __name__ == "__main__":
    main()
