"""Runs a program as a container without special rights would: with the calls refused that Docker's default profile refuses there.

`container.py PROGRAM…` refuses what Docker documents of that profile for a container without added rights; `container.py --profile FILE PROGRAM…` reads a
whole profile in Docker's form, and allows only what that allows. x86_64 and aarch64, by the numbers of the kernel's headers.
"""

import ctypes
import json
import os
import platform
import re
import struct
import sys

REFUSED = """
acct add_key bpf clock_adjtime clock_settime delete_module fanotify_init finit_module fsconfig fsmount fsopen fspick init_module io_uring_enter
io_uring_register io_uring_setup ioperm iopl kcmp kexec_file_load kexec_load keyctl lookup_dcookie mount mount_setattr move_mount move_pages
name_to_handle_at nfsservctl open_by_handle_at open_tree perf_event_open pivot_root process_madvise quotactl quotactl_fd reboot request_key
setdomainname sethostname setns settimeofday swapoff swapon syslog umount2 unshare uselib userfaultfd vhangup
""".split()
# chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, net_raw, sys_chroot, mknod, audit_write, setfcap
RIGHTS = {0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31}
NAMESPACES = 0x7E020000
ALLOW, EPERM, ENOSYS = 0x7FFF0000, 0x50001, 0x50026
LOAD, EQUAL, BITS, RETURN = 0x20, 0x15, 0x45, 0x06

libc = ctypes.CDLL(None, use_errno=True)
arm = platform.machine() == "aarch64"


def numbers():
    headers = ["asm-generic/unistd.h"] if arm else ["x86_64-linux-gnu/asm/unistd_64.h", "asm/unistd_64.h"]
    for header in headers:
        path = f"/usr/include/{header}"
        if os.path.exists(path):
            with open(path) as file:
                return {name: int(number) for name, number in re.findall(r"#define __NR_(\w+)\s+(\d+)", file.read())}
    sys.exit("the numbers of system calls are not known: install linux-libc-dev")


def applies(rule):
    """Whether a rule of a profile holds for a container that was given nothing."""
    includes, excludes = rule.get("includes", {}), rule.get("excludes", {})
    here = "arm64" if arm else "amd64"
    if includes.get("caps") or (includes.get("arches") and here not in includes["arches"]):
        return False
    return here not in excludes.get("arches", [])


def filter_of(profile):
    known = numbers()
    code = [(LOAD, 0, 0, 0)]
    if profile is None:
        for name in REFUSED:
            if name in known:
                code += [(EQUAL, 0, 1, known[name]), (RETURN, 0, 0, EPERM)]
        code += [(EQUAL, 0, 1, known["clone3"]), (RETURN, 0, 0, ENOSYS)]
        code += [
            (EQUAL, 0, 4, known["clone"]),
            (LOAD, 0, 0, 16),
            (BITS, 0, 1, NAMESPACES),
            (RETURN, 0, 0, EPERM),
            (RETURN, 0, 0, ALLOW),
        ]
        return [*code, (RETURN, 0, 0, ALLOW)]
    plain, masked = set(), set()
    for rule in profile["syscalls"]:
        if rule["action"] == "SCMP_ACT_ALLOW" and applies(rule):
            for name in rule["names"]:
                (masked if rule.get("args") else plain).add(name)
    for name in sorted(plain):
        if name in known:
            code += [(EQUAL, 0, 1, known[name]), (RETURN, 0, 0, ALLOW)]
    code += [(EQUAL, 0, 1, known["clone3"]), (RETURN, 0, 0, ENOSYS)]
    # Of the rules with arguments those that a body may meet, as the profile has them.
    assert {"clone", "socket", "personality"} <= masked | plain, masked
    if "clone" in masked:
        code += [
            (EQUAL, 0, 4, known["clone"]),
            (LOAD, 0, 0, 16),
            (BITS, 0, 1, NAMESPACES),
            (RETURN, 0, 0, EPERM),
            (RETURN, 0, 0, ALLOW),
        ]
    if "socket" in masked:
        code += [
            (EQUAL, 0, 4, known["socket"]),
            (LOAD, 0, 0, 16),
            (EQUAL, 0, 1, 40),
            (RETURN, 0, 0, EPERM),
            (RETURN, 0, 0, ALLOW),
        ]
    code += [(EQUAL, 0, 1, known["personality"]), (RETURN, 0, 0, ALLOW)]
    return [*code, (RETURN, 0, 0, EPERM)]


def main():
    words = sys.argv[1:]
    profile = None
    if words[0] == "--profile":
        with open(words[1]) as file:
            profile = json.load(file)
        words = words[2:]
    for right in range(64):
        if right not in RIGHTS:
            libc.prctl(24, right, 0, 0, 0)
    code = b"".join(struct.pack("HBBI", *line) for line in filter_of(profile))
    room = ctypes.create_string_buffer(code)
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(room)))
    if os.getuid() != 0:
        libc.prctl(38, 1, 0, 0, 0)
    if libc.prctl(22, 2, program, 0, 0) != 0:
        sys.exit(f"the filter cannot be set: {os.strerror(ctypes.get_errno())}")
    os.execvp(words[0], words)


if __name__ == "__main__":
    main()
