#ifndef BAILEY_GUARD_H
#define BAILEY_GUARD_H

#include <stddef.h>

#include "descriptors.h"

/// Runs a program and ends with it as it ended, with its status or by its signal.
///
/// If the process `parent` is gone, or this one is told to end (SIGTERM, SIGINT, SIGHUP), everything that the program started and that still runs
/// is killed first, whatever session, group or environment it has moved to: orphans fall to this process, not to the system's first.
///
/// Must be called before this process has threads. Does not return; status 127, with a line on standard error, if the program cannot be run.
///
/// - Parameters:
///   - parent: the process for whose sake the program runs; this one's own parent.
///   - words: the program, looked for in PATH, and its arguments; ends with NULL.
_Noreturn void bailey_guard(int parent, char *const words[]);

/// What /proc tells of a process, from its state on, within `line`; NULL if the process is gone.
const char *bailey_process(const char *pid, char *line, size_t size);

/// Kills everything that stems from this process, which must be where orphans fall to, and waits for it.
void bailey_end_all(void);

#endif
