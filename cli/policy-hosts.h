/* The hosts of a new policy: chip ids as they are, or what `host show --facts` wrote of them. */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "cli/command.h"

struct policy_hosts_given {
        char **ids;            /* NULL: none were given */
        json_object *minimums; /* {"Milan":{"snp":24}}: what every host of the documents has; NULL: no
                                  document was given */
};
void policy_hosts_done(struct policy_hosts_given *hosts);

/* Every --hosts; a document must be of this platform. On failure *ret holds what was read so far. */
int policy_hosts_read(const struct arguments *arguments, const char *platform,
                      struct policy_hosts_given *ret, struct cvm_error *err);
