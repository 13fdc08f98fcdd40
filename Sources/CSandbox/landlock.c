#define _GNU_SOURCE
#include "internal.h"
#include "sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Spelled out: headers are often older than the kernel.
#define FS_EXECUTE (1ULL << 0)
#define FS_READ_FILE (1ULL << 2)
#define FS_READ_DIR (1ULL << 3)
#define FS_WRITE_FILE (1ULL << 1)
#define FS_TRUNCATE (1ULL << 14)
#define FS_IOCTL_DEV (1ULL << 15)
#define FS_MAKE_CHAR (1ULL << 6)
#define FS_MAKE_SOCK (1ULL << 9)
#define FS_MAKE_BLOCK (1ULL << 11)
#define READING (FS_EXECUTE | FS_READ_FILE | FS_READ_DIR)

struct ruleset {
    uint64_t fs, net, scoped;
};
struct rule {
    uint64_t access;
    int32_t parent;
} __attribute__((packed));

int bailey_landlock_version(void) {
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
    return version < 0 ? 0 : (int)version;
}

int bailey_can_answer_calls(void) {
    struct seccomp_notif_sizes sizes;
    return syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) == 0;
}

/// Lets what lies at a path be used so; what is not there needs no rule.
static void allow(int ruleset, const char *path, uint64_t access) {
    int place = open(path, O_PATH | O_CLOEXEC);
    if (place < 0) return;
    struct stat status;
    if (fstat(place, &status) == 0) {
        if (!S_ISDIR(status.st_mode)) access &= FS_EXECUTE | FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE | FS_IOCTL_DEV;
        struct rule rule = {access, place};
        syscall(SYS_landlock_add_rule, ruleset, 1 /* PATH_BENEATH */, &rule, 0);
    }
    close(place);
}

int bailey_ruleset(const struct spec *spec) {
    int version = bailey_landlock_version();
    if (version > spec->version) version = spec->version;
    if (version < 1) return -1;
    uint64_t all = (1ULL << 13) - 1;
    if (version >= 2) all |= 1ULL << 13;
    if (version >= 3) all |= FS_TRUNCATE;
    if (version >= 5) all |= FS_IOCTL_DEV;
    // From 4 on no TCP, from 6 on no abstract sockets and signals: a second bar behind the filter of calls.
    struct ruleset what = {all, version >= 4 ? 3 : 0, version >= 6 ? 3 : 0};
    size_t size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &what, size, 0);
    if (ruleset < 0) return -1;

    DIR *root = opendir("/");
    if (root == NULL) return -1;
    for (struct dirent *entry; (entry = readdir(root)) != NULL;) {
        char path[300];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (strcmp(entry->d_name, "proc") == 0 || strcmp(entry->d_name, "dev") == 0) continue;
        snprintf(path, sizeof path, "/%s", entry->d_name);
        // A link is no place of its own, and may lead to one of the two.
        struct stat status;
        if (lstat(path, &status) != 0 || S_ISLNK(status.st_mode)) continue;
        allow(ruleset, path, READING);
    }
    closedir(root);
    const char *devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"};
    for (int at = 0; at < 5; at++) allow(ruleset, devices[at], FS_READ_FILE | FS_WRITE_FILE | (version >= 3 ? FS_TRUNCATE : 0));
    const char *plain[] = {"cpuinfo", "meminfo", "stat", "filesystems", "version", "uptime", "loadavg", "sys"};
    char path[64];
    for (int at = 0; at < 8; at++) {
        snprintf(path, sizeof path, "/proc/%s", plain[at]);
        allow(ruleset, path, FS_READ_FILE | FS_READ_DIR);
    }
    snprintf(path, sizeof path, "/proc/%d", (int)getpid());
    allow(ruleset, path, FS_READ_FILE | FS_READ_DIR);
    allow(ruleset, spec->scratch, all & ~(FS_MAKE_CHAR | FS_MAKE_BLOCK | FS_MAKE_SOCK | FS_IOCTL_DEV));
    return ruleset;
}

int bailey_restrict(int ruleset) { return (int)syscall(SYS_landlock_restrict_self, ruleset, 0); }
