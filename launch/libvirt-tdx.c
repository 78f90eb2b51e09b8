/* TDX in libvirt's XML (11.6 and later). */
#include "launch/libvirt-tdx.h"

#include <stddef.h>

/* libvirt takes DEBUG and SEPT_VE_DISABLE of the attributes. */
#define POLICY_BITS (1ull << 0 | 1ull << 28)

static const struct libvirt_property properties[] = {
        { "attributes", LIBVIRT_ELEMENT, .name = "policy", .field = "tdx", .bits = POLICY_BITS },
        { "mrconfigid", LIBVIRT_ELEMENT, .name = "mrConfigId",
          .why = "it follows from the owner's binding" },
        { "mrowner", LIBVIRT_ELEMENT, .name = "mrOwner", .why = "it follows from the owner's key" },
        { "quote-generation-socket", LIBVIRT_ELEMENT, .name = "quoteGenerationService",
          .why = "the host's own quoting service is taken" },
        { 0 },
};

static const struct libvirt_policy_field policy[] = {
        { "debug", 0, 1, 0 },
        { "sept_ve_disable", 28, 1, 1 },
        { 0 },
};

/* It starts such a guest only with KVM's interrupt controller split. */
static const struct libvirt_feature features[] = { { "ioapic", "driver", "qemu" }, { 0 } };

const struct libvirt_security tdx_libvirt = {
        .type = "tdx", .feature = "tdx", .properties = properties, .features = features, .policy = policy
};
