/*
 * What libvirt says of this host, beside what we see of it: rows for the host check. libvirt is asked by
 * cvmd-libvirt (worker/libvirt-ask.h, capabilities); its answer is hostile here.
 */
#pragma once

#include "launch/host-check.h"
#include "launch/host.h"

/*
 * Adds "libvirt", and "libvirt-platform" where one of the two sees a technology here. answer NULL: it could
 * not be asked, for the reason `why`. Returns how many were added, HOST_LIBVIRT_ROWS at most.
 */
#define HOST_LIBVIRT_ROWS 2
size_t host_check_libvirt(json_object *answer, const char *why, const struct host_facts *facts,
                          struct host_check ret[HOST_LIBVIRT_ROWS]);
