#include "vm/pidfd.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int pidfd_of(pid_t pid) {
        int fd = (int)syscall(SYS_pidfd_open, pid, 0);

        return fd < 0 ? -errno : fd;
}

int process_start_time(pid_t pid, uint64_t *ret) {
        char path[64], line[1024], *p;
        FILE *f;
        bool read;

        snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        f = fopen(path, "re");
        if (!f)
                return -ESRCH;
        read = fgets(line, sizeof line, f);
        fclose(f);
        /* The command's name may hold anything: the fields are counted from its last parenthesis. */
        p = read ? strrchr(line, ')') : NULL;
        for (int field = 2; p && field < 22; field++)
                p = strchr(p + 1, ' ');
        if (!p)
                return -ESRCH;
        *ret = strtoull(p + 1, NULL, 10);
        return 0;
}

bool pidfd_is_alive(int pidfd) {
        struct pollfd p = { .fd = pidfd, .events = POLLIN };

        return poll(&p, 1, 0) == 0;
}

void pidfd_kill(int pidfd, int signal) {
        (void)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}
