/* SEV-SNP in libvirt's XML (10.5 and later). */
#include "launch/libvirt-snp.h"

#include <stddef.h>

static const struct libvirt_property properties[] = {
        { "kernel-hashes", LIBVIRT_ATTRIBUTE, .name = "kernelHashes" },
        { "author-key-enabled", LIBVIRT_ATTRIBUTE, .name = "authorKey" },
        { "cbitpos", LIBVIRT_BY_ITSELF },
        { "reduced-phys-bits", LIBVIRT_BY_ITSELF },
        { "policy", LIBVIRT_ELEMENT, .name = "policy" },
        { "id-block", LIBVIRT_ELEMENT, .name = "idBlock" },
        { "id-auth", LIBVIRT_ELEMENT, .name = "idAuth" },
        { "host-data", LIBVIRT_ELEMENT, .name = "hostData" },
        { "debug-swap", LIBVIRT_NONE, .field = "sev-snp.guest_features" },
        { "secure-tsc", LIBVIRT_NONE, .field = "sev-snp.guest_features" },
        { 0 },
};

const struct libvirt_security snp_libvirt = { .type = "sev-snp", .properties = properties };
