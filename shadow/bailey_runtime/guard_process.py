"""What stands between a task and its body: `python -c THIS parent tell ctype program arguments…`.

It runs the program with its own three streams and ends as the program ends. When its parent is gone, or it is told to end, it kills
all that stems from it. `tell` is a descriptor that gets the number of the error where the program cannot be run, `ctype` the LC_CTYPE
that the program is to have: this interpreter sets its own.
"""

import os
import resource
import signal
import sys
import time

_LOOK_SECONDS = 0.2
_SET_DEATH_SIGNAL = 1
_SET_CHILD_SUBREAPER = 36


def control(option: int, value: int) -> None:
    """`prctl` of Linux; elsewhere, or where Python has no ctypes, what leaves the session is not followed."""
    if sys.platform != "linux":
        return
    try:
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        return


def parents() -> dict[int, int]:
    """The parent of every process that runs; of those that have ended and not been waited for, none."""
    found = {}
    try:
        names = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return {}
    for name in names:
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                # The name between parentheses may hold anything.
                state, parent = file.read().rpartition(b")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if state not in (b"Z", b"X"):
            found[int(name)] = int(parent)
    return found


def kill_descendants(child: int) -> int:
    """Kills what stems from this process and runs; how many those were."""
    above = parents()
    if not above:
        # No /proc: the session that the program began is all that can be found.
        try:
            os.killpg(child, signal.SIGKILL)
        except OSError:
            pass
        return 0
    count = 0
    for pid in above:
        ancestor = above[pid]
        seen = {pid}
        while ancestor in above and ancestor != os.getpid() and ancestor not in seen:
            seen.add(ancestor)
            ancestor = above[ancestor]
        if ancestor != os.getpid():
            continue
        try:
            # Stopped first, it starts nothing more while the others are looked for.
            os.kill(pid, signal.SIGSTOP)
            os.kill(pid, signal.SIGKILL)
            count += 1
        except OSError:
            pass
    return count


def ended() -> "list[tuple[int, int]] | None":
    """Those that have ended, with their status; None if there is no child."""
    found = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found or None
        if pid == 0:
            return found
        found.append((pid, status))


def end_all(child: int) -> None:
    """Ends everything that was started, and waits for it."""
    for _ in range(400):
        found = kill_descendants(child)
        if ended() is None and not found:
            return
        # What one look misses because it was just being started, the next one finds.
        time.sleep(0.005)


def main() -> None:
    """Runs the program."""
    parent, tell, ctype, words = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]
    os.set_inheritable(tell, False)
    watched = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    control(_SET_CHILD_SUBREAPER, 1)
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            # Should the guard itself be killed, the program is at least not left alone.
            control(_SET_DEATH_SIGNAL, signal.SIGKILL)
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, before - watched)
            os.environ.pop("LC_CTYPE", None)
            if ctype:
                os.environ["LC_CTYPE"] = ctype
            os.execvp(words[0], words)
        except OSError as error:
            os.write(tell, str(error.errno).encode())
        finally:
            os._exit(127)
    os.close(tell)
    # The other end of the program's pipes is the program's alone, so that its reader sees when it closes them.
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    while True:
        told = (
            signal.sigtimedwait(watched, _LOOK_SECONDS)
            if hasattr(signal, "sigtimedwait")
            else time.sleep(_LOOK_SECONDS)
        )
        if os.getppid() != parent or told is not None and told.si_signo != signal.SIGCHLD:
            end_all(child)
            os._exit(128 + signal.SIGTERM)
        for pid, status in ended() or ():
            if pid != child:
                continue
            if os.WIFEXITED(status):
                os._exit(os.WEXITSTATUS(status))
            resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
            number = os.WTERMSIG(status)
            if number not in (signal.SIGKILL, signal.SIGSTOP):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            os.kill(os.getpid(), number)
            os._exit(128 + number)


main()
