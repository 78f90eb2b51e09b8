#include "vm/libvirt-removal.h"

#include <stdio.h>
#include <stdlib.h>

#include "vm/libvirt-link.h"

/* Outlives the VM: libvirt may be away. */
struct removal {
        struct libvirt_watch *watch;
        char uuid[CVM_UUID_TEXT];
        driver_removed_fn done; /* NULL: nobody asks */
        void *ctx;
};

static void on_undefined(void *ctx, const struct libvirt_message *answer, struct cvm_error *err) {
        struct removal *removal = ctx;

        if (!answer)
                return; /* again when libvirt is back */
        if (removal->done)
                removal->done(removal->ctx, removal->uuid);
        libvirt_watch_free(removal->watch);
        free(removal);
}

static void undefine(struct removal *removal) {
        const struct libvirt_request request = { .verb = LIBVIRT_UNDEFINE };

        (void)libvirt_watch_ask(removal->watch, &request, NULL, 0, on_undefined, removal, NULL);
}

static void on_removal_domain(void *ctx, const struct libvirt_message *m, int *fd) {
        undefine(ctx);
}

static void on_removal_news(void *ctx, const struct libvirt_message *m) {
}

static void on_removal_away(void *ctx) {
}

void libvirt_remove(sd_event *event, const char *uuid, driver_removed_fn done, void *ctx) {
        static const struct libvirt_handlers removal_handlers = { on_removal_domain, on_removal_news,
                                                                  on_removal_away };
        struct removal *removal = calloc(1, sizeof *removal);

        if (!removal ||
            libvirt_watch_new(event, uuid, &removal_handlers, removal, &removal->watch, NULL) < 0) {
                free(removal);
                return;
        }
        snprintf(removal->uuid, sizeof removal->uuid, "%s", uuid);
        removal->done = done;
        removal->ctx = ctx;
        undefine(removal);
}
