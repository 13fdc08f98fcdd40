#ifndef BAILEY_SANDBOX_INTERNAL_H
#define BAILEY_SANDBOX_INTERNAL_H

#include <linux/filter.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define MOST_PLACES 64

/// A place in the network that the program may connect to, and where it is led instead.
struct place {
    struct sockaddr_storage address, leads_to;
};

/// What a sandbox is.
struct spec {
    /// The path of bubblewrap; NULL for Landlock.
    const char *bubblewrap;
    /// The most of Landlock's interface that is used; for the tests.
    int version;
    const char *scratch, *directory, *hosts;
    FILE *report;
    struct place places[MOST_PLACES];
    int place_count;
    uint64_t memory, cpu, processes, disk;
    char *const *program;
};

/// Reads the words; NULL and a line on standard error if one of them is none.
struct spec *bailey_spec(char *const words[]);

/// A filter of system calls.
struct filter {
    struct sock_filter code[600];
    unsigned short length;
};

/// Which calls are put to the guard.
void bailey_asked_calls(struct filter *filter, const struct spec *spec);
/// Which calls are refused without a question.
void bailey_refused_calls(struct filter *filter, const struct spec *spec);

/// A ruleset of Landlock: reading everywhere but in /proc and /dev, writing in the scratch folder; −1 if there is none. Made by the process it is for.
int bailey_ruleset(const struct spec *spec);
int bailey_restrict(int ruleset);

/// Answers what a program asks through the listener.
void bailey_answer(int listener, const struct spec *spec);
/// Answers one call that opens a file, or that locks one.
struct seccomp_notif;
void bailey_answer_opening(int listener, const struct spec *spec, struct seccomp_notif *call);
void bailey_answer_lock(int listener, const struct spec *spec, struct seccomp_notif *call);

/// Reads the program's memory; how many bytes, or −1.
int bailey_read_memory(pid_t pid, uint64_t address, void *into, size_t length);
/// Reads a text of the program's; 0 if it has no end within the room.
int bailey_read_text(pid_t pid, uint64_t address, char *into, size_t room);
/// Answers a call.
void bailey_respond(int listener, uint64_t call, int64_t value, int error, uint32_t flags);
/// Whether whoever made a call still waits for its answer.
int bailey_is_valid(int listener, uint64_t call);
/// Reports what was refused.
void bailey_refuse(const struct spec *spec, const char *what);
/// Whether what a descriptor stands for lies in the scratch folder.
int bailey_is_within(const struct spec *spec, int place);
/// How many processes and threads were let start.
unsigned bailey_starts(void);
/// How many connections are being made, and their descriptors.
int bailey_pending(int *descriptors, int most);
/// Looks what became of the connections that are being made.
void bailey_settle(int listener);

/// What the processes take that stem from this one.
struct taken {
    uint64_t tasks, memory, cpu;
};
struct taken bailey_taken(void);
/// The memory of what was looked at last, each shared page counted once.
uint64_t bailey_exact_memory(void);
/// Whether a process, or each of a group, stems from this one.
int bailey_is_own(pid_t pid);
int bailey_is_own_group(pid_t group);
/// The bytes and the number of files in a folder; what `most` bytes or `entries` are passed by is not counted further.
int bailey_is_full(const char *folder, uint64_t most, uint64_t entries, uint64_t *found);

/// Makes a cgroup in which the kernel holds what all processes take together, a little above what is looked for, where this user may; see cgroups(7).
void bailey_make_wall(uint64_t memory);
/// Goes into it, with all that is started from then on.
void bailey_enter_wall(void);
/// Whether the kernel had to end a process in it.
int bailey_is_wall_hit(void);
/// Takes it away, once nothing is in it any more.
void bailey_remove_wall(void);

/// Milliseconds of a clock that only goes forward.
int64_t bailey_now(void);

#endif
