/*
 * How libvirt says what a technology's object of QEMU says: <launchSecurity>, and what else its XML must
 * have for such a guest. A const table for each technology (struct platform, libvirt).
 */
#pragma once

#include <stdint.h>

enum libvirt_form {
        LIBVIRT_BY_ITSELF, /* libvirt finds the same value on the host */
        LIBVIRT_ATTRIBUTE, /* of <launchSecurity> */
        LIBVIRT_ELEMENT, /* in it: yes or no, a number in hex, a text; of a socket: its path as attribute */
        LIBVIRT_NONE,    /* it has no word for it: `field` is what asks for it */
};

struct libvirt_property {
        const char *property; /* of QEMU's object; NULL ends the table; what is in no table is refused */
        enum libvirt_form form;
        const char *name;  /* libvirt's */
        const char *field; /* of the definition */
        uint64_t bits;     /* that it takes in this number; 0: all */
};

/* An element of <features>. */
struct libvirt_feature {
        const char *element; /* NULL ends the table */
        const char *attribute, *value;
};

struct libvirt_security {
        const char *type;                          /* of <launchSecurity> */
        const struct libvirt_property *properties; /* in the order in which elements are written */
        const struct libvirt_feature *features;    /* NULL: none */
};
