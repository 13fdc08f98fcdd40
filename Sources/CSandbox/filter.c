#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/fs.h>
#include <linux/personality.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define THIS_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "the sandbox knows the system calls of x86_64 and aarch64"
#endif

/// The newest call that the lists below were made with. What a later kernel adds is not there for the program.
#define NEWEST_CALL 462

#define NAMESPACES (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
#ifndef MSG_FASTOPEN
#define MSG_FASTOPEN 0x20000000
#endif

static void put(struct filter *filter, unsigned short code, uint32_t value, unsigned char yes, unsigned char no) {
    filter->code[filter->length++] = (struct sock_filter){code, yes, no, value};
}
static void load(struct filter *filter, size_t offset) { put(filter, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0); }
static void result(struct filter *filter, uint32_t value) { put(filter, BPF_RET | BPF_K, value, 0, 0); }
static void load_call(struct filter *filter) { load(filter, offsetof(struct seccomp_data, nr)); }
/// The lower half of an argument; both architectures are little-endian.
static void load_argument(struct filter *filter, int number) {
    load(filter, offsetof(struct seccomp_data, args) + 8 * (size_t)number);
}

/// One call, whatever its arguments. The number of the call is loaded, and stays so.
static void always(struct filter *filter, int call, uint32_t value) {
    put(filter, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1);
    result(filter, value);
}

/// Begins what holds for one call; `end` puts the number of the call back.
static unsigned short begin(struct filter *filter, int call) {
    put(filter, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 0);
    return (unsigned short)(filter->length - 1);
}
static void end(struct filter *filter, unsigned short began) {
    filter->code[began].jf = (unsigned char)(filter->length - began - 1);
    // Only the way of this call comes here with something else loaded, but loading it twice does no harm.
    load_call(filter);
}
static void if_any_bit(struct filter *filter, uint32_t bits, uint32_t value) {
    put(filter, BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1);
    result(filter, value);
}
static void if_equal(struct filter *filter, uint32_t wanted, uint32_t value) {
    put(filter, BPF_JMP | BPF_JEQ | BPF_K, wanted, 0, 1);
    result(filter, value);
}
static void unless_equal(struct filter *filter, uint32_t wanted, uint32_t value) {
    put(filter, BPF_JMP | BPF_JEQ | BPF_K, wanted, 1, 0);
    result(filter, value);
}

static void begin_filter(struct filter *filter) {
    filter->length = 0;
    load(filter, offsetof(struct seccomp_data, arch));
    unless_equal(filter, THIS_ARCHITECTURE, SECCOMP_RET_KILL_PROCESS);
    load_call(filter);
}

/// Asks for calls of which an argument has any of some bits.
static void ask_for_bits(struct filter *filter, int call, int argument, uint32_t bits) {
    unsigned short began = begin(filter, call);
    load_argument(filter, argument);
    if_any_bit(filter, bits, SECCOMP_RET_USER_NOTIF);
    end(filter, began);
}

void bailey_asked_calls(struct filter *filter, const struct spec *spec) {
    const uint32_t ask = SECCOMP_RET_USER_NOTIF;
    begin_filter(filter);
    int calls[] = {
        SYS_connect, SYS_clone,
#ifdef SYS_fork
        SYS_fork, SYS_vfork,
#endif
    };
    // What Landlock knows nothing of, or not on every kernel.
    int without_namespaces[] = {
        SYS_kill, SYS_tkill, SYS_tgkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, SYS_fchmod, SYS_fchmodat, SYS_utimensat,
#ifdef SYS_chmod
        SYS_chmod,
#endif
    };
    int names[] = {
        SYS_openat,
#ifdef SYS_open
        SYS_open,
#endif
    };
    for (size_t at = 0; at < sizeof calls / sizeof *calls; at++) always(filter, calls[at], ask);
    for (size_t at = 0; !spec->bubblewrap && at < sizeof without_namespaces / sizeof *without_namespaces; at++) {
        always(filter, without_namespaces[at], ask);
    }
    for (size_t at = 0; spec->hosts && at < sizeof names / sizeof *names; at++) always(filter, names[at], ask);
    if (spec->bubblewrap && !spec->hosts) {
        // A mount that is read-only lets pipes be written to.
        ask_for_bits(filter, SYS_openat, 2, O_WRONLY | O_RDWR);
#ifdef SYS_open
        ask_for_bits(filter, SYS_open, 1, O_WRONLY | O_RDWR);
#endif
    }
#ifdef SYS_creat
    if (spec->bubblewrap) always(filter, SYS_creat, ask);
#endif
    // A file that is only read may be locked for all others.
    ask_for_bits(filter, SYS_flock, 1, LOCK_EX);
    result(filter, SECCOMP_RET_ALLOW);
}

/// Calls that are refused whatever their arguments are.
static const int refused[] = {
    // Other processes and their memory.
    SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp, SYS_pidfd_getfd, SYS_process_madvise, SYS_process_mrelease,
    SYS_pidfd_send_signal, SYS_move_pages, SYS_migrate_pages, SYS_ioprio_set,
    // Ways around a filter of calls.
    SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register, SYS_bpf, SYS_perf_event_open, SYS_userfaultfd,
    // Mounts and namespaces.
    SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_fsopen, SYS_fsmount, SYS_fsconfig, SYS_fspick, SYS_move_mount, SYS_open_tree,
    SYS_mount_setattr, SYS_unshare, SYS_setns,
    // Serving, and memory that belongs to no process.
    SYS_bind, SYS_listen, SYS_accept, SYS_accept4, SYS_memfd_create, SYS_memfd_secret, SYS_shmget, SYS_shmat, SYS_shmctl, SYS_msgget, SYS_msgsnd,
    SYS_msgrcv, SYS_msgctl, SYS_semget, SYS_semop, SYS_semctl, SYS_semtimedop, SYS_mq_open, SYS_mq_unlink,
    // The machine.
    SYS_reboot, SYS_kexec_load, SYS_kexec_file_load, SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_swapon, SYS_swapoff, SYS_acct,
    SYS_quotactl, SYS_quotactl_fd, SYS_settimeofday, SYS_clock_settime, SYS_clock_adjtime, SYS_adjtimex, SYS_sethostname, SYS_setdomainname,
    SYS_syslog, SYS_vhangup, SYS_lookup_dcookie, SYS_fanotify_init, SYS_fanotify_mark, SYS_open_by_handle_at, SYS_name_to_handle_at,
    SYS_add_key, SYS_request_key, SYS_keyctl, SYS_nfsservctl,
#ifdef __x86_64__
    SYS_iopl, SYS_ioperm, SYS_modify_ldt, SYS_uselib, SYS__sysctl,
#endif
};

/// What changes a file without opening it for writing: Landlock knows none of them. Mode and times are asked for instead.
static const int refused_with_landlock[] = {
    SYS_fchown, SYS_fchownat, SYS_setxattr, SYS_lsetxattr, SYS_fsetxattr, SYS_removexattr, SYS_lremovexattr, SYS_fremovexattr, SYS_truncate,
#ifdef SYS_chown
    SYS_chown, SYS_lchown, SYS_utime, SYS_utimes, SYS_futimesat,
#endif
};

/// Only streams of IPv4 and IPv6; no name server is asked, no service on this machine.
static void refuse_sockets(struct filter *filter) {
    const uint32_t no = SECCOMP_RET_ERRNO | EACCES;
    unsigned short began = begin(filter, SYS_socket);
    load_argument(filter, 0);
    put(filter, BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 2, 0);
    put(filter, BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 1, 0);
    result(filter, no);
    load_argument(filter, 1);
    put(filter, BPF_ALU | BPF_AND | BPF_K, 0xf, 0, 0);
    unless_equal(filter, SOCK_STREAM, no);
    load_argument(filter, 2);
    put(filter, BPF_JMP | BPF_JEQ | BPF_K, 0, 2, 0);
    put(filter, BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 1, 0);
    result(filter, no);
    end(filter, began);
    // A datagram of a pair may still be sent to any name.
    began = begin(filter, SYS_socketpair);
    load_argument(filter, 1);
    put(filter, BPF_ALU | BPF_AND | BPF_K, 0xf, 0, 0);
    if_equal(filter, SOCK_DGRAM, no);
    if_equal(filter, SOCK_RAW, no);
    end(filter, began);
    began = begin(filter, SYS_sendto);
    for (int half = 0; half < 2; half++) {
        load(filter, offsetof(struct seccomp_data, args) + 8 * 4 + 4 * (size_t)half);
        unless_equal(filter, 0, no);
    }
    load_argument(filter, 3);
    if_any_bit(filter, MSG_FASTOPEN, no);
    end(filter, began);
    // A connection without “connect”.
    int sending[][2] = {{SYS_sendmsg, 2}, {SYS_sendmmsg, 3}};
    for (int at = 0; at < 2; at++) {
        began = begin(filter, sending[at][0]);
        load_argument(filter, sending[at][1]);
        if_any_bit(filter, MSG_FASTOPEN, no);
        end(filter, began);
    }
}

/// What a program may do with itself and not with others.
static void refuse_others(struct filter *filter) {
    const uint32_t no = SECCOMP_RET_ERRNO | EPERM;
    int own[] = {SYS_prlimit64, SYS_sched_setaffinity, SYS_sched_setparam, SYS_sched_setscheduler, SYS_sched_setattr};
    for (size_t at = 0; at < sizeof own / sizeof *own; at++) {
        unsigned short began = begin(filter, own[at]);
        load_argument(filter, 0);
        unless_equal(filter, 0, no);
        end(filter, began);
    }
    unsigned short began = begin(filter, SYS_setpriority);
    load_argument(filter, 0);
    unless_equal(filter, 0, no);
    load_argument(filter, 1);
    unless_equal(filter, 0, no);
    end(filter, began);
    began = begin(filter, SYS_fcntl);
    load_argument(filter, 1);
    if_equal(filter, F_SETOWN, no);
    if_equal(filter, F_SETOWN_EX, no);
    // Whoever writes to the file would wait for its holder.
    if_equal(filter, F_SETLEASE, no);
    end(filter, began);
    began = begin(filter, SYS_ioctl);
    load_argument(filter, 1);
    // The last ones change attributes through a descriptor that only reads.
    uint32_t requests[] = {TIOCSTI, TIOCLINUX, FIOSETOWN, SIOCSPGRP, FS_IOC_SETFLAGS, FS_IOC32_SETFLAGS, FS_IOC_SETVERSION, FS_IOC_FSSETXATTR};
    for (size_t at = 0; at < sizeof requests / sizeof *requests; at++) if_equal(filter, requests[at], no);
    end(filter, began);
    began = begin(filter, SYS_personality);
    load_argument(filter, 0);
    put(filter, BPF_JMP | BPF_JEQ | BPF_K, 0xffffffff, 2, 0);
    put(filter, BPF_JMP | BPF_JEQ | BPF_K, PER_LINUX, 1, 0);
    result(filter, no);
    end(filter, began);
    began = begin(filter, SYS_clone);
    load_argument(filter, 0);
    if_any_bit(filter, (uint32_t)NAMESPACES, no);
    end(filter, began);
}

/// A file that is opened for reading and emptied: the right to empty is newer than Landlock.
static void refuse_emptying(struct filter *filter) {
    struct { int call, flags; } opening[] = {
        {SYS_openat, 2},
#ifdef SYS_open
        {SYS_open, 1},
#endif
    };
    for (size_t at = 0; at < sizeof opening / sizeof *opening; at++) {
        unsigned short began = begin(filter, opening[at].call);
        load_argument(filter, opening[at].flags);
        put(filter, BPF_ALU | BPF_AND | BPF_K, O_TRUNC | O_ACCMODE, 0, 0);
        if_equal(filter, O_TRUNC | O_RDONLY, SECCOMP_RET_ERRNO | EACCES);
        end(filter, began);
    }
}

void bailey_refused_calls(struct filter *filter, const struct spec *spec) {
    const uint32_t absent = SECCOMP_RET_ERRNO | ENOSYS;
    begin_filter(filter);
    // The second set of numbers of x86_64 (x32) lies above as well.
    put(filter, BPF_JMP | BPF_JGT | BPF_K, NEWEST_CALL, 0, 1);
    result(filter, absent);
    // Their arguments lie in memory; the C library goes back to the older ones.
    always(filter, SYS_clone3, absent);
    always(filter, SYS_openat2, absent);
    always(filter, 452 /* fchmodat2 */, absent);
    for (size_t at = 0; at < sizeof refused / sizeof *refused; at++) always(filter, refused[at], SECCOMP_RET_ERRNO | EPERM);
    if (!spec->bubblewrap) {
        for (size_t at = 0; at < sizeof refused_with_landlock / sizeof *refused_with_landlock; at++) {
            always(filter, refused_with_landlock[at], SECCOMP_RET_ERRNO | EPERM);
        }
        refuse_emptying(filter);
    }
    refuse_sockets(filter);
    refuse_others(filter);
    result(filter, SECCOMP_RET_ALLOW);
}
