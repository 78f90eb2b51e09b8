/* SEV-SNP in libvirt's XML (10.5 and later). */
#include "launch/libvirt-snp.h"

#include <stddef.h>

#include "launch/cpu-model-snp.h"

static const struct libvirt_property properties[] = {
        { "kernel-hashes", LIBVIRT_ATTRIBUTE, .name = "kernelHashes" },
        { "author-key-enabled", LIBVIRT_ATTRIBUTE, .name = "authorKey" },
        { "cbitpos", LIBVIRT_BY_ITSELF, .name = "cbitpos" },
        { "reduced-phys-bits", LIBVIRT_BY_ITSELF, .name = "reducedPhysBits" },
        { "policy", LIBVIRT_ELEMENT, .name = "policy" },
        { "id-block", LIBVIRT_ELEMENT, .name = "idBlock", .option = "id_block" },
        { "id-auth", LIBVIRT_ELEMENT, .name = "idAuth", .option = "id_auth" },
        { "host-data", LIBVIRT_ELEMENT, .name = "hostData", .why = "it follows from the owner's binding" },
        { "debug-swap", LIBVIRT_NONE, .field = "sev-snp.guest_features" },
        { "secure-tsc", LIBVIRT_NONE, .field = "sev-snp.guest_features" },
        { 0 },
};

static const struct libvirt_policy_field policy[] = {
        { "abi_minor", 0, 8, 0 },
        { "abi_major", 8, 8, 0 },
        { "smt", 16, 1, 1 },
        { "debug", 19, 1, 0 },
        { "single_socket", 20, 1, 0 },
        { "cxl_allow", 21, 1, 0 },
        { "mem_aes_256_xts", 22, 1, 0 },
        { "rapl_dis", 23, 1, 0 },
        { "ciphertext_hiding", 24, 1, 0 },
        { "page_swap_disable", 25, 1, 0 },
        { 0 },
};

static bool has_cpu(const char *model) {
        struct cvm_error silent = { 0 };
        uint32_t signature;

        return snp_cpu_signature(model, &signature, &silent) >= 0;
}

const struct libvirt_security snp_libvirt = { .type = "sev-snp",
                                              .bit_feature = "sev",
                                              .bit = "cbitpos",
                                              .properties = properties,
                                              .policy = policy,
                                              .policy_always = 1u << 17,
                                              .has_cpu = has_cpu };
