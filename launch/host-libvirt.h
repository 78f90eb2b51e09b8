/*
 * What libvirt says of this host, beside what we see of it: rows for the host check. libvirt is asked by
 * cvmd-libvirt (worker/libvirt-ask.h, capabilities); its answer is hostile here.
 */
#pragma once

#include "launch/host-check.h"
#include "launch/host.h"

/* All borrowed. */
struct host_libvirt {
        json_object *answer; /* NULL: it could not be asked, for the reason `why`; */
        const char *why;     /* both NULL: cvmd's part for libvirt is not installed */
        bool is_needed;      /* it is the host's default driver: without it guests do not start */
};

/*
 * Adds "libvirt", and "libvirt-platform" where one of the two sees a technology here. Returns how many were
 * added, HOST_LIBVIRT_ROWS at most.
 */
#define HOST_LIBVIRT_ROWS 2
size_t host_check_libvirt(const struct host_libvirt *libvirt, const struct host_facts *facts,
                          struct host_check ret[HOST_LIBVIRT_ROWS]);

/*
 * The checks of launch/host-check.h and these behind them: what cvmctl and the service say alike. libvirt
 * NULL: it is not of this host, which is a recorded one. How many; CVM_CODE_FILE where the root cannot be
 * opened.
 */
#define HOST_ALL_CHECKS_MAX (HOST_CHECKS_MAX + HOST_LIBVIRT_ROWS)
int host_check_all(const char *root, enum host_seen_by by, const struct host_libvirt *libvirt,
                   struct host_check ret[HOST_ALL_CHECKS_MAX], struct cvm_error *err);
