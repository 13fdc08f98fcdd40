#ifndef BAILEY_DESCRIPTORS_H
#define BAILEY_DESCRIPTORS_H

/// How many descriptors one message carries.
#define BAILEY_DESCRIPTORS 4

/// Sends one byte with four descriptors through a local socket, which its reader then holds as well.
///
/// Returns 0, or -1 with `errno`; a reader that is gone raises no signal.
int bailey_give_descriptors(int through, const int given[BAILEY_DESCRIPTORS]);

/// Makes a pipe that no program which is started inherits: its reading end, then the other. Returns 0, or -1 with `errno`.
int bailey_pipe(int ends[2]);

#endif
