/* TDX in libvirt's XML (11.6 and later). */
#include "launch/libvirt-tdx.h"

#include <stddef.h>

/* libvirt takes DEBUG and SEPT_VE_DISABLE of the attributes. */
#define POLICY_BITS (1ull << 0 | 1ull << 28)

static const struct libvirt_property properties[] = {
        { "attributes", LIBVIRT_ELEMENT, .name = "policy", .field = "tdx", .bits = POLICY_BITS },
        { "mrconfigid", LIBVIRT_ELEMENT, .name = "mrConfigId" },
        { "mrowner", LIBVIRT_ELEMENT, .name = "mrOwner" },
        { "quote-generation-socket", LIBVIRT_ELEMENT, .name = "quoteGenerationService" },
        { 0 },
};

/* It starts such a guest only with KVM's interrupt controller split. */
static const struct libvirt_feature features[] = { { "ioapic", "driver", "qemu" }, { 0 } };

const struct libvirt_security tdx_libvirt = { .type = "tdx",
                                              .properties = properties,
                                              .features = features };
