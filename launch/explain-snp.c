/*
 * The search follows the order of the launch, so that each piece is hashed once for all that comes behind
 * it: image, order of its sections, kernel hashes, and last the vCPUs, whose number is seen on the way. Up
 * to three things before the vCPUs may differ at once; where at most one does, the vCPUs are varied too.
 */
#include "launch/explain-snp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launch/cpu-model-snp.h"
#include "launch/measure-snp.h"

#define DIFFERENCES_MAX 3
#define DIFFERENCES_WITH_VCPUS 1
#define VCPUS_MAX 512
#define OWNER " cvm.owner="

static const char *const tried[] = {
        "the number of vCPUs, 1 to 512",
        "the CPU signature: every EPYC model of QEMU, and processors of AMD with steppings 0 to 3 (-cpu host)",
        "the guest features 0x1, 0x21 (debug swap), 0x201 (secure TSC), 0x221",
        "kernel hashes off",
        "the command line with and without newline, space, second NUL, NUL and cvm.owner=, and none",
        "initrd left out, kernel and initrd exchanged, and each other file in place of kernel or initrd",
        "each other file as the firmware",
        "the order of the firmware's sections: by address, kernel hashes first, kernel hashes last",
        NULL,
};

static const uint64_t features[] = { 0x1, 0x21, 0x201, 0x221 };

/* Families and models of processors that run such guests; -cpu host shows theirs. */
static const struct {
        uint32_t family, model;
} processors[] = { { 23, 1 }, { 23, 49 }, { 25, 1 }, { 25, 17 }, { 25, 160 }, { 26, 2 }, { 26, 17 } };

static uint32_t signature_of(uint32_t family, uint32_t model, uint32_t stepping) {
        return (family - 15) << 20 | (model >> 4) << 16 | 15u << 8 | (model & 15) << 4 | stepping;
}

/* --- what may stand in place of what was given --- */

struct alternative {
        const char *name;
        uint8_t sha256[CVM_SHA256_SIZE];
};

#define CMDLINES_MAX 10

struct search {
        const struct explain_request *request;
        struct explanation *found;
        struct snp_digest digest;
        struct alternative cmdlines[CMDLINES_MAX]; /* the first is the given one */
        size_t n_cmdlines;
        struct alternative *kernels, *initrds; /* owned; the first is the given one, or none */
        size_t n_kernels, n_initrds;
        uint32_t ap_reset;
};

/* What a launch has before its vCPUs, by the numbers of the alternatives; 0 is always what was given. */
struct way {
        const char *image; /* NULL: the given one */
        const char *order; /* NULL: the image's own */
        bool hashes_off;
        size_t kernel, initrd, cmdline;
};

static unsigned differences_of(const struct way *w) {
        return !!w->image + !!w->order + w->hashes_off + !!w->kernel + !!w->initrd + !!w->cmdline;
}

static void add_cmdline(struct search *s, const char *name, const char *text, size_t size) {
        struct alternative *a = &s->cmdlines[s->n_cmdlines++];

        a->name = name;
        cvm_sha256(text, size, a->sha256);
}

/* The texts of a command line with what gets lost or added on its way; its NUL is hashed too. */
static int list_cmdlines(struct search *s, struct cvm_error *err) {
        const char *given = s->request->given->cmdline ? s->request->given->cmdline : "", *owner;
        size_t length = strlen(given);
        CVM_CLEANUP(cvm_freep) char *text = calloc(length + 3, 1);

        if (!text)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "explaining");
        memcpy(text, given, length);
        add_cmdline(s, "as given", text, length + 1);
        add_cmdline(s, "with a second NUL", text, length + 2);
        add_cmdline(s, "without its NUL", text, length);
        add_cmdline(s, "none", "", 1);
        text[length] = '\n';
        add_cmdline(s, "with a newline at its end", text, length + 2);
        text[length] = ' ';
        add_cmdline(s, "with a space at its end", text, length + 2);
        text[length] = 0;
        if (length > 0 && (given[length - 1] == '\n' || given[length - 1] == ' ')) {
                text[length - 1] = 0;
                add_cmdline(s, "without the newline or space at its end", text, length);
        }
        owner = strstr(given, OWNER);
        if (owner) {
                text[owner - given] = 0;
                add_cmdline(s, "without cvm.owner= and what follows", text, (size_t)(owner - given) + 1);
        }
        return 0;
}

static void add_file(struct alternative *list, size_t *n, const char *name,
                     const uint8_t sha256[CVM_SHA256_SIZE]) {
        list[*n].name = name;
        memcpy(list[(*n)++].sha256, sha256, CVM_SHA256_SIZE);
}

static int list_files(struct search *s, struct cvm_error *err) {
        const struct explain_request *q = s->request;
        struct snp_hashes given;
        uint8_t empty[CVM_SHA256_SIZE];

        s->kernels = calloc(q->n_others + 2, sizeof *s->kernels);
        s->initrds = calloc(q->n_others + 3, sizeof *s->initrds);
        if (!s->kernels || !s->initrds)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "explaining");
        snp_hash_inputs(q->given, &given);
        cvm_sha256("", 0, empty);
        add_file(s->kernels, &s->n_kernels, "as given", given.kernel);
        add_file(s->initrds, &s->n_initrds, "as given", given.initrd);
        if (q->given->has_initrd) {
                add_file(s->kernels, &s->n_kernels, "the initrd", given.initrd);
                add_file(s->initrds, &s->n_initrds, "the kernel", given.kernel);
                add_file(s->initrds, &s->n_initrds, "none", empty);
        }
        for (size_t i = 0; i < q->n_others; i++) {
                add_file(s->kernels, &s->n_kernels, q->others[i].name, q->others[i].sha256);
                add_file(s->initrds, &s->n_initrds, q->others[i].name, q->others[i].sha256);
        }
        return 0;
}

/* --- the order of sections --- */

static int by_address(const void *a, const void *b) {
        const struct ovmf_section *x = a, *y = b;

        return x->gpa < y->gpa ? -1 : x->gpa > y->gpa;
}

static void sort_by_address(struct ovmf *ovmf) {
        qsort(ovmf->sections, ovmf->n_sections, sizeof *ovmf->sections, by_address);
}

static void move_hashes(struct ovmf *ovmf, bool to_end) {
        struct ovmf_section moved;
        size_t i = 0, to = to_end ? ovmf->n_sections - 1 : 0;

        while (i < ovmf->n_sections && ovmf->sections[i].type != OVMF_SECTION_KERNEL_HASHES)
                i++;
        if (i == ovmf->n_sections)
                return;
        moved = ovmf->sections[i];
        if (to_end)
                memmove(&ovmf->sections[i], &ovmf->sections[i + 1], (to - i) * sizeof moved);
        else
                memmove(&ovmf->sections[1], &ovmf->sections[0], i * sizeof moved);
        ovmf->sections[to] = moved;
}

static void hashes_first(struct ovmf *ovmf) {
        move_hashes(ovmf, false);
}

static void hashes_last(struct ovmf *ovmf) {
        move_hashes(ovmf, true);
}

static const struct {
        const char *name; /* NULL: the image's own */
        void (*apply)(struct ovmf *ovmf);
} orders[] = { { NULL, NULL },
               { "by address", sort_by_address },
               { "kernel hashes first", hashes_first },
               { "kernel hashes last", hashes_last } };

/* --- trying --- */

static bool is_observed(struct search *s, const struct snp_digest *d) {
        s->found->digests++;
        return memcmp(d->ld, s->request->observed, sizeof d->ld) == 0;
}

static uint32_t given_signature(const struct measure_inputs *in) {
        uint32_t signature = in->vcpu_signature;

        if (!signature)
                (void)snp_cpu_signature(in->cpu_model ? in->cpu_model : "", &signature, NULL);
        return signature;
}

static uint64_t given_features(const struct measure_inputs *in) {
        return in->guest_features ? in->guest_features : SNP_FEATURES_DEFAULT;
}

static void tell_number(struct search *s, const char *input, bool hex, uint64_t given, uint64_t observed) {
        char before[32], after[32];

        if (given == observed)
                return;
        snprintf(before, sizeof before, hex ? "0x%" PRIx64 : "%" PRIu64, given);
        snprintf(after, sizeof after, hex ? "0x%" PRIx64 : "%" PRIu64, observed);
        explanation_add(s->found, input, before, after);
}

static void tell_way(struct search *s, const struct way *w) {
        s->found->found = true;
        if (w->image)
                explanation_add(s->found, "firmware", "as given", w->image);
        if (w->order)
                explanation_add(s->found, "section order", "the image's own", w->order);
        if (w->hashes_off)
                explanation_add(s->found, "kernel hashes", "on",
                                "off: kernel, initrd and command line are not measured");
        if (w->kernel)
                explanation_add(s->found, "kernel", s->kernels[0].name, s->kernels[w->kernel].name);
        if (w->initrd)
                explanation_add(s->found, "initrd", s->initrds[0].name, s->initrds[w->initrd].name);
        if (w->cmdline)
                explanation_add(s->found, "cmdline", s->cmdlines[0].name, s->cmdlines[w->cmdline].name);
}

/* Numbers of vCPUs of one kind, from the first to the last of them. */
static bool try_vcpus(struct search *s, const struct way *w, struct snp_digest d, uint32_t signature,
                      uint64_t feature, uint32_t first, uint32_t last) {
        const struct measure_inputs *in = s->request->given;
        struct snp_vcpu vcpu;

        snp_digest_vcpu(&d, s->ap_reset, signature, feature, &vcpu);
        for (uint32_t i = 0; i < last; i++) {
                snp_digest_add_vcpu(&d, &vcpu, i);
                if (i + 1 < first || !is_observed(s, &d))
                        continue;
                tell_way(s, w);
                tell_number(s, "vcpus", false, in->vcpus, i + 1);
                tell_number(s, "vcpu_signature", true, given_signature(in), signature);
                tell_number(s, "guest_features", true, given_features(in), feature);
                return true;
        }
        return false;
}

static bool try_kinds(struct search *s, const struct way *w, const struct snp_digest *d,
                      uint32_t signature) {
        for (size_t i = 0; i < ARRAY_SIZE(features); i++)
                if (try_vcpus(s, w, *d, signature, features[i], 1, VCPUS_MAX))
                        return true;
        return try_vcpus(s, w, *d, signature, given_features(s->request->given), 1, VCPUS_MAX);
}

static bool vary_vcpus(struct search *s, const struct way *w, const struct snp_digest *d) {
        uint32_t signature;

        if (try_kinds(s, w, d, given_signature(s->request->given)))
                return true;
        for (size_t i = 0; snp_cpu_model_at(i, &signature); i++)
                if (try_kinds(s, w, d, signature))
                        return true;
        for (size_t i = 0; i < ARRAY_SIZE(processors); i++)
                for (uint32_t stepping = 0; stepping < 4; stepping++)
                        if (try_kinds(s, w, d,
                                      signature_of(processors[i].family, processors[i].model, stepping)))
                                return true;
        return false;
}

/* d: after the firmware. */
static bool try_way(struct search *s, const struct way *w, struct snp_digest d, const struct ovmf *ovmf) {
        const struct measure_inputs *in = s->request->given;
        struct snp_hashes hashes;

        if (differences_of(w) > DIFFERENCES_MAX)
                return false;
        memcpy(hashes.kernel, s->kernels[w->kernel].sha256, sizeof hashes.kernel);
        memcpy(hashes.initrd, s->initrds[w->initrd].sha256, sizeof hashes.initrd);
        memcpy(hashes.cmdline, s->cmdlines[w->cmdline].sha256, sizeof hashes.cmdline);
        snp_digest_sections(&d, ovmf, (in->has_kernel || w->kernel) && !w->hashes_off ? &hashes : NULL);
        if (s->request->progress)
                s->request->progress(s->request->ctx, s->found->digests);
        if (try_vcpus(s, w, d, given_signature(in), given_features(in), in->vcpus, in->vcpus))
                return true;
        return differences_of(w) <= DIFFERENCES_WITH_VCPUS && vary_vcpus(s, w, &d);
}

static bool try_hashes(struct search *s, struct way w, const struct snp_digest *d, const struct ovmf *ovmf) {
        for (w.kernel = 0; w.kernel < s->n_kernels; w.kernel++)
                for (w.initrd = 0; w.initrd < s->n_initrds; w.initrd++)
                        for (w.cmdline = 0; w.cmdline < s->n_cmdlines; w.cmdline++)
                                if (try_way(s, &w, *d, ovmf))
                                        return true;
        w.kernel = w.initrd = w.cmdline = 0;
        w.hashes_off = s->request->given->has_kernel;
        return w.hashes_off && try_way(s, &w, *d, ovmf);
}

static bool try_image(struct search *s, const char *name, const uint8_t *image, size_t size,
                      const struct ovmf *ovmf) {
        struct snp_digest d = { .md = s->digest.md };

        s->ap_reset = ovmf->reset_eip;
        snp_digest_firmware(&d, image, size);
        for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
                struct way w = { .image = name, .order = orders[i].name };
                struct ovmf other = *ovmf;

                if (orders[i].apply)
                        orders[i].apply(&other);
                if (orders[i].apply &&
                    memcmp(other.sections, ovmf->sections, ovmf->n_sections * sizeof *ovmf->sections) == 0)
                        continue;
                if (try_hashes(s, w, &d, &other))
                        return true;
        }
        return false;
}

static bool is_image(const uint8_t *bytes, size_t size, struct ovmf *ret) {
        return bytes && ovmf_read(bytes, size, ret, NULL) >= 0 && ret->has_metadata && ret->n_sections;
}

static void search(struct search *s) {
        const struct explain_request *q = s->request;
        struct ovmf ovmf;

        if (!is_image(q->given->firmware, q->given->firmware_size, &ovmf) ||
            try_image(s, NULL, q->given->firmware, q->given->firmware_size, &ovmf))
                return;
        for (size_t i = 0; i < q->n_others; i++)
                if (is_image(q->others[i].bytes, q->others[i].size, &ovmf) &&
                    try_image(s, q->others[i].name, q->others[i].bytes, q->others[i].size, &ovmf))
                        return;
}

int snp_explain(const struct explain_request *request, struct explanation *ret, struct cvm_error *err) {
        struct search s = { .request = request, .found = ret };
        struct measurement predicted;
        int r = snp_measure(request->given, &predicted, err);

        *ret = (struct explanation){ .tried = tried };
        if (r >= 0)
                r = list_cmdlines(&s, err);
        if (r >= 0)
                r = list_files(&s, err);
        if (r >= 0) {
                s.digest.md = snp_digest_context();
                r = s.digest.md ? 0 : cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "explaining");
        }
        if (r >= 0)
                search(&s);
        EVP_MD_CTX_free(s.digest.md);
        free(s.kernels);
        free(s.initrds);
        return r;
}
