/*
 * From a plan to libvirt's domain XML. Pure: what the plan holds, and where its files are.
 */
#pragma once

#include <sys/types.h>

#include "launch/plan.h"

struct libvirt_domain {
        const struct plan *plan;
        const char *name, *uuid;
        const char *const *sources;   /* one absolute path for each of plan->files */
        const char *const *fd_groups; /* NULL; or for each file the name of a group of descriptors that are
                                         associated with the domain, NULL for those that go by path */
        const char *runtime_dir;      /* sockets of the channels, by driver_channel_path() */
        uid_t uid;                    /* 0: libvirt's own */
        bool use_kvm;
        const char *emulator;    /* absolute path */
        const char *console_log; /* file that libvirt appends the console to; NULL: none */
};

/* Of the agent's channel, the first that there is: libvirt counts them. */
#define LIBVIRT_AGENT_ALIAS "channel0"

/*
 * Owned text. The same domain gives the same bytes. CVM_CODE_LIBVIRT_FIELD, with the name of the
 * definition's field, for what libvirt cannot say: nothing is left out silently.
 */
int libvirt_xml(const struct libvirt_domain *domain, char **ret, struct cvm_error *err);
