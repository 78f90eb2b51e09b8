/* SEV-SNP as launch sees it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "launch/explain-snp.h"
#include "launch/failure-snp.h"
#include "launch/host-snp.h"
#include "launch/id-block-snp.h"
#include "launch/libvirt-snp.h"
#include "launch/measure-snp.h"
#include "launch/plan.h"
#include "launch/synthetic-snp.h"

extern const struct platform platform_snp;

/* The guest policy by the names of its bits (FWABI 4.3), and what is measured beside the model. */
struct snp_options {
        bool smt, has_smt, debug, single_socket, cxl_allow, mem_aes_256_xts, rapl_dis, ciphertext_hiding,
                        page_swap_disable;
        bool migrate_ma;
        uint64_t vcpu_signature, guest_features;
        uint32_t abi_major, abi_minor;
        struct cvm_bytes id_block, id_auth; /* owned; size 0: none */
};

static void snp_options_done(struct snp_options *options) {
        cvm_bytes_done(&options->id_block);
        cvm_bytes_done(&options->id_auth);
}

#define BIT(name) \
        { #name, CVM_JSON_BOOL, .offset = offsetof(struct snp_options, name) }

static const struct cvm_json_field options_fields[] = {
        { "smt", CVM_JSON_BOOL, .offset = offsetof(struct snp_options, smt),
          .has_offset = offsetof(struct snp_options, has_smt) },
        BIT(debug),
        BIT(single_socket),
        BIT(cxl_allow),
        BIT(mem_aes_256_xts),
        BIT(rapl_dis),
        BIT(ciphertext_hiding),
        BIT(page_swap_disable),
        BIT(migrate_ma),
        { "abi_major", CVM_JSON_U32, .offset = offsetof(struct snp_options, abi_major), .max = 255 },
        { "abi_minor", CVM_JSON_U32, .offset = offsetof(struct snp_options, abi_minor), .max = 255 },
        { "vcpu_signature", CVM_JSON_U64, .offset = offsetof(struct snp_options, vcpu_signature), .min = 1,
          .max = UINT32_MAX },
        { "guest_features", CVM_JSON_U64, .offset = offsetof(struct snp_options, guest_features), .min = 1,
          .max = INT64_MAX },
        { "id_block", CVM_JSON_BASE64, .offset = offsetof(struct snp_options, id_block),
          .max = SNP_ID_BLOCK_SIZE },
        { "id_auth", CVM_JSON_BASE64, .offset = offsetof(struct snp_options, id_auth),
          .max = SNP_ID_AUTH_SIZE },
        { 0 },
};

static int read_options(json_object *options, const char *document, struct snp_options *ret,
                        struct cvm_error *err) {
        struct cvm_json root = cvm_json_root(options, document);

        *ret = (struct snp_options){ 0 };
        if (!options)
                return 0;
        snprintf(root.path, sizeof root.path, "%s", platform_snp.name);
        return cvm_json_read(&root, options_fields, ret, err);
}

static int check_id_block(const struct snp_options *o, struct snp_id_block *ret, struct cvm_error *err) {
        if (!o->id_block.size != !o->id_auth.size)
                return cvm_fail(err, &CVM_CODE_FIELD, EINVAL,
                                "'sev-snp.id_block' and 'sev-snp.id_auth' go together");
        if (!o->id_block.size)
                return 0;
        return snp_id_block_verify(o->id_block.data, o->id_block.size, o->id_auth.data, o->id_auth.size, ret,
                                   NULL, err);
}

static int check_options(json_object *options, const char *document, struct cvm_error *err) {
        CVM_CLEANUP(snp_options_done) struct snp_options o = { 0 };
        struct snp_id_block block;
        int r = read_options(options, document, &o, err);

        if (r < 0)
                return r;
        if (o.guest_features && !(o.guest_features & 1))
                return cvm_fail(err, &CVM_CODE_FIELD, EINVAL,
                                "'sev-snp.guest_features' in '%s' must have bit 0: every guest of SEV-SNP has it",
                                document);
        if (o.migrate_ma)
                return cvm_fail(err, &CVM_CODE_FIELD, EINVAL,
                                "'sev-snp.migrate_ma' in '%s' cannot be: KVM takes no migration agents for SEV-SNP",
                                document);
        return check_id_block(&o, &block, err);
}

/* The firmware would end the launch with no more than "bad measurement". */
static int check_launch(json_object *options, const struct measurement *measurement, uint64_t policy,
                        struct cvm_error *err) {
        CVM_CLEANUP(snp_options_done) struct snp_options o = { 0 };
        struct snp_id_block block = { 0 };
        int r = read_options(options, "definition", &o, err);

        if (r >= 0)
                r = check_id_block(&o, &block, err);
        if (r < 0 || !o.id_block.size)
                return r;
        if (memcmp(block.digest, measurement->digest, sizeof block.digest) != 0)
                return cvm_fail(err, &CVM_CODE_ID_BLOCK, EINVAL,
                                "the ID block is for another measurement than this launch will have");
        if (block.policy != policy)
                return cvm_fail(err, &CVM_CODE_ID_BLOCK, EINVAL,
                                "the ID block is for policy 0x%" PRIx64 ", this launch has 0x%" PRIx64,
                                block.policy, policy);
        return 0;
}

static int read_launch_block(const void *data, size_t size, uint8_t ret[64], size_t *ret_size,
                             struct cvm_error *err) {
        struct snp_id_block block;
        int r = snp_id_block_read(data, size, &block, err);

        if (r < 0)
                return r;
        memcpy(ret, block.digest, sizeof block.digest);
        *ret_size = sizeof block.digest;
        return 0;
}

static int add_options(json_object *options, struct measure_inputs *inputs, uint64_t *ret_policy,
                       struct cvm_error *err) {
        CVM_CLEANUP(snp_options_done) struct snp_options o = { 0 };
        int r = read_options(options, "definition", &o, err);

        if (r < 0)
                return r;
        inputs->vcpu_signature = (uint32_t)o.vcpu_signature;
        inputs->guest_features = o.guest_features;
        *ret_policy = 1u << 17 | (o.has_smt && !o.smt ? 0 : 1u << 16) | (uint64_t)o.debug << 19 |
                      (uint64_t)o.single_socket << 20 | (uint64_t)o.cxl_allow << 21 |
                      (uint64_t)o.mem_aes_256_xts << 22 | (uint64_t)o.rapl_dis << 23 |
                      (uint64_t)o.ciphertext_hiding << 24 | (uint64_t)o.page_swap_disable << 25 |
                      (uint64_t)o.abi_major << 8 | o.abi_minor;
        return 0;
}

static bool is_debug(uint64_t policy) {
        return policy >> 19 & 1;
}

/* --- on hardware --- */

/* QEMU asks for a number from 1 to 63 and tells the guest; a guest loses the one bit that marks its pages,
 * whatever the host's processor loses. */
#define GUEST_REDUCED_PHYS_BITS 1

/* Features that the object can set (SEV_FEATURES, APM vol. 2); bit 0 is every guest's. */
static const struct {
        uint64_t bit;
        const char *property;
} features[] = { { 1, NULL }, { 1u << 5, "debug-swap" }, { 1u << 9, "secure-tsc" } };

static int add_features(struct plan *plan, uint64_t wanted, struct cvm_error *err) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(features); i++) {
                if (wanted & features[i].bit && features[i].property)
                        r = plan_add(plan, features[i].property, json_object_new_boolean(true), err);
                wanted &= ~features[i].bit;
        }
        if (r >= 0 && wanted)
                return cvm_fail(err, &CVM_CODE_QEMU_OPTION, EOPNOTSUPP,
                                "'sev-snp.guest_features' has the bits 0x%" PRIx64 ", which QEMU cannot set",
                                wanted);
        return r;
}

static int add_base64(struct plan *plan, const char *name, const void *data, size_t size,
                      struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *text = cvm_base64(data, size);

        return plan_add(plan, name, text ? json_object_new_string(text) : NULL, err);
}

static int add_id_block(struct plan *plan, const struct snp_options *o, struct cvm_error *err) {
        uint8_t auth[SNP_ID_AUTH_SIZE] = { 0 };
        struct snp_id_block block;
        struct snp_id_keys keys;
        int r;

        if (!o->id_block.size)
                return 0;
        memcpy(auth, o->id_auth.data, o->id_auth.size);
        r = snp_id_block_verify(o->id_block.data, o->id_block.size, auth, sizeof auth, &block, &keys, err);
        if (r >= 0)
                r = add_base64(plan, "id-block", o->id_block.data, o->id_block.size, err);
        if (r >= 0)
                r = add_base64(plan, "id-auth", auth, sizeof auth, err);
        return r < 0 || !keys.has_author
                               ? r
                               : plan_add(plan, "author-key-enabled", json_object_new_boolean(true), err);
}

/* The model whose signature is measured: under another one, that signature's. */
static int choose_cpu(struct plan *plan, const struct snp_options *o, struct cvm_error *err) {
        const char *model =
                        plan->definition->cpu_model ? plan->definition->cpu_model : platform_snp.default_cpu;
        uint32_t s = (uint32_t)o->vcpu_signature;
        int n = s ? asprintf(&plan->cpu, "%s,family=%u,model=%u,stepping=%u", model,
                             (s >> 8 & 0xf) + (s >> 20 & 0xff), (s >> 4 & 0xf) | (s >> 12 & 0xf0), s & 0xf)
                  : asprintf(&plan->cpu, "%s", model);

        if (n < 0) {
                plan->cpu = NULL;
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making the plan");
        }
        return 0;
}

static int confide(struct plan *plan, const struct host_facts *facts, const uint8_t *host_data,
                   struct cvm_error *err) {
        CVM_CLEANUP(snp_options_done) struct snp_options o = { 0 };
        int r = read_options(plan->definition->platform_options[CVM_PLATFORM_SEV_SNP], "definition", &o,
                             err);

        plan->guest.type = "sev-snp-guest";
        if (r >= 0)
                r = choose_cpu(plan, &o, err);
        if (r >= 0)
                r = plan_add(plan, "cbitpos", json_object_new_uint64(facts->encryption_bit), err);
        if (r >= 0)
                r = plan_add(plan, "reduced-phys-bits", json_object_new_int(GUEST_REDUCED_PHYS_BITS), err);
        if (r >= 0)
                r = plan_add(plan, "policy", json_object_new_uint64(plan->policy), err);
        if (r >= 0 && plan->definition->kernel)
                r = plan_add(plan, "kernel-hashes", json_object_new_boolean(true), err);
        if (r >= 0 && host_data)
                r = add_base64(plan, "host-data", host_data, CVM_SHA256_SIZE, err);
        if (r >= 0)
                r = add_id_block(plan, &o, err);
        return r < 0 ? r : add_features(plan, o.guest_features, err);
}

/* Of query-sev. Before it runs the state is launch-update; no other answer means a measured guest. */
static int check_state(json_object *answer, uint64_t policy, struct cvm_error *err) {
        const struct cvm_json place = cvm_json_root(answer, "query-sev");
        const char *type = "", *state = "";
        bool enabled = false;
        uint64_t seen = 0;

        if (cvm_json_get_bool(&place, "enabled", &enabled, err) < 0 ||
            cvm_json_get_text(&place, "sev-type", &type, err) < 0 ||
            cvm_json_get_text(&place, "state", &state, err) < 0 ||
            cvm_json_get_u64(&place, "snp-policy", &seen, err) < 0)
                return -EBADMSG;
        if (enabled && strcmp(type, "sev-snp") == 0 && strcmp(state, "running") == 0 && seen == policy)
                return 0;
        return cvm_fail(err, &CVM_CODE_LAUNCH_STATE, EBADMSG,
                        "QEMU's guest is '%.32s' in state '%.32s' with policy 0x%" PRIx64
                        ", not the running SEV-SNP guest with policy 0x%" PRIx64 " that was planned",
                        enabled ? type : "not confidential", state, seen, policy);
}

static const char *const devices[] = { "/dev/kvm", "/dev/sev", NULL };

const struct platform platform_snp = {
        .id = CVM_PLATFORM_SEV_SNP,
        .name = "sev-snp",
        .title = "AMD SEV-SNP",
        .binary = "qemu-system-x86_64",
        .machine = "q35",
        .bus = "pci",
        .console = "isa-serial",
        .kernel_console = "ttyS0",
        .default_cpu = "EPYC-v4",
        .devices = devices,
        .options_fields = options_fields,
        .check_options = check_options,
        .add_options = add_options,
        .check_launch = check_launch,
        .is_debug = is_debug,
        .measure_firmware = snp_measure_firmware,
        .measure = snp_measure,
        .explain = snp_explain,
        .read_launch_block = read_launch_block,
        .synthetic_firmware = snp_synthetic_firmware,
        .read_host = snp_read_host,
        .confide = confide,
        .state_query = "query-sev",
        .check_state = check_state,
        .failures = snp_failures,
        .libvirt = &snp_libvirt,
        .host_data_size = CVM_SHA256_SIZE,
        .host_data = cvm_sha256,
};
