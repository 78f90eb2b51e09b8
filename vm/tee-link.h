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

/*
 * With a keeper no answer tells the guest of a store that could be forgotten: whenever it was given
 * something, keep() is to make guest->store durable and to call tee_link_kept() then, never from within.
 * What could not be kept is not answered: the guest asks again.
 */
typedef int (*tee_link_keep_fn)(void *ctx); /* negative: it cannot be tried; tee_link_kept() is not called */
void tee_link_set_keeper(struct tee_link *link, tee_link_keep_fn keep, void *ctx);
void tee_link_kept(struct tee_link *link, bool durable);
