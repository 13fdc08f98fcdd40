#define _GNU_SOURCE
#include "internal.h"

#include "guard.h"

#include <ctype.h>
#include <dirent.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/// A process as /proc has it.
struct process {
    int pid, parent, group, is_own;
    uint64_t tasks, ticks, memory;
};

static struct process *table;
static size_t count, room;

static int by_number(const void *a, const void *b) { return ((const struct process *)a)->pid - ((const struct process *)b)->pid; }

static struct process *find(int pid) {
    struct process wanted = {.pid = pid};
    return count ? bsearch(&wanted, table, count, sizeof wanted, by_number) : NULL;
}

static int read_process(const char *name, struct process *into) {
    char line[1024], state;
    const char *fields = bailey_process(name, line, sizeof line);
    unsigned long long user, system, children_user, children_system, pages;
    long tasks;
    if (fields == NULL) return 0;
    int found = sscanf(
        fields, " %c %d %d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu %*d %*d %ld %*d %*u %*u %llu", &state, &into->parent,
        &into->group, &user, &system, &children_user, &children_system, &tasks, &pages);
    if (found != 9) return 0;
    into->pid = atoi(name);
    into->tasks = state == 'Z' || state == 'X' ? 0 : (uint64_t)tasks;
    into->ticks = user + system + children_user + children_system;
    into->memory = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    into->is_own = -1;
    return 1;
}

static int stems(struct process *process, int depth) {
    if (process->is_own >= 0) return process->is_own;
    if (process->parent == getpid()) return process->is_own = 1;
    struct process *parent = process->parent > 1 && depth < 100000 ? find(process->parent) : NULL;
    return process->is_own = parent != NULL && stems(parent, depth + 1);
}

/// Reads one more process into the table; 0 if there is no room.
static int add(const char *name) {
    if (count == room) {
        size_t more = room ? room * 2 : 512;
        struct process *larger = realloc(table, more * sizeof *table);
        if (larger == NULL) return 0;
        table = larger;
        room = more;
    }
    if (read_process(name, &table[count])) count++;
    return 1;
}

/// Adds the children of a process, those of each of its threads; 0 if this kernel does not tell them.
static int add_children(int pid) {
    char path[64], name[16];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *threads = opendir(path);
    // It may just have ended.
    if (threads == NULL) return 1;
    int is_told = 1;
    for (struct dirent *entry; is_told && (entry = readdir(threads)) != NULL;) {
        if (!isdigit((unsigned char)entry->d_name[0])) continue;
        char file_path[300];
        snprintf(file_path, sizeof file_path, "/proc/%d/task/%s/children", pid, entry->d_name);
        FILE *file = fopen(file_path, "re");
        if (file == NULL) {
            is_told = access(path, F_OK) != 0;
            continue;
        }
        for (int child; fscanf(file, "%d", &child) == 1;) {
            snprintf(name, sizeof name, "%d", child);
            if (!add(name)) break;
        }
        fclose(file);
    }
    closedir(threads);
    return is_told;
}

/// Reads those processes anew that stem from this one. What is just being made or ending may be missing; 0 if the kernel does not tell.
static int look_below(void) {
    count = 0;
    if (!add_children(getpid())) return 0;
    for (size_t at = 0; at < count; at++) {
        if (!add_children(table[at].pid)) return 0;
        table[at].is_own = 1;
    }
    qsort(table, count, sizeof *table, by_number);
    return 1;
}

/// Reads all processes anew.
static void look(void) {
    DIR *processes = opendir("/proc");
    count = 0;
    if (processes == NULL) return;
    for (struct dirent *entry; (entry = readdir(processes)) != NULL;) {
        if (isdigit((unsigned char)entry->d_name[0]) && !add(entry->d_name)) break;
    }
    closedir(processes);
    qsort(table, count, sizeof *table, by_number);
    for (size_t at = 0; at < count; at++) stems(&table[at], 0);
}

/// What a process has in memory, what it shares with others in proportion; `otherwise` where the kernel does not say.
static uint64_t proportional(int pid, uint64_t otherwise) {
    char path[64], line[256];
    unsigned long long kilobytes;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) return otherwise;
    uint64_t found = otherwise;
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "Pss: %llu kB", &kilobytes) == 1) found = kilobytes * 1024;
    }
    fclose(file);
    return found;
}

struct taken bailey_taken(void) {
    struct taken taken = {0, 0, 0};
    struct rusage ended;
    if (!look_below()) look();
    uint64_t ticks = 0;
    for (size_t at = 0; at < count; at++) {
        if (!table[at].is_own) continue;
        taken.tasks += table[at].tasks;
        taken.memory += table[at].memory;
        ticks += table[at].ticks;
    }
    taken.cpu = ticks / (uint64_t)sysconf(_SC_CLK_TCK);
    if (getrusage(RUSAGE_CHILDREN, &ended) == 0) taken.cpu += (uint64_t)(ended.ru_utime.tv_sec + ended.ru_stime.tv_sec);
    return taken;
}

uint64_t bailey_exact_memory(void) {
    uint64_t sum = 0;
    for (size_t at = 0; at < count; at++) {
        if (table[at].is_own) sum += proportional(table[at].pid, table[at].memory);
    }
    return sum;
}

int bailey_is_own(pid_t pid) {
    struct process *found = look_below() ? find(pid) : NULL;
    if (found != NULL) return 1;
    look();
    found = find(pid);
    return found != NULL && found->is_own;
}

int bailey_is_own_group(pid_t group) {
    int any = 0;
    look();
    for (size_t at = 0; at < count; at++) {
        if (table[at].group != group) continue;
        if (!table[at].is_own) return 0;
        any = 1;
    }
    return any;
}

int bailey_is_full(const char *folder, uint64_t most, uint64_t entries, uint64_t *found) {
    char *const roots[] = {(char *)folder, NULL};
    uint64_t bytes = 0, files = 0;
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (walk == NULL) return 0;
    for (FTSENT *entry; bytes <= most && files <= entries && (entry = fts_read(walk)) != NULL;) {
        if (entry->fts_info == FTS_DP || entry->fts_statp == NULL) continue;
        files++;
        bytes += (uint64_t)entry->fts_statp->st_blocks * 512;
    }
    fts_close(walk);
    *found = bytes;
    return bytes > most || files > entries;
}

int64_t bailey_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
