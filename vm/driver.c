#include "vm/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "vm/stderr-words.h"

static const struct driver *const drivers[] = { &driver_qemu, &driver_libvirt };

const struct driver *driver_by_name(const char *name) {
        for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
                if (strcmp(drivers[i]->name, name) == 0)
                        return drivers[i];
        return NULL;
}

static const char *const channel_names[] = {
        [PLAN_CHANNEL_AGENT] = "agent.sock",
        [PLAN_CHANNEL_TEE] = "tee.sock",
};

int driver_channel_path(const char *runtime_dir, enum plan_channel channel, char *ret, size_t size) {
        return snprintf(ret, size, "%s/%s", runtime_dir, channel_names[channel]) < (int)size ? 0
                                                                                             : -ENAMETOOLONG;
}

void driver_explain_panic(const struct plan *plan, const char *runtime_dir, struct cvm_error *err) {
        static const char *const logs[] = { "stderr.log", "console.log" };
        const struct failure_row *rows = plan && plan->guest.type ? plan->platform->failures : NULL;

        for (size_t i = 0; rows && i < ARRAY_SIZE(logs); i++) {
                CVM_CLEANUP(cvm_closep) int log = -EBADF;
                char path[PATH_MAX];

                snprintf(path, sizeof path, "%.3500s/%s", runtime_dir, logs[i]);
                log = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
                if (log >= 0 && stderr_cause(log, rows, err))
                        return;
        }
        cvm_fail(err, &CVM_CODE_GUEST_PANIC, EIO, "the guest's kernel panicked");
}

const char *const driver_boot_files[PLAN_DISK] = {
        [PLAN_FIRMWARE] = "firmware",
        [PLAN_KERNEL] = "kernel",
        [PLAN_INITRD] = "initrd",
        [PLAN_SHIM] = "shim",
};
