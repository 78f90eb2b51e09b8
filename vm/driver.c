#include "vm/driver.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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

const char *const driver_boot_files[PLAN_DISK] = {
        [PLAN_FIRMWARE] = "firmware",
        [PLAN_KERNEL] = "kernel",
        [PLAN_INITRD] = "initrd",
        [PLAN_SHIM] = "shim",
};
