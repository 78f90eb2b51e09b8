#include "launch/digest-snp.h"

#include <stdlib.h>
#include <string.h>

#include "base/parallel.h"

#define PAGE OVMF_PAGE
#define DIGEST CVM_SHA384_SIZE
#define PAGE_INFO_SIZE 0x70
#define VMSA_GPA 0xfffffffff000ull
#define BSP_RESET 0xfffffff0u
#define PIECE_PAGES 32   /* hashed in a row by one thread */
#define BATCH_PAGES 1024 /* of the usual image; their digests lie on the stack */

enum page_type {
        PAGE_NORMAL = 1,
        PAGE_VMSA = 2,
        PAGE_ZERO = 3,
        PAGE_SECRETS = 5,
        PAGE_CPUID = 6,
};

static const uint8_t no_contents[DIGEST];

/* As in base/digest.c: these fail only for want of memory, with which nothing could go on. */
static void digest(struct snp_digest *d, const void *data, size_t size, uint8_t ret[DIGEST]) {
        if (EVP_DigestInit_ex(d->md, NULL, NULL) != 1 || EVP_DigestUpdate(d->md, data, size) != 1 ||
            EVP_DigestFinal_ex(d->md, ret, NULL) != 1)
                abort();
}

static void put_le(uint8_t *at, uint64_t v, size_t size) {
        for (size_t i = 0; i < size; i++, v >>= 8)
                at[i] = (uint8_t)v;
}

/* FWABI table PAGE_INFO; contents is the page's SHA-384 or zeros. */
static void extend(struct snp_digest *d, const uint8_t contents[DIGEST], enum page_type type, uint64_t gpa) {
        uint8_t info[PAGE_INFO_SIZE] = { 0 };

        memcpy(info, d->ld, DIGEST);
        memcpy(info + 0x30, contents, DIGEST);
        put_le(info + 0x60, PAGE_INFO_SIZE, 2);
        info[0x62] = (uint8_t)type;
        put_le(info + 0x68, gpa, 8);
        digest(d, info, sizeof info, d->ld);
}

static void extend_pages(struct snp_digest *d, enum page_type type, uint64_t gpa, size_t size) {
        for (size_t at = 0; at < size; at += PAGE)
                extend(d, no_contents, type, gpa + at);
}

/* Contents of some pages of an image, one after the other; all of them before the chain goes over them. */
struct batch {
        const EVP_MD *md; /* borrowed */
        const uint8_t *pages;
        size_t n;
        uint8_t contents[BATCH_PAGES][DIGEST];
};

static void hash_piece(void *ctx, size_t piece) {
        struct batch *b = ctx;
        struct snp_digest d = { .md = EVP_MD_CTX_new() };
        size_t end = (piece + 1) * PIECE_PAGES;

        if (!d.md || EVP_DigestInit_ex(d.md, b->md, NULL) != 1)
                abort();
        for (size_t i = piece * PIECE_PAGES; i < end && i < b->n; i++)
                digest(&d, b->pages + i * PAGE, PAGE, b->contents[i]);
        EVP_MD_CTX_free(d.md);
}

void snp_digest_firmware(struct snp_digest *d, const uint8_t *image, size_t size) {
        struct batch b = { .md = EVP_MD_CTX_get0_md(d->md) };
        uint64_t gpa = (1ull << 32) - size;

        for (size_t left = size / PAGE; left > 0; left -= b.n, gpa += b.n * PAGE) {
                b.n = left < BATCH_PAGES ? left : BATCH_PAGES;
                b.pages = image + size - left * PAGE;
                cvm_parallel((b.n + PIECE_PAGES - 1) / PIECE_PAGES, hash_piece, &b);
                for (size_t i = 0; i < b.n; i++)
                        extend(d, b.contents[i], PAGE_NORMAL, gpa + i * PAGE);
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

/* The 176 bytes that QEMU builds. */
static void make_hashes_table(const struct snp_hashes *hashes, uint8_t table[SNP_HASHES_SIZE]) {
        uint8_t *at = table + 18;

        memset(table, 0, SNP_HASHES_SIZE);
        memcpy(table, guid_table, 16);
        put_le(table + 16, 168, 2);
        at = put_hash(at, guid_cmdline, hashes->cmdline);
        at = put_hash(at, guid_initrd, hashes->initrd);
        put_hash(at, guid_kernel, hashes->kernel);
}

static void extend_hashes(struct snp_digest *d, const struct snp_hashes *hashes, const struct ovmf *ovmf,
                          const struct ovmf_section *section) {
        uint8_t page[PAGE] = { 0 }, contents[DIGEST];

        make_hashes_table(hashes, page + ovmf->hashes_gpa % PAGE);
        digest(d, page, sizeof page, contents);
        extend(d, contents, PAGE_NORMAL, section->gpa);
}

static enum page_type page_type_of(enum ovmf_section_type type) {
        return type == OVMF_SECTION_SECRETS ? PAGE_SECRETS
               : type == OVMF_SECTION_CPUID ? PAGE_CPUID
                                            : PAGE_ZERO;
}

void snp_digest_sections(struct snp_digest *d, const struct ovmf *ovmf, const struct snp_hashes *hashes) {
        for (size_t i = 0; i < ovmf->n_sections; i++) {
                const struct ovmf_section *s = &ovmf->sections[i];

                if (s->type == OVMF_SECTION_KERNEL_HASHES && hashes)
                        extend_hashes(d, hashes, ovmf, s);
                else
                        extend_pages(d, page_type_of(s->type), s->gpa, s->size);
        }
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

void snp_digest_vcpu(struct snp_digest *d, uint32_t ap_reset, uint32_t signature, uint64_t features,
                     struct snp_vcpu *ret) {
        uint8_t page[PAGE];

        make_vmsa(BSP_RESET, signature, features, page);
        digest(d, page, sizeof page, ret->first);
        make_vmsa(ap_reset, signature, features, page);
        digest(d, page, sizeof page, ret->further);
}

void snp_digest_add_vcpu(struct snp_digest *d, const struct snp_vcpu *vcpu, uint32_t i) {
        extend(d, i == 0 ? vcpu->first : vcpu->further, PAGE_VMSA, VMSA_GPA);
}

EVP_MD_CTX *snp_digest_context(void) {
        EVP_MD_CTX *md = EVP_MD_CTX_new();

        if (md && EVP_DigestInit_ex(md, EVP_sha384(), NULL) == 1)
                return md;
        EVP_MD_CTX_free(md);
        return NULL;
}
