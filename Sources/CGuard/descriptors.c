#define _GNU_SOURCE
#include "descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

int bailey_give_descriptors(int through, const int given[BAILEY_DESCRIPTORS]) {
    char byte = 'b';
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(BAILEY_DESCRIPTORS * sizeof(int))];
    } control;
    memset(&control, 0, sizeof control);
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(BAILEY_DESCRIPTORS * sizeof(int));
    memcpy(CMSG_DATA(header), given, BAILEY_DESCRIPTORS * sizeof(int));
    ssize_t sent;
    do sent = sendmsg(through, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == 1 ? 0 : -1;
}

int bailey_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }
