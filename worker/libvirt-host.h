/*
 * cvmd-libvirt's own parts: it has one connection to libvirt and one to the daemon, blocks in both as it
 * likes, decides nothing, and ends with the daemon. Only these files use libvirt.
 *
 * The first thread runs libvirt's event loop, reads what the daemon asks and alone opens and closes the
 * connection; requests are served by others (libvirt-queue.c).
 */
#pragma once

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <pthread.h>

#include "worker/wire-libvirt.h"

#define LIBVIRT_URI "qemu:///system"
#define HOST_EVENTS_MAX 5

struct libvirt_host {
        int socket;                              /* the daemon's; it stays open until the process ends */
        virConnectPtr connection;                /* NULL: libvirt is away; the first thread's */
        int retry;                               /* timer of the event loop, -1: none */
        int events[HOST_EVENTS_MAX], qemu_event; /* what is registered with it; -1: not */
        size_t n_events;
        /* Held from the look at a domain until it is told: no older state comes behind a newer one. */
        pthread_mutex_t looking;
        bool there; /* what libvirt says may be told: under looking */
        pthread_mutex_t sending;
        uint64_t seq; /* of the last message: under sending */
};

/* A request with what is needed to serve it, owned by the queue. */
struct libvirt_work {
        struct libvirt_work *next;
        bool runs;
        struct libvirt_request request;
        int fds[LIBVIRT_FDS_MAX];
        size_t n_fds;
        virConnectPtr connection; /* a reference; NULL: libvirt is away, or not needed */
};

/* libvirt-channel.c. What cannot be said to the daemon ends the process: nobody else listens. */
void host_send(struct libvirt_host *host, struct libvirt_message *message, int fd);
/* 1 with a request and its descriptors (owned), 0 when the daemon is gone; a message that is none is
 * -EBADMSG
 */
int host_receive(struct libvirt_host *host, struct libvirt_work *ret, struct cvm_error *err);

/* libvirt-news.c, in the first thread: connects where it is not, registers for events, tells what there is;
 * false: libvirt is away, and it will be tried again each second. */
bool host_connect(struct libvirt_host *host);
/* A call on this connection failed: if that was lost, the daemon hears so before it hears of the call. */
void host_look_for_loss(struct libvirt_host *host, virConnectPtr connection);
/* By its name: what somebody else made is not touched, whatever its uuid. */
bool host_is_ours(virDomainPtr domain);
/* An answer and what the domain is then (NULL: nothing of it), with no other look between them: whoever has
 * started it takes what it hears behind that for its own run, and a failure comes behind what explains it.
 */
void host_answer(struct libvirt_host *host, struct libvirt_message *answer, virDomainPtr domain);
/* The digest of the definition that libvirt would start it by, without what only a run has; all ones where
 * it has none any more. Negative: not known, virGetLastError() says why. */
int host_digest(virDomainPtr domain, uint8_t ret[CVM_SHA256_SIZE]);

/* libvirt-files.c: the files of a run, by the names of their groups; negative with libvirt's error, or
 * -EBADMSG where there is not one for each. */
int host_lend(virDomainPtr domain, char *const *groups, const int *fds, size_t n_fds);
/* They are the run's now, until it has ended. Takes groups, and leaves libvirt's error as it is. */
void host_note_lent(const char *uuid, char **groups);
/* It has ended, and nobody else shall miss its files. */
void host_take_back(virDomainPtr domain);

/* libvirt-queue.c: to be served, what is asked of one domain in its order, domains beside one another. Takes
 * the work over. */
void host_queue(struct libvirt_host *host, struct libvirt_work *work);
/* Waits until nobody uses a connection: it is closed, so all that use it fail. */
void host_wait_unused(void);

/* libvirt-verbs.c: do it, and answer. */
void host_serve(struct libvirt_host *host, struct libvirt_work *work);
/* Does it need a connection? */
bool host_needs_libvirt(const struct libvirt_request *request);
/* Into an answer: libvirt's last error or, where there is none, that of the negative errno. */
void host_describe_failure(struct libvirt_message *answer, int r);

/* libvirt-console.c: as long as it is open. The exit status. */
int libvirt_console(const char *uuid);

/* The last error of this thread, or without one the errno. */
void host_describe_failure(struct libvirt_message *answer, int r);

/* libvirt-dump.c: begin it in a thread and with a connection of its own, and answer when it has ended. fd is
 * borrowed. Negative: errno. */
int host_dump(struct libvirt_host *host, const struct libvirt_request *request, int fd);

/* libvirt-sandbox.c: what a client of libvirt never needs is given up. */
int host_confine(struct cvm_error *err);
