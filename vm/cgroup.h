/*
 * A guest has a control group of its own, beneath the daemon's, where systemd has handed that over
 * (Delegate= of the unit): what it uses is seen by itself, and a stop of the unit does not touch it. Where
 * there is none it stays where the daemon is, which changes nothing else.
 */
#pragma once

#include <sys/types.h>

/* id: a name without slashes. 1 when it has one now, 0 where none is delegated, or a negative errno. */
int cgroup_enter(const char *id, pid_t pid);
/* It is dead. */
void cgroup_leave(const char *id);
