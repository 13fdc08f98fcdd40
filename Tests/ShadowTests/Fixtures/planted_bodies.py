"""Bodies whose outcome must not depend on whether they start an interpreter or are forked of one."""

import atexit
import gc
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid

calls = 0
DEEP = {"a": [1, 2.5, None, True, {"ключ": "🐈"}]}


class Own(Exception):
    pass


class Odd(Exception):
    def __str__(self):
        raise RuntimeError("no words")


def value(*args, **kwargs):
    return {"args": args, "kwargs": kwargs, "deep": DEEP}


def nothing():
    return None


def not_a_number():
    return float("nan")


def unwritable():
    return object


def half_a_surrogate():
    return "\ud800"


def large():
    return "x" * 5_000_000


def raises():
    raise KeyError("missing", 3)


def raises_own():
    raise Own("first\nsecond", {"n": 1})


def raises_odd():
    raise Odd(object)


def raises_group():
    raise ExceptionGroup("many", [ValueError(1), TypeError("two")])


def raises_from():
    try:
        raises()
    except KeyError as error:
        raise Own("because") from error


def leaves(status):
    sys.exit(status)


def interrupts():
    raise KeyboardInterrupt


def generator_exit():
    raise GeneratorExit


def exits(status):
    os._exit(status)


def dies(number):
    os.kill(os.getpid(), number)
    time.sleep(30)


def aborts():
    os.abort()


def recursion():
    return recursion()


def depth():
    def down(n):
        try:
            return down(n + 1)
        except RecursionError:
            return n

    return down(0)


def prints():
    print("to output")
    print('{"bailey_body":1,"result":"forged"}')
    os.write(1, b"\xff\xfe raw\n")
    print("to errors", file=sys.stderr)
    return "printed"


def reads():
    return [sys.stdin.read(), os.read(0, 10).decode()]


def closes():
    for descriptor in (0, 1, 2):
        os.close(descriptor)
    return "closed"


def thread_left():
    threading.Thread(target=lambda: (time.sleep(0.3), print("late", file=sys.stderr))).start()
    return "thread"


def daemon_left():
    threading.Thread(target=lambda: time.sleep(300), daemon=True).start()
    return "daemon"


def thread_raises():
    def fail():
        raise Own("in a thread")

    worker = threading.Thread(target=fail)
    worker.start()
    worker.join()
    return "joined"


def at_exit_raises():
    atexit.register(raises)
    return "registered"


def at_exit_leaves():
    atexit.register(os._exit, 9)
    return "registered"


def at_exit_dies():
    atexit.register(os.kill, os.getpid(), signal.SIGKILL)
    return "registered"


def group_dies(number):
    os.killpg(0, number)
    time.sleep(30)


def parent_dies(number):
    os.kill(os.getppid(), number)
    time.sleep(30)


def child_raises():
    child = os.fork()
    if child == 0:
        os._exit(4)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def forks_and_returns_twice():
    return "child" if os.fork() == 0 else "parent"


def runs_programs():
    return subprocess.run(["sh", "-c", "echo out; echo err >&2; exit 5"], capture_output=True, text=True).returncode


def pool():
    from concurrent.futures import ThreadPoolExecutor
    from multiprocessing import get_context

    with ThreadPoolExecutor(3) as threads:
        squares = list(threads.map(lambda n: n * n, range(5)))
    with get_context("fork").Pool(2) as processes:
        return [squares, processes.map(abs, [-1, 2])]


def asynchronous():
    import asyncio

    async def work():
        await asyncio.sleep(0.01)
        process = await asyncio.create_subprocess_exec("true")
        return await process.wait()

    return asyncio.run(work())


def too_long():
    time.sleep(300)


def too_long_and_deaf(file):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for _ in range(2):
        if os.fork() == 0:
            os.setsid()
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            if os.fork():
                os._exit(0)
        with open(file, "a") as pids:
            pids.write(f"{os.getpid()}\n")
    time.sleep(300)


def child_left(file):
    child = subprocess.Popen(
        ["sleep", "300"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with open(file, "a") as pids:
        pids.write(f"{child.pid}\n")
    return "left"


def too_much():
    block = b"x" * (1 << 20)
    for _ in range(70):
        os.write(1, block)
    return "written"


def surroundings():
    streams = [
        [
            stream.name,
            stream.mode,
            stream.encoding,
            stream.errors,
            stream.line_buffering,
            stream.write_through,
            type(stream.buffer).__name__,
            stream.buffer.raw.mode,
            stream.newlines,
        ]
        for stream in (sys.stdin, sys.stdout, sys.stderr)
    ]
    return {
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "path": sys.path,
        "arguments": sys.argv,
        "flags": str(sys.flags),
        "executable": sys.executable,
        "prefix": sys.prefix,
        "umask": os.umask(0o22),
        "nice": os.nice(0),
        "open": sorted(os.listdir("/proc/self/fd")),
        "threads": [threading.active_count(), len(os.listdir("/proc/self/task"))],
        "main": threading.current_thread() is threading.main_thread(),
        "group": [os.getpgrp() == os.getppid(), os.getsid(0) == os.getppid()],
        "signals": [str(signal.getsignal(number)) for number in sorted(signal.valid_signals())],
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "streams": streams,
        "same": [sys.stdin is sys.__stdin__, sys.stdout is sys.__stdout__, sys.stderr is sys.__stderr__],
        "recursion": sys.getrecursionlimit(),
        "collecting": [gc.isenabled(), gc.get_threshold()],
        "switching": sys.getswitchinterval(),
        "name": __name__,
        "hooks": [sys.excepthook is sys.__excepthook__, sys.gettrace() is None],
        "limits": [open("/proc/self/limits").read()],
        "dumpable": open("/proc/self/status").read().split("NoNewPrivs:")[1].split()[0],
    }


def counted():
    global calls
    calls += 1
    os.environ["LEFT"] = "behind"
    os.umask(0o77)
    os.chdir("/")
    sys.path.insert(0, "/nowhere")
    json.left = "behind"
    return calls


def found():
    return [calls, os.environ.get("LEFT"), os.getcwd() == "/", "/nowhere" in sys.path, hasattr(json, "left")]


def chances():
    return [random.random(), str(uuid.uuid4()), os.urandom(8).hex()]


def modules():
    return sorted(sys.modules)


def quick(number):
    return number


class Farewell:
    """Writes a word when it goes."""

    def __init__(self, path, word):
        self.file = os.open(path, os.O_CREAT | os.O_WRONLY)
        self.word = word.encode() + b"\n"
        # By then Python has taken the names away.
        self.write = os.write

    def __del__(self):
        self.write(self.file, self.word)


def leaves_open(folder):
    """Leaves behind what Python writes when it ends: open files, objects with a last word, one of them in a ring, and handlers."""
    import atexit
    import json
    import logging
    import tempfile

    global _kept_file, kept_farewell, kept_ring, kept_folder
    _kept_file = open(f"{folder}/global.txt", "w", encoding="utf-8")
    _kept_file.write("kept in a global")
    raw = open(f"{folder}/raw.bin", "wb")
    raw.write(b"kept by a module of Python's own")
    json.kept_by_a_body = raw
    kept_farewell = Farewell(f"{folder}/words.txt", "global")
    kept_ring = Farewell(f"{folder}/ring.txt", "ring")
    kept_ring.itself = kept_ring
    kept_folder = tempfile.TemporaryDirectory(dir=folder)
    handler = logging.FileHandler(f"{folder}/log.txt", delay=True)
    logging.getLogger("planted").addHandler(handler)
    logging.getLogger("planted").warning("logged")
    atexit.register(lambda: kept_farewell and _kept_file.write(" and written to at the end"))
    return None
