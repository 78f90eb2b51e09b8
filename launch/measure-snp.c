/*
 * The launch digest is a chain over pages: LD := SHA-384(PAGE_INFO), PAGE_INFO holding the digest so far,
 * the digest of the page's contents (zeros for types whose contents are not measured), type and address.
 * QEMU hands over the firmware, then the sections of its metadata in the image's own order; KVM adds one
 * VMSA per vCPU.
 */
#include "launch/measure-snp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clean-openssl.h"
#include "launch/cpu-model-snp.h"
#include "launch/firmware-ovmf.h"

#define PAGE OVMF_PAGE
#define DIGEST CVM_SHA384_SIZE
#define PAGE_INFO_SIZE 0x70
#define VMSA_GPA 0xfffffffff000ull
#define BSP_RESET 0xfffffff0u
#define FEATURES_DEFAULT 0x1ull /* SNPActive: Linux 6.8 and later with QEMU */
#define HASHES_TABLE_SIZE 176

enum page_type {
        PAGE_NORMAL = 1,
        PAGE_VMSA = 2,
        PAGE_ZERO = 3,
        PAGE_SECRETS = 5,
        PAGE_CPUID = 6,
};

static const uint8_t no_contents[DIGEST];

/* The digest so far, and one context for all the hashing: looking SHA-384 up costs as much as hashing it. */
struct chain {
        EVP_MD_CTX *md;
        uint8_t ld[DIGEST];
};

/* As in base/digest.c: these fail only for want of memory, with which nothing could go on. */
static void digest(struct chain *c, const void *data, size_t size, uint8_t ret[DIGEST]) {
        if (EVP_DigestInit_ex(c->md, NULL, NULL) != 1 || EVP_DigestUpdate(c->md, data, size) != 1 ||
            EVP_DigestFinal_ex(c->md, ret, NULL) != 1)
                abort();
}

static void put_le(uint8_t *at, uint64_t v, size_t size) {
        for (size_t i = 0; i < size; i++, v >>= 8)
                at[i] = (uint8_t)v;
}

/* FWABI table PAGE_INFO; contents is the page's SHA-384 or zeros. */
static void extend(struct chain *c, const uint8_t contents[DIGEST], enum page_type type, uint64_t gpa) {
        uint8_t info[PAGE_INFO_SIZE] = { 0 };

        memcpy(info, c->ld, DIGEST);
        memcpy(info + 0x30, contents, DIGEST);
        put_le(info + 0x60, PAGE_INFO_SIZE, 2);
        info[0x62] = (uint8_t)type;
        put_le(info + 0x68, gpa, 8);
        digest(c, info, sizeof info, c->ld);
}

static void extend_pages(struct chain *c, enum page_type type, uint64_t gpa, size_t size) {
        for (size_t at = 0; at < size; at += PAGE)
                extend(c, no_contents, type, gpa + at);
}

static void extend_firmware(struct chain *c, const uint8_t *image, size_t size) {
        uint64_t gpa = (1ull << 32) - size;
        uint8_t contents[DIGEST];

        for (size_t at = 0; at < size; at += PAGE) {
                digest(c, image + at, PAGE, contents);
                extend(c, contents, PAGE_NORMAL, gpa + at);
        }
}

/* GUIDs of the hashes table, as they stand in memory. */
static const uint8_t guid_table[16] = { 0x06, 0xd6, 0x38, 0x94, 0x22, 0x4f, 0xc9, 0x4c,
                                        0xb4, 0x79, 0xa7, 0x93, 0xd4, 0x11, 0xfd, 0x21 };
static const uint8_t guid_cmdline[16] = { 0xd8, 0x2d, 0xd0, 0x97, 0x20, 0xbd, 0x94, 0x4c,
                                          0xaa, 0x78, 0xe7, 0x71, 0x4d, 0x36, 0xab, 0x2a };
static const uint8_t guid_initrd[16] = { 0x31, 0xf7, 0xba, 0x44, 0x2f, 0x3a, 0xd7, 0x4b,
                                         0x9a, 0xf1, 0x41, 0xe2, 0x91, 0x69, 0x78, 0x1d };
static const uint8_t guid_kernel[16] = { 0x37, 0x94, 0xe7, 0x4d, 0xd2, 0xab, 0x7f, 0x42,
                                         0xb8, 0x35, 0xd5, 0xb1, 0x72, 0xd2, 0x04, 0x5b };

static uint8_t *put_hash(uint8_t *at, const uint8_t guid[16], const uint8_t sha256[CVM_SHA256_SIZE]) {
        memcpy(at, guid, 16);
        put_le(at + 16, 50, 2);
        memcpy(at + 18, sha256, CVM_SHA256_SIZE);
        return at + 50;
}

/* The 176 bytes that QEMU builds; the command line is hashed with its NUL, absent files as empty ones. */
static void make_hashes_table(const struct measure_inputs *in, uint8_t table[HASHES_TABLE_SIZE]) {
        const char *cmdline = in->cmdline ? in->cmdline : "";
        uint8_t cmdline_sha256[CVM_SHA256_SIZE], empty_sha256[CVM_SHA256_SIZE], *at = table + 18;

        memset(table, 0, HASHES_TABLE_SIZE);
        cvm_sha256(cmdline, strlen(cmdline) + 1, cmdline_sha256);
        cvm_sha256("", 0, empty_sha256);
        memcpy(table, guid_table, 16);
        put_le(table + 16, 168, 2);
        at = put_hash(at, guid_cmdline, cmdline_sha256);
        at = put_hash(at, guid_initrd, in->has_initrd ? in->initrd_sha256 : empty_sha256);
        put_hash(at, guid_kernel, in->kernel_sha256);
}

static void extend_hashes(struct chain *c, const struct measure_inputs *in, const struct ovmf *ovmf,
                          const struct ovmf_section *section) {
        uint8_t page[PAGE] = { 0 }, contents[DIGEST];

        make_hashes_table(in, page + ovmf->hashes_gpa % PAGE);
        digest(c, page, sizeof page, contents);
        extend(c, contents, PAGE_NORMAL, section->gpa);
}

static enum page_type page_type_of(enum ovmf_section_type type) {
        return type == OVMF_SECTION_SECRETS ? PAGE_SECRETS
               : type == OVMF_SECTION_CPUID ? PAGE_CPUID
                                            : PAGE_ZERO;
}

static void extend_sections(struct chain *c, const struct measure_inputs *in, const struct ovmf *ovmf) {
        for (size_t i = 0; i < ovmf->n_sections; i++) {
                const struct ovmf_section *s = &ovmf->sections[i];

                if (s->type == OVMF_SECTION_KERNEL_HASHES && in->has_kernel)
                        extend_hashes(c, in, ovmf, s);
                else
                        extend_pages(c, page_type_of(s->type), s->gpa, s->size);
        }
}

/* A kernel is measured only through the hashes: without room for them it would run unmeasured. */
static int check_hashes(const struct measure_inputs *in, const struct ovmf *ovmf, struct cvm_error *err) {
        size_t found = 0;

        if (!in->has_kernel)
                return 0;
        for (size_t i = 0; ovmf->has_hashes && i < ovmf->n_sections; i++) {
                const struct ovmf_section *s = &ovmf->sections[i];

                if (s->type != OVMF_SECTION_KERNEL_HASHES)
                        continue;
                found++;
                if (s->size != PAGE)
                        return cvm_fail(err, &CVM_CODE_FIRMWARE, EINVAL,
                                        "the firmware's section for kernel hashes is not one page");
                if (s->gpa != ovmf->hashes_gpa - ovmf->hashes_gpa % PAGE) /* it would look elsewhere */
                        return cvm_fail(err, &CVM_CODE_FIRMWARE, EINVAL,
                                        "the firmware looks for kernel hashes outside the section for them");
        }
        if (found != 1 || ovmf->hashes_size < HASHES_TABLE_SIZE ||
            ovmf->hashes_gpa % PAGE > PAGE - HASHES_TABLE_SIZE)
                return cvm_fail(err, &CVM_CODE_FIRMWARE, EINVAL,
                                "the firmware has no room for kernel hashes: a kernel given to it would not be measured");
        return 0;
}

struct segment {
        uint16_t at, selector, attributes;
        uint32_t limit;
        uint64_t base;
};

/* The save area of a vCPU after reset by QEMU and KVM (APM vol. 2, appendix B); what is not listed is zero.
 */
static void make_vmsa(uint32_t reset, uint32_t signature, uint64_t features, uint8_t page[PAGE]) {
        const struct segment segments[] = {
                { 0x000, 0, 0x0093, 0xffff, 0 },                       /* ES */
                { 0x010, 0xf000, 0x009b, 0xffff, reset & 0xffff0000 }, /* CS */
                { 0x020, 0, 0x0093, 0xffff, 0 },                       /* SS */
                { 0x030, 0, 0x0093, 0xffff, 0 },                       /* DS */
                { 0x040, 0, 0x0093, 0xffff, 0 },                       /* FS */
                { 0x050, 0, 0x0093, 0xffff, 0 },                       /* GS */
                { 0x060, 0, 0, 0xffff, 0 },                            /* GDTR */
                { 0x070, 0, 0x0082, 0xffff, 0 },                       /* LDTR */
                { 0x080, 0, 0, 0xffff, 0 },                            /* IDTR */
                { 0x090, 0, 0x008b, 0xffff, 0 },                       /* TR */
        };
        const struct {
                uint16_t at;
                uint64_t value;
        } registers[] = {
                { 0x0d0, 0x1000 },             /* EFER: SVME, set by KVM */
                { 0x148, 0x40 },               /* CR4: MCE, set by KVM */
                { 0x158, 0x10 },               /* CR0 */
                { 0x160, 0x400 },              /* DR7 */
                { 0x168, 0xffff0ff0 },         /* DR6 */
                { 0x170, 0x2 },                /* RFLAGS */
                { 0x178, reset & 0xffff },     /* RIP */
                { 0x268, 0x0007040600070406 }, /* G_PAT */
                { 0x310, signature },          /* RDX */
                { 0x3b0, features },           /* SEV_FEATURES */
                { 0x3e8, 0x1 },                /* XCR0 */
                { 0x408, 0x1f80 },             /* MXCSR, 4 bytes; the next 4 are zero */
                { 0x410, 0x37f },              /* x87 FCW, 2 bytes; the next 6 are zero */
        };

        memset(page, 0, PAGE);
        for (size_t i = 0; i < ARRAY_SIZE(segments); i++) {
                uint8_t *at = page + segments[i].at;

                put_le(at, segments[i].selector, 2);
                put_le(at + 2, segments[i].attributes, 2);
                put_le(at + 4, segments[i].limit, 4);
                put_le(at + 8, segments[i].base, 8);
        }
        for (size_t i = 0; i < ARRAY_SIZE(registers); i++)
                put_le(page + registers[i].at, registers[i].value, 8);
}

/* All application processors start alike: their page is hashed once. */
static void extend_vcpus(struct chain *c, const struct measurement *m, uint32_t ap_reset) {
        uint8_t page[PAGE], contents[DIGEST];

        make_vmsa(BSP_RESET, m->vcpu_signature, m->guest_features, page);
        digest(c, page, sizeof page, contents);
        extend(c, contents, PAGE_VMSA, VMSA_GPA);
        make_vmsa(ap_reset, m->vcpu_signature, m->guest_features, page);
        digest(c, page, sizeof page, contents);
        for (uint32_t i = 1; i < m->vcpus; i++)
                extend(c, contents, PAGE_VMSA, VMSA_GPA);
}

static int check_image(const struct measure_inputs *in, struct ovmf *ret, struct cvm_error *err) {
        int r = ovmf_read(in->firmware, in->firmware_size, ret, err);

        if (r < 0)
                return r;
        if (!ret->has_metadata)
                return cvm_fail(err, &CVM_CODE_FIRMWARE, EINVAL, "the firmware has no SEV metadata");
        if (in->vcpus > 1 && !ret->has_reset)
                return cvm_fail(err, &CVM_CODE_FIRMWARE, EINVAL,
                                "the firmware does not say where further vCPUs start (no reset block)");
        return check_hashes(in, ret, err);
}

int snp_measure(const struct measure_inputs *in, struct measurement *ret, struct cvm_error *err) {
        struct measurement m = {
                .platform = CVM_PLATFORM_SEV_SNP,
                .size = DIGEST,
                .covers_firmware = true,
                .covers_kernel = in->has_kernel,
                .covers_initrd = in->has_kernel,
                .covers_cmdline = in->has_kernel,
                .vcpus = in->vcpus,
                .vcpu_signature = in->vcpu_signature,
                .guest_features = in->guest_features ? in->guest_features : FEATURES_DEFAULT,
        };
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *md = EVP_MD_CTX_new();
        struct chain chain = { .md = md };
        struct ovmf ovmf;
        int r;

        if (in->vcpus < 1 || in->vcpus > 512)
                return cvm_fail(err, &CVM_CODE_VCPUS, EINVAL, "a guest has 1 to 512 vCPUs, not %u",
                                in->vcpus);
        if (!m.vcpu_signature) {
                r = snp_cpu_signature(in->cpu_model ? in->cpu_model : "", &m.vcpu_signature, err);
                if (r < 0)
                        return r;
        }
        r = check_image(in, &ovmf, err);
        if (r < 0)
                return r;
        if (!md || EVP_DigestInit_ex(md, EVP_sha384(), NULL) != 1)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "measuring");
        extend_firmware(&chain, in->firmware, in->firmware_size);
        extend_sections(&chain, in, &ovmf);
        extend_vcpus(&chain, &m, ovmf.reset_eip);
        memcpy(m.digest, chain.ld, DIGEST);
        cvm_sha256(in->firmware, in->firmware_size, m.firmware_sha256);
        *ret = m;
        return 0;
}
