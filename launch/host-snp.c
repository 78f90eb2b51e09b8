#include "launch/host-snp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

#define CHIP_ID_ROOM 64 /* of each socket in the answer, whatever the product's length */
#define LEAF_ENCRYPTION 0x8000001f
#define SOCKETS_MAX (HOST_FIRMWARE_ANSWER_MAX / CHIP_ID_ROOM)

void snp_read_host(int root_fd, struct host_facts *facts) {
        CVM_CLEANUP(host_probe_freep) struct host_probe *probe = NULL;
        struct host_cpuid leaf;
        struct cvm_error err = { 0 };

        if (!facts->has_kvm || strcmp(facts->cpu_vendor, "AuthenticAMD") != 0 ||
            !host_is_on(root_fd, "sys/module/kvm_amd/parameters/sev_snp") || !host_has(root_fd, "dev/sev"))
                return;
        if (host_probe_open(root_fd, &probe, &err) < 0 ||
            host_probe_cpuid(probe, LEAF_ENCRYPTION, &leaf, &err) < 0)
                return;
        facts->offers[CVM_PLATFORM_SEV_SNP] = true;
        facts->encryption_bit = leaf.ebx & 0x3f;
}

/* --- the firmware --- */

static int done(const struct cvm_reader *r, const char *what, struct cvm_error *err) {
        return cvm_reader_done(r) ? 0
                                  : cvm_fail(err, &CVM_CODE_HOST_PROBE, EBADMSG,
                                             "the firmware's %s has another length than it must", what);
}

int sev_host_status(struct host_probe *probe, struct sev_host_status *ret, struct cvm_error *err) {
        struct sev_host_status status = { 0 };
        struct host_answer answer;
        struct cvm_reader reader;
        int r = host_probe_firmware(probe, HOST_FIRMWARE_STATUS, &answer, err);

        if (r < 0)
                return r;
        reader = cvm_reader_of(answer.data, answer.size);
        status.api_major = cvm_read_u8(&reader);
        status.api_minor = cvm_read_u8(&reader);
        status.state = cvm_read_u8(&reader);
        status.is_es = cvm_read_u32le(&reader) & (1u << 8);
        status.build = cvm_read_u8(&reader);
        cvm_read_u32le(&reader); /* guests */
        r = done(&reader, "platform status", err);
        if (r >= 0)
                *ret = status;
        return r;
}

int snp_host_status(struct host_probe *probe, struct snp_host_status *ret, struct cvm_error *err) {
        struct snp_host_status status = { 0 };
        struct host_answer answer;
        struct cvm_reader reader;
        uint8_t bits;
        int r = host_probe_firmware(probe, HOST_FIRMWARE_GUEST_STATUS, &answer, err);

        if (r < 0)
                return r;
        reader = cvm_reader_of(answer.data, answer.size);
        status.api_major = cvm_read_u8(&reader);
        status.api_minor = cvm_read_u8(&reader);
        status.is_initialised = cvm_read_u8(&reader) == 1;
        bits = cvm_read_u8(&reader);
        status.has_rmp = bits & 1;
        status.has_no_aliases = bits & 2;
        status.build = cvm_read_u32le(&reader);
        status.flags = cvm_read_u32le(&reader);
        status.guests = cvm_read_u32le(&reader);
        cvm_read_copy(&reader, status.current_tcb, SNP_TCB_SIZE);
        cvm_read_copy(&reader, status.reported_tcb, SNP_TCB_SIZE);
        r = done(&reader, "SNP platform status", err);
        if (r >= 0)
                *ret = status;
        return r;
}

/* --- the processor --- */

int snp_host_cpu(struct host_probe *probe, struct snp_host_cpu *ret, struct cvm_error *err) {
        struct host_cpuid leaf;
        struct snp_host_cpu cpu;
        uint32_t family, model;
        int r = host_probe_cpuid(probe, 1, &leaf, err);

        if (r < 0)
                return r;
        family = leaf.eax >> 8 & 0xf;
        model = leaf.eax >> 4 & 0xf;
        if (family == 0xf) {
                family += leaf.eax >> 20 & 0xff;
                model |= leaf.eax >> 12 & 0xf0;
        }
        cpu = (struct snp_host_cpu){ .signature = leaf.eax,
                                     .family = (uint8_t)family,
                                     .model = (uint8_t)model,
                                     .stepping = leaf.eax & 0xf };
        cpu.is_known = family <= UINT8_MAX && snp_product_by_cpuid(cpu.family, cpu.model, &cpu.product) == 0;
        *ret = cpu;
        return 0;
}

void snp_tcb_text(enum snp_product product, const uint8_t tcb[SNP_TCB_SIZE], char *ret, size_t size) {
        size_t n = 0;

        *ret = 0;
        for (size_t i = 0; i < SNP_TCB_SIZE && n < size; i++)
                if (snp_products[product].components[i])
                        n += (size_t)snprintf(ret + n, size - n, "%s%s %u", n ? ", " : "",
                                              snp_products[product].components[i], tcb[i]);
}

/* --- facts --- */

static void add_text(json_object *node, const char *key, const char *text) {
        json_object_object_add(node, key, json_object_new_string(text));
}

static void add_number(json_object *node, const char *key, uint64_t value) {
        json_object_object_add(node, key, json_object_new_uint64(value));
}

static json_object *tcb_node(enum snp_product product, const uint8_t tcb[SNP_TCB_SIZE]) {
        json_object *node = json_object_new_object();

        for (size_t i = 0; i < SNP_TCB_SIZE; i++)
                if (snp_products[product].components[i])
                        add_number(node, snp_products[product].components[i], tcb[i]);
        return node;
}

static void add_cpu(json_object *node, const struct snp_host_cpu *cpu) {
        char signature[9];

        snprintf(signature, sizeof signature, "%08x", cpu->signature);
        if (cpu->is_known)
                add_text(node, "product", snp_products[cpu->product].name);
        add_text(node, "cpu_signature", signature);
}

/* What QEMU must be told of the processor. */
static void add_memory_encryption(json_object *node, struct host_probe *probe) {
        struct host_cpuid leaf;
        struct cvm_error err = { 0 };

        if (host_probe_cpuid(probe, LEAF_ENCRYPTION, &leaf, &err) < 0 || !(leaf.eax & 2))
                return;
        add_number(node, "cbitpos", leaf.ebx & 0x3f);
        add_number(node, "reduced_phys_bits", leaf.ebx >> 6 & 0x3f);
}

static void add_kvm(json_object *node, struct host_probe *probe) {
        static const struct {
                const char *key;
                enum host_kvm_question question;
        } rows[] = { { "guest_features", HOST_KVM_FEATURES }, { "policy_bits", HOST_KVM_POLICY_BITS } };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct cvm_error err = { 0 };
                char hex[19];
                uint64_t value;

                if (host_probe_kvm(probe, rows[i].question, &value, &err) < 0)
                        continue;
                snprintf(hex, sizeof hex, "%llx", (unsigned long long)value);
                add_text(node, rows[i].key, hex);
        }
}

/* A second socket has its own id; where a guest runs, its report shows. Zeros name no chip. */
static void add_chip_ids(json_object *node, struct host_probe *probe, const struct snp_host_cpu *cpu) {
        json_object *ids = json_object_new_array();
        struct host_answer answer = { 0 };
        struct cvm_error err = { 0 };
        size_t size = cpu->is_known ? snp_products[cpu->product].chip_id_size : 0;

        if (size && host_probe_firmware(probe, HOST_FIRMWARE_CHIP_IDS, &answer, &err) < 0)
                size = 0;
        for (size_t i = 0; size && (i + 1) * CHIP_ID_ROOM <= answer.size && i < SOCKETS_MAX; i++) {
                char hex[2 * CHIP_ID_ROOM + 1];

                if (cvm_is_zero(answer.data + i * CHIP_ID_ROOM, size))
                        continue;
                cvm_hex(answer.data + i * CHIP_ID_ROOM, size, hex);
                json_object_array_add(ids, json_object_new_string(hex));
        }
        json_object_object_add(node, "chip_ids", ids);
}

static void add_status(json_object *node, const struct snp_host_status *status,
                       const struct snp_host_cpu *cpu) {
        char version[16];

        snprintf(version, sizeof version, "%u.%u.%u", status->api_major, status->api_minor, status->build);
        add_text(node, "firmware", version);
        json_object_object_add(node, "initialised", json_object_new_boolean(status->is_initialised));
        json_object_object_add(node, "chip_id_masked",
                               json_object_new_boolean(status->flags & SNP_STATUS_MASK_CHIP_ID));
        add_number(node, "guests", status->guests);
        if (!cpu->is_known)
                return;
        json_object_object_add(node, "reported_is_current",
                               json_object_new_boolean(memcmp(status->current_tcb, status->reported_tcb,
                                                              SNP_TCB_SIZE) == 0));
        json_object_object_add(node, "current_tcb", tcb_node(cpu->product, status->current_tcb));
        json_object_object_add(node, "reported_tcb", tcb_node(cpu->product, status->reported_tcb));
}

int snp_host_facts(const struct host_scene *scene, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = json_object_new_object();
        struct snp_host_status status;
        struct snp_host_cpu cpu;
        struct cvm_error why = { 0 };
        int r = snp_host_cpu(scene->probe, &cpu, err);

        if (r < 0)
                return r;
        add_text(node, "platform", cvm_platform_texts[CVM_PLATFORM_SEV_SNP]);
        add_cpu(node, &cpu);
        add_memory_encryption(node, scene->probe);
        add_kvm(node, scene->probe);
        add_chip_ids(node, scene->probe, &cpu);
        if (snp_host_status(scene->probe, &status, &why) >= 0)
                add_status(node, &status, &cpu);
        *ret = TAKE_PTR(node);
        return 0;
}
