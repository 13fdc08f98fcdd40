#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/// Gives the names that the sandbox knows in place of the machine's; whether it was those that are asked for.
static int give_hosts(int listener, const struct spec *spec, struct seccomp_notif *call, uint64_t name) {
    char text[16];
    memset(text, 0, sizeof text);
    int got = bailey_read_memory((pid_t)call->pid, name, text, sizeof "/etc/hosts");
    if (got != sizeof "/etc/hosts" || strcmp(text, "/etc/hosts") != 0) return 0;
    int file = open(spec->hosts, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    struct seccomp_notif_addfd gift = {.id = call->id, .srcfd = (uint32_t)file, .newfd_flags = O_CLOEXEC};
    int given = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &gift);
    close(file);
    if (given < 0) return 0;
    bailey_respond(listener, call->id, given, 0, 0);
    return 1;
}

/// The number of a descriptor that a name stands for; −1 if it is the name of something else.
static int descriptor_of(const char *text) {
    const char *streams[] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
    int number = -1;
    for (int at = 0; at < 3; at++) {
        if (strcmp(text, streams[at]) == 0) return at;
    }
    if (sscanf(text, "/dev/fd/%d", &number) == 1 || sscanf(text, "/proc/self/fd/%d", &number) == 1) return number;
    return -1;
}

/// Opens what a name stands for to the program, to look at it; −1 if nothing is there.
static int look_at(pid_t pid, int folder, const char *text) {
    char place[64];
    int number = descriptor_of(text);
    if (number >= 0) {
        snprintf(place, sizeof place, "/proc/%d/fd/%d", (int)pid, number);
        return open(place, O_PATH | O_CLOEXEC);
    }
    if (text[0] == '/') snprintf(place, sizeof place, "/proc/%d/root", (int)pid);
    else if (folder == AT_FDCWD) snprintf(place, sizeof place, "/proc/%d/cwd", (int)pid);
    else snprintf(place, sizeof place, "/proc/%d/fd/%d", (int)pid, folder);
    int base = open(place, O_PATH | O_CLOEXEC);
    if (base < 0) return -1;
    text += strspn(text, "/");
    int found = openat(base, *text ? text : ".", O_PATH | O_CLOEXEC);
    close(base);
    return found;
}

/// Whether a name is that of a pipe outside of the folder: to write to it is to tell somebody something, and a mount that is read-only lets it.
static int is_pipe_outside(const struct spec *spec, pid_t pid, int folder, const char *text) {
    char self[64], real[2] = "";
    struct stat status;
    int found = look_at(pid, folder, text);
    if (found < 0) return 0;
    snprintf(self, sizeof self, "/proc/self/fd/%d", found);
    // One without a name is the program's own.
    int is_named = readlink(self, real, 1) == 1 && real[0] == '/';
    int is_pipe = fstat(found, &status) == 0 && S_ISFIFO(status.st_mode);
    int is_outside = is_pipe && is_named && !bailey_is_within(spec, found);
    close(found);
    return is_outside;
}

void bailey_answer_opening(int listener, const struct spec *spec, struct seccomp_notif *call) {
    const uint64_t *given = (const uint64_t *)call->data.args;
    int has_folder = call->data.nr == SYS_openat;
    int flags = (int)given[has_folder ? 2 : 1];
#ifdef SYS_creat
    if (call->data.nr == SYS_creat) flags = O_WRONLY;
#endif
    if (spec->hosts && give_hosts(listener, spec, call, given[has_folder])) return;
    // Landlock refuses it by itself.
    if (spec->bubblewrap && (flags & O_ACCMODE) != O_RDONLY) {
        char text[PATH_MAX];
        int folder = has_folder ? (int)given[0] : AT_FDCWD;
        if (bailey_read_text((pid_t)call->pid, given[has_folder], text, sizeof text) &&
            is_pipe_outside(spec, (pid_t)call->pid, folder, text)) {
            bailey_refuse(spec, "writing to a pipe outside");
            return bailey_respond(listener, call->id, 0, -EACCES, 0);
        }
    }
    bailey_respond(listener, call->id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

void bailey_answer_lock(int listener, const struct spec *spec, struct seccomp_notif *call) {
    char place[64], self[64], real[2] = "";
    snprintf(place, sizeof place, "/proc/%d/fd/%d", (int)call->pid, (int)call->data.args[0]);
    int found = open(place, O_PATH | O_CLOEXEC);
    snprintf(self, sizeof self, "/proc/self/fd/%d", found);
    int is_named = found >= 0 && readlink(self, real, 1) == 1 && real[0] == '/';
    int is_outside = is_named && !bailey_is_within(spec, found);
    if (found >= 0) close(found);
    if (is_outside) {
        bailey_refuse(spec, "lock of a file outside");
        return bailey_respond(listener, call->id, 0, -EACCES, 0);
    }
    bailey_respond(listener, call->id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}
