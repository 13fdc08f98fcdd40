#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST_REFUSALS 200

static int refusals;

int bailey_read_memory(pid_t pid, uint64_t address, void *into, size_t length) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
    int memory = open(path, O_RDONLY | O_CLOEXEC);
    if (memory < 0) return -1;
    ssize_t got = pread(memory, into, length, (off_t)address);
    close(memory);
    return (int)got;
}

int bailey_read_text(pid_t pid, uint64_t address, char *into, size_t room) {
    size_t length = 0;
    // In pieces that end with a page: what follows may not be there.
    while (length < room - 1) {
        size_t piece = 4096 - (address + length) % 4096;
        if (piece > room - 1 - length) piece = room - 1 - length;
        int got = bailey_read_memory(pid, address + length, into + length, piece);
        if (got <= 0) return 0;
        if (memchr(into + length, 0, (size_t)got)) return 1;
        length += (size_t)got;
    }
    return 0;
}

void bailey_respond(int listener, uint64_t call, int64_t value, int error, uint32_t flags) {
    struct seccomp_notif_resp answer = {.id = call, .val = value, .error = error, .flags = flags};
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

int bailey_is_valid(int listener, uint64_t call) { return ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &call) == 0; }

void bailey_refuse(const struct spec *spec, const char *what) {
    if (refusals++ < MOST_REFUSALS) fprintf(spec->report, "refused\t%s\n", what);
}

int bailey_is_within(const struct spec *spec, int place) {
    char self[64], real[PATH_MAX];
    snprintf(self, sizeof self, "/proc/self/fd/%d", place);
    ssize_t length = readlink(self, real, sizeof real - 1);
    size_t within = strlen(spec->scratch);
    if (length > 0) real[length] = 0;
    return length >= (ssize_t)within && strncmp(real, spec->scratch, within) == 0 && (real[within] == '/' || real[within] == 0);
}
