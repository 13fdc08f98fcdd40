#define _GNU_SOURCE
#include "internal.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/// The wall's folder; empty where there is none.
static char wall[PATH_MAX];
static int is_first_version;

static int write_file(const char *folder, const char *name, const char *text) {
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) return 0;
    ssize_t done = write(file, text, strlen(text));
    close(file);
    return done == (ssize_t)strlen(text);
}

/// Whether a list, separated by a character, has a word.
static int has_word(const char *list, const char *word, char separator) {
    size_t length = strlen(word);
    for (const char *at = list; (at = strstr(at, word)) != NULL; at += length) {
        int begins = at == list || at[-1] == separator;
        if (begins && (at[length] == separator || at[length] == 0 || at[length] == '\n')) return 1;
    }
    return 0;
}

/// Where this process is in the hierarchy that counts memory, as the kernel names it; 0 if there is none.
static int own_group(int first_version, char *into, size_t room) {
    char line[PATH_MAX + 128];
    FILE *file = fopen("/proc/self/cgroup", "re");
    int found = 0;
    if (file == NULL) return 0;
    while (!found && fgets(line, sizeof line, file) != NULL) {
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (path == NULL) continue;
        *path++ = 0;
        path[strcspn(path, "\n")] = 0;
        if (first_version ? !has_word(controllers + 1, "memory", ',') : controllers[1] != 0) continue;
        found = snprintf(into, room, "%s", path) < (int)room;
    }
    fclose(file);
    return found;
}

/// The folder of a group, by where its hierarchy is mounted; 0 if it is not.
static int folder_of(int first_version, const char *group, char *into, size_t room) {
    char line[2 * PATH_MAX], root[PATH_MAX], place[PATH_MAX];
    FILE *file = fopen("/proc/self/mountinfo", "re");
    int found = 0;
    if (file == NULL) return 0;
    while (!found && fgets(line, sizeof line, file) != NULL) {
        char *kind = strstr(line, " - ");
        if (kind == NULL || sscanf(line, "%*d %*d %*s %4095s %4095s", root, place) != 2) continue;
        if (strncmp(kind, first_version ? " - cgroup " : " - cgroup2 ", first_version ? 10 : 11) != 0) continue;
        const char *options = strrchr(kind, ' ');
        if (first_version && !has_word(options + 1, "memory", ',')) continue;
        size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);
        // What was mounted from further down begins there.
        if (strncmp(group, root, length) != 0 || (group[length] != '/' && group[length] != 0)) continue;
        found = snprintf(into, room, "%s%s", place, strcmp(group + length, "/") == 0 ? "" : group + length) < (int)room;
    }
    fclose(file);
    return found;
}

/// Takes away what processes left that were killed themselves.
static void sweep(const char *folder) {
    DIR *groups = opendir(folder);
    if (groups == NULL) return;
    for (struct dirent *entry; (entry = readdir(groups)) != NULL;) {
        if (strncmp(entry->d_name, "bailey-", 7) != 0 || !isdigit((unsigned char)entry->d_name[7])) continue;
        if (kill((pid_t)atoi(entry->d_name + 7), 0) != 0 && errno == ESRCH) unlinkat(dirfd(groups), entry->d_name, AT_REMOVEDIR);
    }
    closedir(groups);
}

static int make_in(const char *folder, uint64_t most) {
    char number[32];
    sweep(folder);
    if (snprintf(wall, sizeof wall, "%s/bailey-%d", folder, (int)getpid()) >= (int)sizeof wall) return wall[0] = 0;
    if (mkdir(wall, 0755) != 0) return wall[0] = 0;
    snprintf(number, sizeof number, "%llu", (unsigned long long)most);
    if (!write_file(wall, is_first_version ? "memory.limit_in_bytes" : "memory.max", number)) {
        rmdir(wall);
        return wall[0] = 0;
    }
    // Where there is no swap, nothing of this is there to be written.
    write_file(wall, is_first_version ? "memory.memsw.limit_in_bytes" : "memory.swap.max", is_first_version ? number : "0");
    if (!is_first_version) write_file(wall, "memory.oom.group", "1");
    return 1;
}

/// Whether groups below one have their memory counted.
static int counts_memory(const char *folder) {
    char path[PATH_MAX + 64], line[512] = "";
    snprintf(path, sizeof path, "%s/cgroup.subtree_control", folder);
    FILE *file = fopen(path, "re");
    if (file == NULL) return 0;
    char *read = fgets(line, sizeof line, file);
    fclose(file);
    return read != NULL && has_word(line, "memory", ' ');
}

void bailey_make_wall(uint64_t memory) {
    char group[PATH_MAX], folder[PATH_MAX];
    // What the kernel counts beside the pages (its tables, files that it has not written yet) is not the program's.
    uint64_t most = memory + memory / 8 + (16 << 20);
    is_first_version = 1;
    if (own_group(1, group, sizeof group) && folder_of(1, group, folder, sizeof folder) && make_in(folder, most)) return;
    is_first_version = 0;
    if (!own_group(0, group, sizeof group)) return;
    // In the second version, groups with processes of their own have none below them whose memory is counted: beside it, then.
    for (int step = 0; step < 2; step++) {
        if (folder_of(0, group, folder, sizeof folder) && counts_memory(folder) && make_in(folder, most)) return;
        char *last = strrchr(group, '/');
        if (last == NULL || last == group) return;
        *last = 0;
    }
}

void bailey_enter_wall(void) {
    if (wall[0]) write_file(wall, "cgroup.procs", "0");
}

int bailey_is_wall_hit(void) {
    char path[PATH_MAX + 64], line[128];
    unsigned long long kills = 0;
    if (!wall[0]) return 0;
    snprintf(path, sizeof path, "%s/%s", wall, is_first_version ? "memory.oom_control" : "memory.events");
    FILE *file = fopen(path, "re");
    if (file == NULL) return 0;
    while (kills == 0 && fgets(line, sizeof line, file) != NULL) sscanf(line, "oom_kill %llu", &kills);
    fclose(file);
    return kills > 0;
}

void bailey_remove_wall(void) {
    if (wall[0]) rmdir(wall);
}
