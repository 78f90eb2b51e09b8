/* cvmd.conf(5): KEY=VALUE lines; '#' begins a comment. A key that is not known is refused, with file and
 * line. */
#pragma once

#include "vm/manager.h"

struct config {
        char *state_dir, *runtime_dir, *worker, *libvirt, *host_root; /* owned; host_root NULL: "/" */
        char *driver;                                                 /* owned */
        char **image_dirs, **bridges, **taps;                         /* owned, NULL-terminated */
        uint32_t uid_first, uid_count, vms_per_user, operations_per_user, agent_deadline_sec;
};

/* What holds where nothing is written. CVM_CODE_NO_MEMORY. */
int config_defaults(struct config *ret, struct cvm_error *err);
void config_done(struct config *config);

/* Lines of a file over what is there; `document` names it in the words. CVM_CODE_FIELD. */
int config_read(struct config *config, const char *text, size_t size, const char *document,
                struct cvm_error *err);
/* One key, as a command line option gives it. */
int config_set(struct config *config, const char *key, const char *value, const char *document,
               struct cvm_error *err);
/* Name of key i, for tests and the man page; NULL past the last. */
const char *config_key_at(size_t i);

/* As the model wants it; borrows from config. */
struct manager_config config_manager(const struct config *config);
