/*
 * cvmd-libvirt's own parts: it has one connection to libvirt and one to the daemon, blocks in both as it
 * likes, decides nothing, and ends with the daemon. Only these files use libvirt.
 */
#pragma once

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "worker/wire-libvirt.h"

struct libvirt_host {
        int socket;               /* the daemon's; it stays open until the process ends */
        virConnectPtr connection; /* NULL: libvirt is away */
        int retry;                /* timer of the event loop, -1: none */
        uint64_t seq;
};

/* libvirt-channel.c. What cannot be said to the daemon ends the process: nobody else listens. */
void host_send(struct libvirt_host *host, struct libvirt_message *message, int fd);
/* 1 with a request and its descriptors (owned), 0 when the daemon is gone; a message that is none is
 * -EBADMSG
 */
int host_receive(struct libvirt_host *host, struct libvirt_request *ret, int ret_fds[LIBVIRT_FDS_MAX],
                 size_t *ret_n_fds, struct cvm_error *err);

/* libvirt-news.c: connects where it is not, registers for events, tells what there is; false: libvirt is
 * away, and it will be tried again each second. */
bool host_connect(struct libvirt_host *host);
/* What this domain is now. */
void host_tell_domain(struct libvirt_host *host, virDomainPtr domain);
/* The digest of the definition that libvirt would start it by, without what only a run has; negative: not
 * known, virGetLastError() says why. */
int host_digest(virDomainPtr domain, uint8_t ret[CVM_SHA256_SIZE]);

/* libvirt-verbs.c: do it, and answer. */
void host_serve(struct libvirt_host *host, const struct libvirt_request *request, int *fds, size_t n_fds);

/* libvirt-sandbox.c: what a client of libvirt never needs is given up. */
int host_confine(struct cvm_error *err);
