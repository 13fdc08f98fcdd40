#define _GNU_SOURCE
#include "guard.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/// How often it is looked whether the parent is there still, in nanoseconds.
#define LOOK_EVERY 200000000L

const char *bailey_process(const char *pid, char *line, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) return NULL;
    size_t length = fread(line, 1, size - 1, file);
    fclose(file);
    line[length] = 0;
    // The name between parentheses may hold anything.
    char *end = strrchr(line, ')');
    return end == NULL ? NULL : end + 1;
}

/// The parent of a process as /proc has it; 0 if it is gone or a zombie.
static pid_t parent_of(const char *pid) {
    char line[1024], state;
    int parent;
    const char *fields = bailey_process(pid, line, sizeof line);
    if (fields == NULL || sscanf(fields, " %c %d", &state, &parent) != 2) return 0;
    return state == 'Z' || state == 'X' ? 0 : parent;
}

/// Whether one process stems from another.
static int stems_from(pid_t pid, pid_t ancestor) {
    char name[16];
    for (int depth = 0; pid > 1 && depth < 10000; depth++) {
        snprintf(name, sizeof name, "%d", pid);
        pid = parent_of(name);
        if (pid == ancestor) return 1;
    }
    return 0;
}

/// Kills what stems from this process and runs.
static void kill_descendants(void) {
    DIR *processes = opendir("/proc");
    if (processes == NULL) return;
    for (struct dirent *entry; (entry = readdir(processes)) != NULL;) {
        if (!isdigit((unsigned char)entry->d_name[0])) continue;
        pid_t pid = (pid_t)atoi(entry->d_name);
        if (parent_of(entry->d_name) == 0 || !stems_from(pid, getpid())) continue;
        // Stopped first, it starts nothing more while the others are looked for.
        kill(pid, SIGSTOP);
        kill(pid, SIGKILL);
    }
    closedir(processes);
}

void bailey_end_all(void) {
    struct timespec pause = {.tv_nsec = 5000000};
    // What one look misses because it was just being started, the next one finds.
    for (int round = 0; round < 400; round++) {
        pid_t ended;
        while ((ended = waitpid(-1, NULL, WNOHANG)) > 0) {}
        // Without a child there is nobody: orphans would be one.
        if (ended < 0 && errno == ECHILD) return;
        kill_descendants();
        nanosleep(&pause, NULL);
    }
}

_Noreturn void bailey_guard(int parent, char *const words[]) {
    sigset_t watched, before;
    sigemptyset(&watched);
    for (int at = 0, list[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP}; at < 4; at++) sigaddset(&watched, list[at]);
    sigprocmask(SIG_BLOCK, &watched, &before);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);

    pid_t child = fork();
    if (child < 0) {
        fprintf(stderr, "bailey-guard: %s could not be run: %s\n", words[0], strerror(errno));
        _exit(127);
    }
    if (child == 0) {
        // Should the guard itself be killed, the program is at least not left alone.
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        signal(SIGPIPE, SIG_DFL);
        sigprocmask(SIG_SETMASK, &before, NULL);
        execvp(words[0], words);
        fprintf(stderr, "bailey-guard: %s could not be run: %s\n", words[0], strerror(errno));
        _exit(127);
    }
    // The other end of the program's pipes is the program's alone, so that its reader sees when it closes them.
    for (int descriptor = 0; descriptor <= 2; descriptor++) close(descriptor);

    struct timespec look = {.tv_nsec = LOOK_EVERY};
    for (;;) {
        int told = sigtimedwait(&watched, NULL, &look);
        if (getppid() != parent || told == SIGTERM || told == SIGINT || told == SIGHUP) {
            bailey_end_all();
            _exit(128 + SIGTERM);
        }
        int status;
        pid_t ended;
        while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
            if (ended != child) continue;
            if (WIFEXITED(status)) _exit(WEXITSTATUS(status));
            struct rlimit none = {0, 0};
            setrlimit(RLIMIT_CORE, &none);
            signal(WTERMSIG(status), SIG_DFL);
            sigprocmask(SIG_SETMASK, &before, NULL);
            raise(WTERMSIG(status));
            _exit(128 + WTERMSIG(status));
        }
    }
}
