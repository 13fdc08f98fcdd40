"""What lies outside of a sandbox: servers, a process and a file that nothing in it may reach.

Prints where they are as one line of JSON. Once its standard input ends it prints what has happened to them, and ends.
"""

import fcntl
import json
import os
import select
import socket
import stat
import subprocess
import sys
import tempfile
import time

folder = tempfile.mkdtemp(prefix="bailey-outside-")
# Whoever runs the body: what refuses it is to be the sandbox, not the rights of files.
os.chmod(folder, 0o777)
# The sandbox of another user is to be found missing because it holds, not because the file was not his.
as_user = int(sys.argv[1]) if len(sys.argv) > 1 else os.getuid()
name = f"bailey-outside-{os.getpid()}"
servers = {}
for key, family, kind, address in [
    ("tcp", socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
    ("udp", socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
    ("unix", socket.AF_UNIX, socket.SOCK_STREAM, f"{folder}/socket"),
    ("datagram", socket.AF_UNIX, socket.SOCK_DGRAM, f"{folder}/socket.datagram"),
    ("abstract", socket.AF_UNIX, socket.SOCK_STREAM, f"\0{name}"),
]:
    servers[key] = socket.socket(family, kind)
    servers[key].bind(address)
    if kind == socket.SOCK_STREAM:
        servers[key].listen()
for path in (f"{folder}/socket", f"{folder}/socket.datagram"):
    os.chmod(path, 0o777)
path = f"{folder}/file"
with open(path, "w") as file:
    file.write("whole")
os.chmod(path, 0o666)
os.chown(path, as_user, as_user)
before = os.stat(path)
os.mkfifo(f"{folder}/pipe")
os.chmod(f"{folder}/pipe", 0o666)
# Somebody reads it, so that whoever writes to it need not wait.
pipe = os.open(f"{folder}/pipe", os.O_RDONLY | os.O_NONBLOCK)


def flags_of(path):
    """The attributes of a file beside its mode; nothing where its file system has none."""
    file = os.open(path, os.O_RDONLY)
    try:
        return fcntl.ioctl(file, 0x80086601, bytes(8))
    except OSError:
        return None
    finally:
        os.close(file)


flags = flags_of(path)


def become():
    os.setgroups([])
    os.setgid(as_user)
    os.setuid(as_user)


victim = subprocess.Popen(
    ["sleep", "600"], start_new_session=True, preexec_fn=become if as_user != os.getuid() else None
)
print(
    json.dumps(
        {
            "tcp": servers["tcp"].getsockname()[1],
            "udp": servers["udp"].getsockname()[1],
            "unix": f"{folder}/socket",
            "abstract": name,
            "victim": victim.pid,
            "outside": folder,
            "file": path,
            "pipe": f"{folder}/pipe",
        }
    ),
    flush=True,
)
sys.stdin.read()
# What was sent has arrived: all of it is on this machine.
time.sleep(0.05)
after = os.stat(path)
with open(path) as file:
    text = file.read()
found = {
    "reached": [key for key, server in servers.items() if select.select([server], [], [], 0)[0]]
    + (["pipe"] if os.read(pipe, 1) else []),
    "victim": victim.poll(),
    "nice": os.getpriority(os.PRIO_PROCESS, victim.pid) != os.getpriority(os.PRIO_PROCESS, 0),
    "changed": [
        what
        for what in ("st_mode", "st_uid", "st_nlink", "st_mtime_ns")
        if getattr(before, what) != getattr(after, what)
    ]
    + ([] if text == "whole" and stat.S_ISREG(after.st_mode) else ["text"])
    + ([] if flags_of(path) == flags else ["flags"]),
    "files": sorted(os.listdir(folder)),
}
victim.kill()
for left in found["files"]:
    os.unlink(f"{folder}/{left}")
os.rmdir(folder)
print(json.dumps(found))
