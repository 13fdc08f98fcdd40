#define _GNU_SOURCE
#include "internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MOST_PENDING 64

/// A connection that is being made for a call that waits for it.
struct pending {
    int socket, descriptor, flags;
    uint64_t call;
};

static struct pending pending[MOST_PENDING];
static int pending_count;
static uint64_t tasks_at_most;
static int64_t looked_in_vain;
static unsigned starts;

static int same(const struct sockaddr_storage *a, const struct sockaddr_storage *b) {
    if (a->ss_family != b->ss_family) return 0;
    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *x = (const void *)a, *y = (const void *)b;
        return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
    }
    const struct sockaddr_in6 *x = (const void *)a, *y = (const void *)b;
    return x->sin6_port == y->sin6_port && memcmp(&x->sin6_addr, &y->sin6_addr, 16) == 0;
}

/// The flags of a descriptor of the program's; −1 if it is none.
static int descriptor_flags(pid_t pid, int descriptor) {
    char path[64], line[128];
    int flags = -1;
    snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", (int)pid, descriptor);
    FILE *file = fopen(path, "re");
    if (file == NULL) return -1;
    while (fgets(line, sizeof line, file) != NULL) {
        unsigned found;
        if (sscanf(line, "flags: %o", &found) == 1) flags = (int)found;
    }
    fclose(file);
    return flags;
}

/// Puts a socket in the place of one of the program's.
static int give(int listener, uint64_t call, int socket, int descriptor, int flags) {
    struct seccomp_notif_addfd gift = {
        .id = call,
        .flags = SECCOMP_ADDFD_FLAG_SETFD,
        .srcfd = (uint32_t)socket,
        .newfd = (uint32_t)descriptor,
        .newfd_flags = (uint32_t)(flags & O_CLOEXEC),
    };
    return ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &gift) < 0 ? -1 : 0;
}

static void connect_for(int listener, const struct spec *spec, struct seccomp_notif *call) {
    struct sockaddr_storage wanted;
    memset(&wanted, 0, sizeof wanted);
    size_t length = (size_t)call->data.args[2] < sizeof wanted ? (size_t)call->data.args[2] : sizeof wanted;
    if (length < 2 || bailey_read_memory((pid_t)call->pid, call->data.args[1], &wanted, length) < 2 || !bailey_is_valid(listener, call->id)) {
        return bailey_respond(listener, call->id, 0, -EFAULT, 0);
    }
    char host[INET6_ADDRSTRLEN] = "?", what[INET6_ADDRSTRLEN + 64];
    const struct sockaddr_in *four = (const void *)&wanted;
    const struct sockaddr_in6 *six = (const void *)&wanted;
    if (wanted.ss_family == AF_INET) {
        inet_ntop(AF_INET, &four->sin_addr, host, sizeof host);
        snprintf(what, sizeof what, "connect %s:%d", host, ntohs(four->sin_port));
    } else if (wanted.ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof host);
        snprintf(what, sizeof what, "connect [%s]:%d", host, ntohs(six->sin6_port));
    } else {
        return bailey_respond(listener, call->id, 0, -EACCES, 0);
    }
    const struct place *place = NULL;
    for (int at = 0; at < spec->place_count && place == NULL; at++) {
        if (same(&wanted, &spec->places[at].address)) place = &spec->places[at];
    }
    if (place == NULL) {
        bailey_refuse(spec, what);
        return bailey_respond(listener, call->id, 0, -EACCES, 0);
    }
    int descriptor = (int)call->data.args[0];
    int flags = descriptor_flags((pid_t)call->pid, descriptor);
    if (flags < 0) return bailey_respond(listener, call->id, 0, -EBADF, 0);
    if (pending_count == MOST_PENDING) return bailey_respond(listener, call->id, 0, -EAGAIN, 0);
    int made = socket(place->leads_to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (made < 0) return bailey_respond(listener, call->id, 0, -errno, 0);
    socklen_t size = place->leads_to.ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    int error = connect(made, (const struct sockaddr *)&place->leads_to, size) == 0 ? 0 : errno;
    if (error == EINPROGRESS && !(flags & O_NONBLOCK)) {
        pending[pending_count++] = (struct pending){made, descriptor, flags, call->id};
        return;
    }
    if (error == 0 || error == EINPROGRESS) {
        if (!(flags & O_NONBLOCK)) fcntl(made, F_SETFL, 0);
        if (give(listener, call->id, made, descriptor, flags) < 0) error = EACCES;
    }
    close(made);
    bailey_respond(listener, call->id, 0, -error, 0);
}

unsigned bailey_starts(void) { return starts; }

int bailey_pending(int *descriptors, int most) {
    int count = pending_count < most ? pending_count : most;
    for (int at = 0; at < count; at++) descriptors[at] = pending[at].socket;
    return count;
}

void bailey_settle(int listener) {
    for (int at = pending_count - 1; at >= 0; at--) {
        struct pending *one = &pending[at];
        struct sockaddr_storage peer;
        socklen_t size = sizeof peer, error_size = sizeof(int);
        int error = 0;
        getsockopt(one->socket, SOL_SOCKET, SO_ERROR, &error, &error_size);
        int is_connected = error == 0 && getpeername(one->socket, (struct sockaddr *)&peer, &size) == 0;
        int is_gone = !bailey_is_valid(listener, one->call);
        if (error == 0 && !is_connected && !is_gone) continue;
        if (is_connected && !is_gone) {
            fcntl(one->socket, F_SETFL, 0);
            if (give(listener, one->call, one->socket, one->descriptor, one->flags) < 0) error = EACCES;
        }
        bailey_respond(listener, one->call, 0, -error, 0);
        close(one->socket);
        *one = pending[--pending_count];
    }
}

/// Lets a process be made where there may be one more.
static void start_for(int listener, const struct spec *spec, uint64_t call) {
    if (tasks_at_most >= spec->processes) {
        // A bomb asks without an end: it is not looked each time.
        if (bailey_now() - looked_in_vain >= 20) {
            tasks_at_most = bailey_taken().tasks;
            if (tasks_at_most >= spec->processes) looked_in_vain = bailey_now();
        }
        if (tasks_at_most >= spec->processes) {
            bailey_refuse(spec, "process");
            return bailey_respond(listener, call, 0, -EAGAIN, 0);
        }
    }
    tasks_at_most++;
    starts++;
    bailey_respond(listener, call, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

static void signal_for(int listener, const struct spec *spec, struct seccomp_notif *call) {
    int target = (int)call->data.args[0];
    // A number of its own needs no look: its threads, and itself, are most of what is signalled.
    int is_own = target > 0 ? target == (int)call->pid || bailey_is_own(target)
        : target == 0        ? 1
        : target == -1       ? 0
                             : bailey_is_own_group(-target);
    if (is_own) return bailey_respond(listener, call->id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
    bailey_refuse(spec, "signal");
    bailey_respond(listener, call->id, 0, -EPERM, 0);
}

/// Opens, without following where it must not, what a call names, if it lies in the scratch folder; −1 with errno.
static int open_named(const struct spec *spec, pid_t pid, int has_folder, int folder, uint64_t name, int flags) {
    char place[64], text[PATH_MAX] = "";
    int own;
    if (has_folder && name == 0) {
        snprintf(place, sizeof place, "/proc/%d/fd/%d", (int)pid, folder);
        own = open(place, O_PATH | O_CLOEXEC);
    } else {
        if (!bailey_read_text(pid, name, text, sizeof text)) return errno = EFAULT, -1;
        if (!has_folder || folder == AT_FDCWD) snprintf(place, sizeof place, "/proc/%d/cwd", (int)pid);
        else snprintf(place, sizeof place, "/proc/%d/fd/%d", (int)pid, folder);
        int base = open(place, O_PATH | O_CLOEXEC);
        if (base < 0) return -1;
        own = openat(base, text, O_PATH | O_CLOEXEC | (flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0));
        int error = errno;
        close(base);
        errno = error;
    }
    if (own < 0) return -1;
    if (!bailey_is_within(spec, own)) {
        close(own);
        return errno = EPERM, -1;
    }
    return own;
}

/// Changes the mode or the times of what lies in the scratch folder, in the program's stead.
static void change_for(int listener, const struct spec *spec, struct seccomp_notif *call) {
    const uint64_t *given = (const uint64_t *)call->data.args;
    pid_t pid = (pid_t)call->pid;
    struct timespec times[2];
    char self[64];
    int own, is_time = 0;
    mode_t mode = 0;
    switch (call->data.nr) {
    case SYS_fchmod: own = open_named(spec, pid, 1, (int)given[0], 0, 0); mode = (mode_t)given[1]; break;
    case SYS_fchmodat: own = open_named(spec, pid, 1, (int)given[0], given[1], 0); mode = (mode_t)given[2]; break;
#ifdef SYS_chmod
    case SYS_chmod: own = open_named(spec, pid, 0, 0, given[0], 0); mode = (mode_t)given[1]; break;
#endif
    default:
        own = open_named(spec, pid, 1, (int)given[0], given[1], (int)given[3]);
        is_time = 1;
        if (own >= 0 && given[2] != 0 && bailey_read_memory(pid, given[2], times, sizeof times) != sizeof times) {
            close(own);
            own = -1;
            errno = EFAULT;
        }
    }
    if (own < 0) {
        int error = errno;
        if (error == EPERM) bailey_refuse(spec, is_time ? "times of a file outside" : "mode of a file outside");
        return bailey_respond(listener, call->id, 0, -error, 0);
    }
    snprintf(self, sizeof self, "/proc/self/fd/%d", own);
    // Nobody becomes another by what a sandbox leaves behind.
    int done = is_time ? utimensat(AT_FDCWD, self, given[2] ? times : NULL, 0) : chmod(self, mode & 01777);
    int error = done < 0 ? errno : 0;
    close(own);
    bailey_respond(listener, call->id, 0, -error, 0);
}

void bailey_answer(int listener, const struct spec *spec) {
    union {
        struct seccomp_notif call;
        char room[1024];
    } heard;
    memset(&heard, 0, sizeof heard);
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &heard.call) != 0) return;
    struct seccomp_notif *call = &heard.call;
    switch (call->data.nr) {
    case SYS_connect: connect_for(listener, spec, call); break;
#ifdef SYS_fork
    case SYS_fork:
    case SYS_vfork:
#endif
    case SYS_clone: start_for(listener, spec, call->id); break;
    case SYS_kill:
    case SYS_tkill:
    case SYS_tgkill:
    case SYS_rt_sigqueueinfo:
    case SYS_rt_tgsigqueueinfo: signal_for(listener, spec, call); break;
#ifdef SYS_open
    case SYS_open:
#endif
#ifdef SYS_creat
    case SYS_creat:
#endif
    case SYS_openat: bailey_answer_opening(listener, spec, call); break;
    case SYS_flock: bailey_answer_lock(listener, spec, call); break;
    default: change_for(listener, spec, call); break;
    }
}
