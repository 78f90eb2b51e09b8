/* Running cvmd-worker from the daemon: by exec, with a deadline, its answer treated as hostile. */
#pragma once

#include <systemd/sd-event.h>

#include "base/error.h"
#include "base/json.h"

struct worker_run;

/*
 * answer is the worker's JSON object, borrowed for the call, NULL when it failed; then err has the worker's
 * own code and words, or CVM_CODE_WORKER when it died, took too long, or answered what is no answer.
 */
typedef void (*worker_done_fn)(void *ctx, json_object *answer, struct cvm_error *err);

/*
 * Start VERB. The request is borrowed; fds[i] becomes descriptor WORKER_FD_FIRST + i of the worker
 * (borrowed, they may be closed once this returns). done() is called exactly once from the event loop, never
 * before this returns. On failure nothing was started and done() is not called.
 */
int worker_run_start(sd_event *event, const char *verb, json_object *request, const int *fds, size_t n_fds,
                     uint64_t deadline_usec, worker_done_fn done, void *ctx, struct worker_run **ret,
                     struct cvm_error *err);

/* Kill and forget; done() is not called any more. Accepts NULL, returns NULL. */
struct worker_run *worker_run_cancel(struct worker_run *run);

/* The program that is started: set once by the daemon (config) before anything runs. Default: the installed
 * one. */
void worker_run_set_program(const char *path);
