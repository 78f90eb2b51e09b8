/*
 * The daemon's end of cvmd-libvirt: it is started with the first who watches a domain, started again when it
 * dies, and ends a minute after the last. What it says is hostile: one message that is none, or out of its
 * order, and it is killed and started anew; so it is where an answer does not come in time, for then libvirt
 * hangs.
 */
#pragma once

#include <errno.h>
#include <systemd/sd-event.h>

#include "worker/wire-libvirt.h"

struct libvirt_watch; /* of one domain, by its uuid; owned by whoever watches */

/* From the loop. A handler may free its watch. */
struct libvirt_handlers {
        /* what the domain is; fd: a pidfd of its QEMU, or negative; the handler may take it (TAKE_FD) */
        void (*domain)(void *ctx, const struct libvirt_message *message, int *fd);
        /* something that happened to it: LIBVIRT_REBOOTED and the kinds behind it */
        void (*news)(void *ctx, const struct libvirt_message *message);
        /* libvirt is away: what happens now will not be told. domain() comes again when it is back */
        void (*away)(void *ctx);
};

int libvirt_watch_new(sd_event *event, const char *uuid, const struct libvirt_handlers *handlers, void *ctx,
                      struct libvirt_watch **ret, struct cvm_error *err);
/* What was asked through it is not answered any more. Accepts NULL, returns NULL. */
struct libvirt_watch *libvirt_watch_free(struct libvirt_watch *watch);
CVM_DEFINE_CLEANUP(struct libvirt_watch, libvirt_watch_free);
/* answer is NULL where it failed; then err has the words. From the loop, exactly once. */
typedef void (*libvirt_done_fn)(void *ctx, const struct libvirt_message *answer, struct cvm_error *err);
/* Ask for something about this domain: id and uuid are filled in; all is borrowed. done may be NULL. */
int libvirt_watch_ask(struct libvirt_watch *watch, const struct libvirt_request *request, const int *fds,
                      size_t n_fds, libvirt_done_fn done, void *ctx, struct cvm_error *err);

/* One message as it came: fields by the table, and what its kind needs is there. CVM_CODE_WORKER. */
int libvirt_message_read(const void *data, size_t size, struct libvirt_message *ret, struct cvm_error *err);

/* A process of cvmd-libvirt, which ends with this one at the latest. */
struct libvirt_process {
        pid_t pid; /* 0: none */
        int pidfd;
        int socket; /* ours, non-blocking: packets */
};
#define LIBVIRT_NO_PROCESS \
        { .pidfd = -EBADF, .socket = -EBADF }
/* `cvmd-libvirt VERB WHAT`, or without both the one that keeps the connection. */
int libvirt_process_start(const char *verb, const char *what, struct libvirt_process *ret,
                          struct cvm_error *err);
/* It is killed, if it lives, and waited for, which takes no time; closes what is open. */
void libvirt_process_end(struct libvirt_process *process);

/* The program that is started: set once, before anything runs. Default: the installed one. */
void libvirt_link_set_program(const char *path);
const char *libvirt_link_program(void);
/* How long an answer may take, for tests; a start may take ten times as long. Default: a minute. */
void libvirt_link_set_patience(uint64_t usec);
/* It ends now, unless somebody watches: for who ends its loop. */
void libvirt_link_end(void);
/* The process, for tests; 0: none runs. */
pid_t libvirt_link_pid(void);
