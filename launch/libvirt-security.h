/*
 * How libvirt says what a technology's object of QEMU says: <launchSecurity>, and what else its XML must
 * have for such a guest. A const table for each technology (struct platform, libvirt).
 */
#pragma once

#include <stdbool.h>
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
        /* of a domain that is adopted: what the platform's section calls it, or why it is not carried over
         */
        const char *option, *why;
};

/* A part of the number in <policy>, as the platform's section calls it. */
struct libvirt_policy_field {
        const char *option;    /* NULL ends the table */
        unsigned shift, width; /* width 1: true or false */
        uint64_t usual;        /* where the section does not name it */
};

/* An element of <features>. */
struct libvirt_feature {
        const char *element; /* NULL ends the table */
        const char *attribute, *value;
};

struct libvirt_security {
        const char *type;    /* of <launchSecurity> */
        const char *feature; /* of domain capabilities, beside the list of types; NULL: none */
        /* there: the element, and in it the one with the encryption bit that libvirt gives guests; NULL:
         * none */
        const char *bit_feature, *bit;
        const struct libvirt_property *properties; /* in the order in which elements are written */
        const struct libvirt_feature *features;    /* NULL: none */
        const struct libvirt_policy_field *policy; /* NULL: it has none */
        uint64_t policy_always;                    /* bits that every guest has */
        bool (*has_cpu)(const char *model);        /* NULL: its guests have no models */
};
