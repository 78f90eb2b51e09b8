/* Secure Execution in libvirt's XML (7.6 and later): the guest is its image, nothing is said of it. */
#include "launch/libvirt-se.h"

#include <stddef.h>

static const struct libvirt_property properties[] = { { 0 } };

const struct libvirt_security se_libvirt = { .type = "s390-pv",
                                             .feature = "s390-pv",
                                             .properties = properties };
