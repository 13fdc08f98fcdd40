"""Tries to get out of a sandbox, and says of each attempt what became of it: `escaped …` or `refused …`.

Reads one object on standard input: {"tcp": PORT, "udp": PORT, "unix": PATH, "abstract": NAME, "victim": PID, "outside": FOLDER, "file": PATH, "pipe": PATH, "only": [NAMES]}.
Prints one object of texts by name. The test looks from outside too: what escapes without knowing it is found there.
"""

import asyncio
import ctypes
import ctypes.util
import errno
import fcntl
import json
import os
import platform
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request

libc = ctypes.CDLL(None, use_errno=True)
given = json.load(sys.stdin)
ARM = platform.machine() == "aarch64"


def call(number, *arguments):
    """A system call past Python and the C library."""
    libc.syscall.restype = ctypes.c_long
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def tcp():
    socket.create_connection(("127.0.0.1", given["tcp"]), 2)


def tcp6():
    with socket.socket(socket.AF_INET6) as link:
        link.connect(("::ffff:127.0.0.1", given["tcp"]))


def tcp_asyncio():
    asyncio.run(asyncio.open_connection("127.0.0.1", given["tcp"]))


def tcp_fast_open():
    with socket.socket() as link:
        link.sendto(b"x", 0x20000000, ("127.0.0.1", given["tcp"]))


def tcp_fast_open_message():
    with socket.socket() as link:
        link.sendmsg([b"x"], [], 0x20000000, ("127.0.0.1", given["tcp"]))


def tcp_multipath():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262) as link:
        link.connect(("127.0.0.1", given["tcp"]))


def http():
    urllib.request.urlopen(f"http://127.0.0.1:{given['tcp']}/", timeout=2)


def udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.sendto(b"x", ("127.0.0.1", given["udp"]))


def udp6():
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as link:
        link.sendto(b"x", ("::ffff:127.0.0.1", given["udp"]))


def raw():
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, 1) as link:
        link.sendto(b"\x08\x00\xf7\xff\x00\x00\x00\x00", ("127.0.0.1", 0))


def netlink():
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)


def vsock():
    socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).connect((2, 1024))


def unix_socket():
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(given["unix"])


def abstract_socket():
    with socket.socket(socket.AF_UNIX) as link:
        link.connect("\0" + given["abstract"])


def pair_of_datagrams():
    one, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.sendmsg([b"x"], [], 0, given["unix"] + ".datagram")


def serve():
    with socket.socket() as link:
        link.bind(("0.0.0.0", 0))
        link.listen()


def serve_unbound():
    with socket.socket() as link:
        link.listen()


def dns():
    socket.getaddrinfo("example.org", 80)


def dns_own():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.connect(("1.1.1.1", 53))
        link.send(b"\0" * 12)


def child():
    code = f"import socket; socket.create_connection(('127.0.0.1', {given['tcp']}), 2)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def child_program():
    subprocess.run(["touch", given["outside"] + "/child"], check=True, capture_output=True)


def thread():
    failed = []

    def work():
        try:
            open(given["outside"] + "/thread", "w").close()
        except OSError as error:
            failed.append(error)

    one = threading.Thread(target=work)
    one.start()
    one.join()
    if failed:
        raise failed[0]


def setsid():
    # Two forks and a session of its own: gone from its parents, it writes for as long as it lives.
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            while True:
                with open("alive", "w") as file:
                    file.write(str(time.time()))
                time.sleep(0.02)
        os._exit(0)
    raise OSError(0, "see whether it lives on")


def ptrace():
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(16, given["victim"], None, None) < 0:
        raise OSError(ctypes.get_errno(), "attach")


def ptrace_parent():
    if libc.ptrace(0x4206, os.getppid(), None, None) < 0:
        raise OSError(ctypes.get_errno(), "seize")


def memory_of_others():
    room = ctypes.create_string_buffer(8)
    part = (ctypes.c_void_p * 2)(ctypes.addressof(room), 8)
    if libc.process_vm_readv(given["victim"], part, 1, part, 1, 0) < 0:
        raise OSError(ctypes.get_errno(), "process_vm_readv")


def c_extension():
    # As compiled code would: no function of the C library between it and the kernel.
    link = call(198 if ARM else 41, 2, 1, 0)
    address = struct.pack("!HHI8x", 0, given["tcp"], 0x7F000001)
    address = struct.pack("H", 2) + address[2:]
    call(203 if ARM else 42, link, ctypes.c_char_p(address), 16)


def older_calls():
    if ARM:
        raise OSError(errno.ENOSYS, "there are none")
    call(0x40000000 + 41, 2, 1, 0)


def io_uring():
    call(425, 8, ctypes.create_string_buffer(120))


def proc_environ():
    open(f"/proc/{given['victim']}/environ", "rb").read()


def proc_command_line():
    open(f"/proc/{given['victim']}/cmdline", "rb").read()


def proc_memory():
    open(f"/proc/{given['victim']}/mem", "r+b")


def proc_root():
    open(f"/proc/{given['victim']}/root/{given['outside']}/root", "w")


def proc_file():
    os.listdir(f"/proc/{given['victim']}/fd")


def proc_sys():
    open("/proc/sys/kernel/hostname", "w").write("x")


def symlink():
    os.symlink(given["outside"], "way")
    open("way/symlink", "w").close()


def symlink_to_file():
    os.symlink(given["file"], "file")
    open("file", "w").close()


def hard_link():
    os.link(given["file"], "hard")
    open("hard", "a").write("x")


def rename_away():
    open("mine", "w").close()
    os.rename("mine", given["outside"] + "/mine")


def remove():
    os.unlink(given["file"])


def empty():
    os.truncate(given["file"], 0)


def empty_by_reading():
    os.open(given["file"], os.O_RDONLY | os.O_TRUNC)


def mode():
    os.chmod(given["file"], 0o777)


def mode_by_descriptor():
    os.fchmod(os.open(given["file"], os.O_RDONLY), 0o777)


def mode_by_link():
    os.symlink(given["file"], "mode")
    os.chmod("mode", 0o777)


def owner():
    os.chown(given["file"], os.getuid(), os.getgid())


def times():
    os.utime(given["file"], (1, 1))


def times_by_descriptor():
    os.utime(os.open(given["file"], os.O_RDONLY), (1, 1))


def attribute():
    os.setxattr(given["file"], "user.x", b"1")


def attribute_flags():
    # FS_IOC_SETFLAGS: no dump of this file.
    fcntl.ioctl(os.open(given["file"], os.O_RDONLY), 0x40086602, struct.pack("l", 0x40))


def pipe():
    os.write(os.open(given["pipe"], os.O_WRONLY | os.O_NONBLOCK), b"x")


def pipe_by_creating():
    file = libc.creat(os.fsencode(given["pipe"]), 0o600)
    if file < 0:
        raise OSError(ctypes.get_errno(), "creat")
    os.write(file, b"x")


def pipe_by_link():
    os.symlink(given["pipe"], "pipe")
    os.write(os.open("pipe", os.O_RDWR | os.O_NONBLOCK), b"x")


def pipe_by_descriptor():
    file = os.open(given["pipe"], os.O_RDONLY | os.O_NONBLOCK)
    os.write(os.open(f"/proc/self/fd/{file}", os.O_WRONLY | os.O_NONBLOCK), b"x")


def pipe_by_folder():
    folder = os.open(given["outside"], os.O_RDONLY)
    os.write(os.open("./pipe", os.O_WRONLY | os.O_NONBLOCK, dir_fd=folder), b"x")


def lock():
    fcntl.flock(os.open(given["file"], os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)


def lease():
    fcntl.fcntl(os.open(given["file"], os.O_RDONLY), fcntl.F_SETLEASE, fcntl.F_RDLCK)


def parent_folder():
    open("../x", "w")


def device():
    os.mknod("disk", 0o600 | 0o060000, os.makedev(254, 0))
    open("disk", "rb").read(1)


def shared_memory():
    name = "/dev/shm/bailey-escape"
    open(name, "w").close()
    if not given.get("own_shm"):
        return
    raise OSError(0, "its own")


def memory_file():
    os.memfd_create("x")


def namespaces():
    call(97 if ARM else 272, 0x10000000)


def clone_namespaces():
    if call(220 if ARM else 56, 0x10000000 | 17, 0, 0, 0, 0) == 0:
        os._exit(0)


def mount():
    if libc.mount(b"none", b"/mnt", b"tmpfs", 0, None) < 0:
        raise OSError(ctypes.get_errno(), "mount")


def keyring():
    call(217 if ARM else 248, ctypes.c_char_p(b"user"), ctypes.c_char_p(b"x"), ctypes.c_char_p(b"y"), 1, -3)


def bpf():
    call(280 if ARM else 321, 0, ctypes.create_string_buffer(64), 64)


def signal_parent():
    # Where it has process numbers of its own, its parent is the first of them, which hears nothing.
    os.kill(os.getppid(), signal.SIGTERM)
    if os.getppid() != 1:
        return
    raise OSError(0, "not heard")


def signal_victim():
    os.kill(given["victim"], signal.SIGTERM)


def signal_thread():
    call(130 if ARM else 200, given["victim"], int(signal.SIGTERM))


def signal_group():
    os.killpg(given["victim"], signal.SIGTERM)


def signal_by_descriptor():
    signal.pidfd_send_signal(os.pidfd_open(given["victim"]), signal.SIGTERM)


def signal_by_file():
    one, two = socket.socketpair()
    fcntl.fcntl(one, fcntl.F_SETOWN, given["victim"])


def limits_of_others():
    resource.prlimit(given["victim"], resource.RLIMIT_NOFILE, (3, 3))


def priority_of_others():
    os.setpriority(os.PRIO_USER, os.getuid(), 19)


def descriptors():
    extra = []
    for number in range(3, 256):
        try:
            os.fstat(number)
            extra.append(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            pass
    extra = [name for name in extra if not name.startswith("/proc/")]
    if not extra:
        raise OSError(0, "none was inherited")
    return ", ".join(extra)


def rights():
    line = next(line for line in open("/proc/self/status") if line.startswith("CapEff"))
    if int(line.split()[1], 16) == 0:
        raise OSError(0, "none")
    return line


def big_file():
    with open("big", "wb", buffering=0) as file:
        try:
            for _ in range(4096):
                if file.write(b"x" * (1 << 20)) < 1 << 20:
                    raise OSError(0, "cut")
        finally:
            os.unlink("big")


def bomb():
    """Forks until it may not; how many that were is told."""
    begun = []
    try:
        while len(begun) < 2000:
            number = os.fork()
            if number == 0:
                time.sleep(60)
                os._exit(0)
            begun.append(number)
    finally:
        for number in begun:
            os.kill(number, signal.SIGKILL)
            os.waitpid(number, 0)


def bomb_of_threads():
    done = threading.Event()
    begun = []
    try:
        for _ in range(2000):
            one = threading.Thread(target=done.wait)
            one.start()
            begun.append(one)
    finally:
        done.set()
        for one in begun:
            one.join()


def memory():
    block = bytearray(1 << 40)
    return len(block)


ATTEMPTS = [
    descriptors, tcp, tcp6, tcp_asyncio, tcp_fast_open, tcp_fast_open_message, tcp_multipath, http, udp, udp6, raw, netlink, vsock, unix_socket, abstract_socket,
    pair_of_datagrams, serve, serve_unbound, dns, dns_own, child, child_program, thread, ptrace, ptrace_parent, memory_of_others, c_extension,
    older_calls, io_uring, proc_environ, proc_command_line, proc_memory, proc_root, proc_file, proc_sys, symlink, symlink_to_file, hard_link,
    rename_away, remove, empty, empty_by_reading, mode, mode_by_descriptor, mode_by_link, owner, times, times_by_descriptor, attribute, attribute_flags,
    pipe, pipe_by_creating, pipe_by_link, pipe_by_descriptor, pipe_by_folder, lock, lease, parent_folder,
    device, shared_memory, memory_file, namespaces, clone_namespaces, mount, keyring, bpf, signal_parent, signal_victim, signal_thread, signal_group,
    signal_by_descriptor, signal_by_file, limits_of_others, priority_of_others, rights, big_file, bomb, bomb_of_threads, memory, setsid,
]  # fmt: skip

found = {}
for attempt in ATTEMPTS:
    if given.get("only") and attempt.__name__ not in given["only"]:
        continue
    try:
        found[attempt.__name__] = f"escaped {attempt() or ''}"
    except (OSError, RuntimeError, MemoryError, subprocess.CalledProcessError, AttributeError) as error:
        found[attempt.__name__] = f"refused {type(error).__name__} {str(error)[:120]}"
print(json.dumps(found))
