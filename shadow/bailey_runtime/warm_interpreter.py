"""An interpreter that has started and waits: for each body it forks a child, which is what a new interpreter would be at that point.

Stands after the text of `call_function` in one program, whose `main` the child then runs as that program's own last step. Standard input is a
socket: each message on it brings four descriptors: the body's standard input, output and error, and a socket on which is said how it ended. Between
this interpreter and the body stands a keeper, as the guard does: when the other end of that last socket is closed, or the keeper is told to end, it ends
all that the body has started, whatever session, group or environment that has moved to.
Its arguments are modules that it imports first. Answers with one message: `warm`, or why a fork of it would not be a new interpreter.
"""

import _ctypes
import _signal
import _socket
import gc
import io
import os
import select
import sys

SUBREAPER, PARENT_DEATH = 36, 1
TOLD_TO_END = (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP)
LOOK_EVERY = 200
DESCRIPTORS = 4


PRCTL = _ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl")


def prctl(option, value):
    if _ctypes.call_function(PRCTL, (option, value, 0, 0, 0)) != 0:
        raise OSError(f"prctl {option} is refused")


def difference():
    """Why a fork would not be what a new interpreter is; none if it would."""
    if not hasattr(os, "pidfd_open"):
        return f"Python {sys.version.split()[0]} knows no pidfd"
    if len(os.listdir("/proc/self/task")) > 1:
        return "it has started threads of its own"
    if sys.gettrace() or sys.getprofile():
        return "it is being traced"
    for name in ("sitecustomize", "usercustomize"):
        place = getattr(sys.modules.get(name), "__file__", None)
        if place and os.path.dirname(place) != os.path.dirname(os.__file__):
            return f"{place} runs at each start"
    # One beside the three is that of the listing itself.
    if len(os.listdir("/proc/self/fd")) > DESCRIPTORS:
        return "its start opens files or connections that stay open"
    return None


def parent_of(pid):
    """The parent of a process as /proc has it; 0 if it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            state, parent = file.read(1024).rpartition(b")")[2].split()[:2]
    except (OSError, ValueError):
        return 0
    return 0 if state in b"ZX" else int(parent)


def stems_from(pid, ancestor):
    while pid > 1:
        pid = parent_of(pid)
        if pid == ancestor:
            return True
    return False


def kill_descendants():
    """Kills what stems from this process and runs; how many those were."""
    count, own = 0, os.getpid()
    for name in os.listdir("/proc"):
        if not name.isdigit() or not stems_from(int(name), own):
            continue
        try:
            # Stopped first, it starts nothing more while the others are looked for.
            os.kill(int(name), _signal.SIGSTOP)
            os.kill(int(name), _signal.SIGKILL)
            count += 1
        except OSError:
            pass
    return count


def reaped():
    """Who has ended and how, one at a time; nothing where nobody has."""
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (pid, status) if pid else None


def end_all():
    """Ends everything that was started, and waits for it."""
    # What one look misses because it was just being started, the next one finds.
    for _ in range(400):
        found = kill_descendants()
        while reaped():
            pass
        if not found:
            try:
                os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
        select.select((), (), (), 0.005)


def keep(body, control):
    """Waits for the body and says how it ended; ends all of it when nobody wants it any more."""
    for descriptor in (0, 1, 2):
        os.close(descriptor)
    watch = select.poll()
    watch.register(control, select.POLLIN)
    ended = os.pidfd_open(body)
    watch.register(ended, select.POLLIN)
    while True:
        found = [descriptor for descriptor, _ in watch.poll(LOOK_EVERY)]
        if control in found or _signal.sigpending() & set(TOLD_TO_END):
            end_all()
            os.write(control, b"exited 143")
            os._exit(143)
        while who := reaped():
            if who[0] != body:
                continue
            code = os.waitstatus_to_exitcode(who[1])
            os.write(control, b"exited %d" % code if code >= 0 else b"signaled %d" % -code)
            os._exit(0)


def become(control):
    """Is the keeper of one more process, which returns from here to be the body."""
    os.setsid()
    prctl(SUBREAPER, 1)
    before = _signal.pthread_sigmask(_signal.SIG_BLOCK, TOLD_TO_END)
    os.write(control, b"began")
    body = os.fork()
    if body:
        try:
            keep(body, control)
        finally:
            os._exit(70)
    prctl(PARENT_DEATH, _signal.SIGKILL)
    os.close(control)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, before)


def preload(names):
    """Imports what a mapping's author says may be imported once for all; why that cannot be."""
    for name in names:
        try:
            __import__(name)
        except BaseException as error:
            return f"{name} cannot be imported: {type(error).__name__}: {error}"
    if len(os.listdir("/proc/self/task")) > 1:
        return f"importing {', '.join(names)} starts threads, which no fork has"
    return None


def open_streams():
    """Python's own streams, made anew as it makes them: those that it started with knew other files."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        old = getattr(sys, name)
        unbuffered = isinstance(old.buffer, io.RawIOBase)
        buffer = open(number, "wb" if number else "rb", buffering=0 if unbuffered else -1, closefd=False)
        (buffer if unbuffered else buffer.raw).name = f"<{name}>"
        new = io.TextIOWrapper(
            buffer,
            encoding=old.encoding,
            errors=old.errors,
            newline="\n",
            line_buffering=old.line_buffering,
            write_through=old.write_through,
        )
        new.mode = "w" if number else "r"
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)


def serve():
    """Forks a body for each message; returns in the body alone."""
    why = difference()
    requests = _socket.socket(fileno=os.dup(0))
    if not why and sys.argv[1:]:
        why = preload(sys.argv[1:])
    if why:
        requests.send(why.encode("utf-8", "backslashreplace")[:1000])
        os._exit(0)
    sys.argv[1:] = []
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nowhere, number)
    os.close(nowhere)
    os.set_inheritable(requests.fileno(), False)
    room = _socket.CMSG_SPACE(DESCRIPTORS * 4)
    gc.collect()
    gc.freeze()
    requests.send(b"warm")
    while True:
        message, parts, _, _ = requests.recvmsg(1, room)
        if not message:
            os._exit(0)
        given = [
            int.from_bytes(data[at : at + 4], sys.byteorder)
            for _, _, data in parts
            for at in range(0, len(data) - 3, 4)
        ]
        if len(given) == DESCRIPTORS and not os.fork():
            requests.close()
            for number in range(3):
                os.dup2(given[number], number)
                os.close(given[number])
            become(given[3])
            open_streams()
            sys.path_importer_cache.clear()
            return
        for descriptor in given:
            os.close(descriptor)
        while reaped():
            pass
