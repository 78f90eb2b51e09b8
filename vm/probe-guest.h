/*
 * The guests of the probe of KVM (vm/kvm-probe.c), one for each machine: as little code as shows that
 * instructions are executed, and at their pace. It works for some milliseconds, then has QEMU end in a way
 * that QEMU never ends by itself.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct probe_guest {
        const char *machine;            /* QEMU's name */
        const char *const *arguments;   /* QEMU's, beside those of all; the image is descriptor 3 */
        const struct probe_part *parts; /* of the image, whose rest is zeros */
        size_t image_size;
        int status;       /* QEMU's then */
        const char *says; /* and what the guest has had it write; NULL: nothing */
};

/* NULL: nobody has written one for that machine. */
const struct probe_guest *probe_guest_find(const char *machine);
/* A new memory file. -ENOMEM and those of memfd_create(2). */
int probe_guest_image(const struct probe_guest *guest);
/* output: what QEMU has written, NULL: nothing. */
bool probe_guest_ran(const struct probe_guest *guest, int status, const char *output);
