/*
 * The host's end of org.cvmd.tee.0 of one simulated guest: answers its requests through sim/. It
 * reconnects like the agent's link; a report names the boot it was made for.
 */
#pragma once

#include <systemd/sd-event.h>

#include "sim/sim.h"

struct tee_link;

/* root and guest are borrowed and outlive the link; of guest, what is new at each boot may change between
 * requests. */
int tee_link_new(sd_event *event, const char *socket_path, const struct sim_root *root,
                 struct sim_guest *guest, struct tee_link **ret, struct cvm_error *err);
struct tee_link *tee_link_free(struct tee_link *link);
