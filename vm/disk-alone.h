/* A writable disk belongs to one VM. Paths do not tell: a hard link or another mount has another name, so
 * what counts is what is open. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* Do both mean the same file, or the same block device? */
bool disk_is_same(int a, int b);
/*
 * Has that process the same open: at all where `writable`, else for writing? It is read from /proc, so it
 * holds for guests of a former daemon too. 1, 0 (also where the process is no more), or a negative errno.
 */
int disk_is_held(int fd, bool writable, pid_t pid);
