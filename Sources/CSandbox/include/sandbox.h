#ifndef BAILEY_SANDBOX_H
#define BAILEY_SANDBOX_H

/// Runs a program that cannot write, connect or signal outside of what it is given, and ends with it as it ended.
///
/// Whatever it has started is killed when it ends, when `parent` is gone, when this process is told to end or when a limit is passed. What became of
/// it is written to the report, a line each: `started RUNG`, `refused WHAT`, `limit NAME FOUND`, `failed WHY`.
///
/// Must be called before this process has threads. Does not return; status 127 if the program cannot be run, or not in such a sandbox.
///
/// - Parameters:
///   - parent: the process for whose sake the program runs; this one's own parent.
///   - words: what the sandbox is (`key=value` each, see `spec.c`), `--`, the program and its arguments; ends with NULL.
_Noreturn void bailey_sandbox(int parent, char *const words[]);

/// The version of Landlock's interface that this kernel has; 0 if it has none or was started without it.
int bailey_landlock_version(void);

/// Whether a process here may decide about system calls of its children (SECCOMP_RET_USER_NOTIF).
int bailey_can_answer_calls(void);

#endif
