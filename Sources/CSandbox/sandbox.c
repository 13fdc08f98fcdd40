#define _GNU_SOURCE
#include "sandbox.h"
#include "guard.h"
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/// `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`; headers are often older than the kernel.
#define WAIT_KILLABLE (1U << 5)
#define MOST_FILES 20000
/// What the folders themselves take of the disk.
#define FOLDERS (64 << 10)
/// How often it is looked what the processes take, and what lies in the folder, in milliseconds; a look takes at most a tenth of the time.
#define LOOK_EVERY 50
#define LOOK_AT_DISK_EVERY 20

static _Noreturn void give_up(const char *what) {
    fprintf(stderr, "bailey-guard: the sandbox: %s: %s\n", what, strerror(errno));
    _exit(127);
}

static int load(const struct filter *filter, unsigned flags) {
    struct sock_fprog program = {filter->length, (struct sock_filter *)filter->code};
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static void send_descriptor(int socket, int descriptor) {
    char byte = 0;
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    memset(&control, 0, sizeof control);
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
    if (sendmsg(socket, &message, 0) != 1) give_up("its calls are told to nobody");
}

/// The listener; −1 if the other end was closed without one.
static int receive_descriptor(int socket) {
    char byte;
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t got;
    do got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    struct cmsghdr *header = got == 1 ? CMSG_FIRSTHDR(&message) : NULL;
    if (header == NULL || header->cmsg_type != SCM_RIGHTS) return -1;
    int descriptor;
    memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
    return descriptor;
}

static void limit(int resource, uint64_t value, uint64_t most) {
    struct rlimit now, wanted = {value, most};
    // What is less already stays so.
    if (getrlimit(resource, &now) == 0) {
        if (now.rlim_max < wanted.rlim_max) wanted.rlim_max = now.rlim_max;
        if (now.rlim_max < wanted.rlim_cur) wanted.rlim_cur = now.rlim_max;
    }
    if (setrlimit(resource, &wanted) != 0) give_up("a limit cannot be set");
}

/// Takes all rights of the system's first user, now and for what is run.
static void drop_rights(void) {
    for (int right = 0; right < 64; right++) prctl(PR_CAPBSET_DROP, right, 0, 0, 0);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2];
    memset(none, 0, sizeof none);
    if (syscall(SYS_capset, &header, none) != 0) give_up("its rights cannot be taken away");
    // The system's first user gets them back with the next program where the bounding set could not be emptied.
    if (geteuid() == 0 && prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) == 1) {
        errno = EPERM;
        give_up("its rights cannot be taken away for good");
    }
}

/// The arguments of bubblewrap.
static char **wrapped(const struct spec *spec, int filter) {
    static char number[16], scratch[4096], size[32];
    snprintf(number, sizeof number, "%d", filter);
    snprintf(scratch, sizeof scratch, "%s", spec->scratch);
    snprintf(size, sizeof size, "%llu", (unsigned long long)(spec->memory < (64 << 20) ? spec->memory : (64 << 20)));
    const char *fixed[] = {
        spec->bubblewrap, "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
        "--die-with-parent", "--cap-drop", "ALL", "--ro-bind", "/", "/", "--dev", "/dev", "--size", size, "--tmpfs", "/dev/shm",
        "--remount-ro", "/dev", "--proc", "/proc", "--remount-ro", "/proc", "--bind", scratch, scratch, "--chdir", spec->directory, "--seccomp", number, "--",
    };
    size_t fixed_count = sizeof fixed / sizeof *fixed, count = 0;
    while (spec->program[count] != NULL) count++;
    char **words = calloc(fixed_count + count + 1, sizeof *words);
    if (words == NULL) give_up("its arguments");
    for (size_t at = 0; at < fixed_count; at++) words[at] = (char *)fixed[at];
    memcpy(words + fixed_count, spec->program, count * sizeof *words);
    return words;
}

/// Becomes the program, in its sandbox.
static _Noreturn void become(const struct spec *spec, int socket, const sigset_t *signals) {
    static struct filter asked, refused;
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    signal(SIGPIPE, SIG_DFL);
    setsid();
    bailey_enter_wall();
    if (chdir(spec->directory) != 0) give_up(spec->directory);
    limit(RLIMIT_CORE, 0, 0);
    // One file of all that there may be leaves room for its folder: it ends by itself, and not by chance when it is looked at.
    uint64_t largest = spec->disk > FOLDERS * 2 ? spec->disk - FOLDERS : spec->disk;
    limit(RLIMIT_FSIZE, largest, largest);
    limit(RLIMIT_DATA, spec->memory, spec->memory);
    limit(RLIMIT_CPU, spec->cpu, spec->cpu + 2);
    limit(RLIMIT_MEMLOCK, 8 << 20, 8 << 20);
    bailey_asked_calls(&asked, spec);
    bailey_refused_calls(&refused, spec);
    int ruleset = -1, pipes[2] = {-1, -1};
    if (spec->bubblewrap) {
        // The filter is small enough for a pipe.
        size_t size = refused.length * sizeof *refused.code;
        if (pipe(pipes) != 0 || write(pipes[1], refused.code, size) != (ssize_t)size) give_up("its filter");
        close(pipes[1]);
    } else if ((ruleset = bailey_ruleset(spec)) < 0) {
        give_up("Landlock");
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) give_up("no new rights");
    // Where the kernel can, a signal does not break off a call that is being answered (Linux 5.19).
    int listener = load(&asked, SECCOMP_FILTER_FLAG_NEW_LISTENER | WAIT_KILLABLE);
    if (listener < 0 && errno == EINVAL) listener = load(&asked, SECCOMP_FILTER_FLAG_NEW_LISTENER);
    if (listener < 0) give_up("seccomp");
    send_descriptor(socket, listener);
    // Whatever else this process was given is not the program's.
    int filter = pipes[0];
    if (filter >= 0 && filter != 3) {
        if (dup2(filter, 3) != 3) give_up("its filter");
        filter = 3;
    }
    if (ruleset >= 0) {
        if (bailey_restrict(ruleset) != 0) give_up("Landlock");
        drop_rights();
    }
    syscall(SYS_close_range, filter >= 0 ? 4 : 3, ~0U, 0);
    sigprocmask(SIG_SETMASK, signals, NULL);
    if (spec->bubblewrap) {
        char **words = wrapped(spec, filter);
        execv(words[0], words);
    } else {
        if (load(&refused, 0) != 0) give_up("seccomp");
        execvp(spec->program[0], spec->program);
    }
    fprintf(stderr, "bailey-guard: %s could not be run: %s\n", spec->program[0], strerror(errno));
    _exit(127);
}

/// Ends all, because a limit was passed.
static _Noreturn void end_over(const struct spec *spec, const char *name, uint64_t found) {
    bailey_end_all();
    bailey_remove_wall();
    fprintf(spec->report, "limit\t%s\t%llu\n", name, (unsigned long long)found);
    _exit(128 + SIGKILL);
}

static void look_at_disk(const struct spec *spec) {
    uint64_t found;
    if (bailey_is_full(spec->scratch, spec->disk, MOST_FILES, &found)) end_over(spec, "disk", found);
}

/// Ends what is left. What is ending by itself, such as the first process of a namespace, is given the moment it needs, for looking costs more.
static void end_rest(void) {
    struct timespec pause = {.tv_nsec = 200000};
    for (int round = 0; round < 15; round++) {
        pid_t ended;
        while ((ended = waitpid(-1, NULL, WNOHANG)) > 0) {}
        if (ended < 0 && errno == ECHILD) return;
        nanosleep(&pause, NULL);
    }
    bailey_end_all();
}

/// Ends all because nobody wants it any more.
static _Noreturn void end_unwanted(void) {
    bailey_end_all();
    bailey_remove_wall();
    _exit(128 + SIGTERM);
}

static void look(const struct spec *spec) {
    if (bailey_is_wall_hit()) end_over(spec, "memory", spec->memory);
    struct taken taken = bailey_taken();
    if (taken.cpu > spec->cpu) end_over(spec, "cpu", taken.cpu);
    if (taken.memory > spec->memory) {
        uint64_t exact = bailey_exact_memory();
        if (exact > spec->memory) end_over(spec, "memory", exact);
    }
}

/// When to look again after a look that began at a time.
static int64_t after(int64_t began, int every) {
    int64_t now = bailey_now(), took = now - began;
    return now + (took * 10 > every ? took * 10 : every);
}

/// Whether what has ended took all the processor time that it might.
static uint64_t is_over_time(const struct spec *spec) {
    struct rusage used;
    if (getrusage(RUSAGE_CHILDREN, &used) != 0) return 0;
    uint64_t micros = (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000;
    micros += (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
    return micros >= spec->cpu * 1000000 ? micros / 1000000 : 0;
}

_Noreturn void bailey_sandbox(int parent, char *const words[]) {
    const struct spec *spec = bailey_spec(words);
    int sockets[2];
    if (spec == NULL) _exit(127);
    sigset_t watched, before;
    sigemptyset(&watched);
    for (int at = 0, list[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP}; at < 4; at++) sigaddset(&watched, list[at]);
    sigprocmask(SIG_BLOCK, &watched, &before);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    int signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) give_up("its guard");

    bailey_make_wall(spec->memory);
    pid_t child = fork();
    if (child < 0) give_up("its guard");
    if (child == 0) {
        close(sockets[0]);
        become(spec, sockets[1], &before);
    }
    close(sockets[1]);
    for (int descriptor = 0; descriptor <= 2; descriptor++) close(descriptor);
    // Nothing that is opened from here on is to be taken for one of them.
    for (int descriptor = 0; descriptor <= 2; descriptor++) {
        if (open("/dev/null", O_RDWR | O_CLOEXEC) < 0) _exit(127);
    }
    int listener = receive_descriptor(sockets[0]);
    close(sockets[0]);
    if (listener >= 0) {
        if (spec->bubblewrap) fprintf(spec->report, "started\tbubblewrap\n");
        else {
            int version = bailey_landlock_version();
            fprintf(spec->report, "started\tlandlock %d\n", version < spec->version ? version : spec->version);
        }
    }

    // A single process is held by its own limits; the first ones are bubblewrap's.
    unsigned seen = spec->bubblewrap ? 2 : 0;
    int64_t looked = bailey_now(), next = looked + 4 * LOOK_EVERY, next_at_disk = looked + LOOK_AT_DISK_EVERY;
    for (;;) {
        int making[64];
        struct pollfd waits[66] = {{.fd = signals, .events = POLLIN}, {.fd = listener, .events = POLLIN}};
        int count = bailey_pending(making, 64);
        for (int at = 0; at < count; at++) waits[2 + at] = (struct pollfd){.fd = making[at], .events = POLLOUT};
        int64_t left = (next < next_at_disk ? next : next_at_disk) - bailey_now();
        poll(waits, (nfds_t)(2 + count), left > 0 ? (int)left : 0);

        struct signalfd_siginfo told;
        while (read(signals, &told, sizeof told) == sizeof told) {
            if (told.ssi_signo != SIGCHLD) end_unwanted();
        }
        if (getppid() != parent) end_unwanted();
        int status;
        pid_t ended;
        while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
            if (ended != child) continue;
            end_rest();
            look_at_disk(spec);
            if (bailey_is_wall_hit()) end_over(spec, "memory", spec->memory);
            int ending = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            if (ending == 128 + SIGXCPU) end_over(spec, "cpu", spec->cpu);
            if (ending == 128 + SIGKILL && is_over_time(spec)) end_over(spec, "cpu", is_over_time(spec));
            if (ending == 128 + SIGXFSZ) end_over(spec, "disk", spec->disk);
            bailey_remove_wall();
            _exit(ending);
        }
        if (listener >= 0 && waits[1].revents & POLLIN) bailey_answer(listener, spec);
        // Nobody is left to ask anything.
        else if (listener >= 0 && waits[1].revents & (POLLHUP | POLLERR)) listener = -1;
        if (count > 0) bailey_settle(listener);
        int64_t now = bailey_now();
        if (bailey_starts() > seen) {
            seen = bailey_starts();
            if (next > looked + LOOK_EVERY) next = looked + LOOK_EVERY;
        }
        if (now >= next) {
            look(spec);
            looked = bailey_now();
            next = after(now, LOOK_EVERY);
        }
        if (now >= next_at_disk) {
            int64_t began = bailey_now();
            look_at_disk(spec);
            next_at_disk = after(began, LOOK_AT_DISK_EVERY);
        }
    }
}
