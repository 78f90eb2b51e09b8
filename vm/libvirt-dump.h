/* A dump of a domain's memory, by libvirt. */
#pragma once

#include "vm/driver.h"
#include "vm/libvirt-link.h"

/* Of one guest: zeros at first, its owner's. */
struct libvirt_dump {
        sd_event *event;
        struct libvirt_watch *watch; /* both borrowed */
        driver_done_fn done;         /* NULL: none is under way */
        driver_progress_fn progress;
        void *ctx;
        sd_event_source *timer;
};

/* As struct driver's dump(). */
int libvirt_dump_begin(struct libvirt_dump *dump, sd_event *event, struct libvirt_watch *watch, int fd,
                       driver_progress_fn progress, driver_done_fn done, void *ctx, struct cvm_error *err);
/* Forgets it: done() is not called any more once the watch is freed. */
void libvirt_dump_done(struct libvirt_dump *dump);
