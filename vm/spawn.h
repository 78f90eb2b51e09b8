/*
 * Starting a program in two steps, so that no crash of the daemon leaves an orphan: the new process waits on
 * a pipe until it is told to go. If the daemon dies first, the pipe closes and the process ends without
 * having done anything.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct spawn {
        char *const *argv; /* argv[0] is the program's path or a name in PATH */
        const int *fds;    /* fds[i] becomes descriptor 3 + i; everything else is closed */
        size_t n_fds;
        int in_fd, out_fd, err_fd;  /* standard streams; 0 or less for input, negative for the others:
                                       /dev/null */
        bool ends_with_us;          /* killed when this process dies: what nobody would find again */
        uid_t uid;                  /* 0: do not change */
        const char *const *devices; /* NULL-terminated; which it opens itself. Under another uid it gets the
                                       groups that may. NULL: none */
};

/* Returns the pid of the waiting process (to be reaped by the caller); *ret_go is an owned descriptor. */
int spawn_begin(const struct spawn *spawn, pid_t *ret_pid, int *ret_go, struct cvm_error *err);
/* Let it become the program; closes go. */
void spawn_go(int go);
