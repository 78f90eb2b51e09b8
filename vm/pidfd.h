/* A process by descriptor: alive means its pidfd is not readable. A pid alone names nobody for long. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Owned descriptor, or -ESRCH. */
int pidfd_of(pid_t pid);
/* Field 22 of /proc/PID/stat, clock ticks since boot; 0 with *ret, or -ESRCH. */
int process_start_time(pid_t pid, uint64_t *ret);
bool pidfd_is_alive(int pidfd);
void pidfd_kill(int pidfd, int signal);
