"""An interpreter that has started and waits: for each body it has forked a child, which is what a new interpreter would be at that point.

Stands after the text of `call_function` in one program, whose `main` the child then runs. Standard input is a
socket: each message on it brings four descriptors: the body's standard input, output and error, and a socket on which is said how it ended. Between
this interpreter and the body stands a keeper, as the guard does: when the other end of that last socket is closed, or the keeper is told to end, it ends
all that the body has started, whatever session, group or environment that has moved to.
Its arguments are modules that it imports first. Answers with one message: `warm`, or why a fork of it would not be a new interpreter.
"""

import _ctypes
import _signal
import _socket
import _weakref
import atexit
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
EXIT = _ctypes.dlsym(_ctypes.dlopen(None, 0), "exit")
OPEN = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)
# The modules that were there before any body.
KNOWN = set()


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


def given(socket, count):
    """The descriptors that the next message brings; none if there is no other end any more."""
    message, parts, _, _ = socket.recvmsg(1, _socket.CMSG_SPACE(count * 4))
    if not message:
        return None
    return [
        int.from_bytes(data[at : at + 4], sys.byteorder) for _, _, data in parts for at in range(0, len(data) - 3, 4)
    ]


def hand_over(socket, descriptors):
    data = b"".join(number.to_bytes(4, sys.byteorder) for number in descriptors)
    socket.sendmsg([b"b"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, data)])
    for descriptor in descriptors:
        os.close(descriptor)


def become(requests, taken, alike):
    """Is the keeper of one more process, which waits to be a body and returns from here once it is one: what forking costs, the bodies before
    it do not wait for."""
    os.setsid()
    prctl(SUBREAPER, 1)
    before = _signal.pthread_sigmask(_signal.SIG_BLOCK, TOLD_TO_END)
    own, its = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    body = os.fork()
    if body:
        try:
            its.close()
            descriptors = given(requests, DESCRIPTORS)
            if not descriptors or len(descriptors) != DESCRIPTORS:
                os.write(taken, b"taken" if descriptors else b"over")
                os.kill(body, _signal.SIGKILL)
                os._exit(0)
            control = descriptors.pop()
            os.write(control, b"began")
            hand_over(own, descriptors)
            # Last: what the next one costs is not to keep this one waiting.
            try:
                os.write(taken, b"taken")
            except OSError:
                # The interpreter is gone; its body is not.
                pass
            for descriptor in (own.detach(), requests.detach(), taken):
                os.close(descriptor)
            keep(body, control)
        finally:
            os._exit(70)
    prctl(PARENT_DEATH, _signal.SIGKILL)
    for descriptor in (own.detach(), requests.detach(), taken):
        os.close(descriptor)
    open_streams(alike)
    descriptors = given(its, DESCRIPTORS - 1)
    if not descriptors:
        os._exit(0)
    its.close()
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
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


def streams_alike():
    """Descriptors of the kind that a body is given: a file that is read, and pipes that are written."""
    file = os.memfd_create("stdin") if hasattr(os, "memfd_create") else os.open(os.devnull, os.O_RDONLY)
    read, write = os.pipe()
    os.close(read)
    return file, write, write


def open_streams(alike):
    """Python's own streams, made anew as it makes them: those that it started with knew other files.

    What they look at when they are made is what a body's are like, so that they can be made before there is one.
    """
    for number, descriptor in enumerate(alike):
        os.dup2(descriptor, number)
    for descriptor in set(alike):
        os.close(descriptor)
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


def clear(module):
    """Takes a module's names away in the order in which Python does."""
    names = vars(module)
    for name in list(names):
        if name[:1] == "_" and name[1:2] != "_":
            names[name] = None
    for name in list(names):
        if name != "__builtins__":
            names[name] = None


def take_apart():
    """Lets go of the modules that a body has loaded, and of what only they knew."""
    left = [_weakref.ref(sys.modules.pop(name)) for name in list(sys.modules) if name not in KNOWN]
    gc.collect()
    for reference in reversed(left):
        module = reference()
        if module is not None:
            clear(module)
    module = None
    gc.collect()


def flush_files():
    """Writes what files that are open still hold back: texts first, which go through the others."""
    files = [found for found in gc.get_objects() if isinstance(found, OPEN)]
    for file in sorted(files, key=lambda found: not isinstance(found, io.TextIOWrapper)):
        try:
            file.flush()
        except (OSError, ValueError):
            pass


def attempt(step):
    """What goes wrong at the end is told, and ends nothing."""
    try:
        step()
    except BaseException:
        sys.excepthook(*sys.exc_info())


def leave(status):
    """Ends this process as Python would, but that it leaves alone what any start has loaded: to take that apart touches each page that the forks
    share, and costs more than most bodies do."""
    if not isinstance(status, int) or len(os.listdir("/proc/self/task")) > 1:
        sys.exit(status)
    if "threading" in sys.modules:
        attempt(sys.modules["threading"]._shutdown)
    attempt(atexit._run_exitfuncs)
    # A file in a ring would lose what it holds back when the one below it is closed first.
    for step in (flush_files, take_apart, flush_files):
        attempt(step)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass
    _ctypes.call_function(EXIT, (status & 255,))


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
    KNOWN.update(sys.modules)
    # Each body looks into the folders by itself.
    sys.path_importer_cache.clear()
    alike = streams_alike()
    gc.collect()
    gc.freeze()
    requests.send(b"warm")
    while True:
        told, taken = os.pipe()
        if not os.fork():
            os.close(told)
            become(requests, taken, alike)
            return
        os.close(taken)
        word = os.read(told, 16)
        os.close(told)
        while reaped():
            pass
        if word == b"over":
            os._exit(0)
        if not word:
            # It was killed, or could not be made; whoever waits goes on waiting for the next.
            select.select((), (), (), 0.05)
