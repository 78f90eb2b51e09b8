/* What libvirt keeps of a VM that goes, or that changes its driver. */
#pragma once

#include "vm/driver.h"

/* As struct driver's remove(). */
void libvirt_remove(sd_event *event, const char *uuid, driver_removed_fn done, void *ctx);
