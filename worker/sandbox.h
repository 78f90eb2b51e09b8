/*
 * The worker's own walls, put up before the first byte of input is read: no new privileges, no new files, no
 * processes, no sockets. What a verb works on, it has inherited.
 */
#pragma once

#include "base/error.h"

int sandbox_enter(struct cvm_error *err);
