/*
 * Pure computing on several processors at once, for workers and the owner's verbs: hashing. The daemon's
 * loop has one thread and does not come here.
 */
#pragma once

#include <stddef.h>

#define CVM_PARALLEL_MAX 8

/*
 * Call work(ctx, piece) once for each piece, 0 to pieces - 1 in that order of beginning, on this thread and
 * on further ones: as many as this process has processors, at most CVM_PARALLEL_MAX in all. Returns when
 * every call has. Where no thread can be made, the work is done on this one. Cannot fail; what a piece finds
 * it leaves in ctx, where no two write the same place.
 */
void cvm_parallel(size_t pieces, void (*work)(void *ctx, size_t piece), void *ctx);
