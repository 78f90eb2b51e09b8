#include "launch/hob-tdx.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "launch/q35.h"

#define RANGES_MAX (2 * TDVF_SECTIONS_MAX + 2) /* each section adds itself and what is behind it */
#define ABOVE_4G 0x100000000u
#define HOB_HANDOFF 1
#define HOB_RESOURCE 3
#define HOB_END_SIZE 8
#define HANDOFF_SIZE 56
#define RESOURCE_SIZE 48
#define MEMORY 0 /* resource types */
#define UNACCEPTED 7
#define ATTRIBUTES 7 /* present, initialized, tested */

struct range {
        uint64_t start, size;
        bool added; /* before the guest runs; the rest it accepts itself */
};

struct ranges {
        struct range list[RANGES_MAX];
        size_t n;
};

static void add(struct ranges *r, uint64_t start, uint64_t size, bool added) {
        if (size)
                r->list[r->n++] = (struct range){ start, size, added };
}

/* The section out of the range that holds it; what is left of that before and behind stays. */
static bool carve(struct ranges *r, const struct tdvf_section *s) {
        for (size_t i = 0; i < r->n; i++) {
                struct range *whole = &r->list[i];
                uint64_t before = s->gpa - whole->start;

                if (whole->added || s->gpa < whole->start || before > whole->size ||
                    s->size > whole->size - before)
                        continue;
                add(r, s->gpa + s->size, whole->size - before - s->size, false);
                if (before) {
                        whole->size = before;
                        add(r, s->gpa, s->size, true);
                } else
                        *whole = (struct range){ s->gpa, s->size, true };
                return true;
        }
        return false;
}

static int by_start(const void *a, const void *b) {
        const struct range *x = a, *y = b;

        return x->start < y->start ? -1 : x->start > y->start;
}

static void write_header(struct cvm_writer *w, uint16_t type, uint16_t size) {
        cvm_write_u16le(w, type);
        cvm_write_u16le(w, size);
        cvm_write_u32le(w, 0);
}

static void write_list(struct cvm_writer *w, uint64_t at, const struct ranges *r) {
        write_header(w, HOB_HANDOFF, HANDOFF_SIZE);
        cvm_write_u32le(w, 9); /* version */
        cvm_write_u32le(w, 0); /* boot mode */
        cvm_write_zeros(w, 4 * sizeof(uint64_t));
        cvm_write_u64le(w, at + HANDOFF_SIZE + RESOURCE_SIZE * r->n + HOB_END_SIZE);
        for (size_t i = 0; i < r->n; i++) {
                write_header(w, HOB_RESOURCE, RESOURCE_SIZE);
                cvm_write_zeros(w, 16); /* owner */
                cvm_write_u32le(w, r->list[i].added ? MEMORY : UNACCEPTED);
                cvm_write_u32le(w, ATTRIBUTES);
                cvm_write_u64le(w, r->list[i].start);
                cvm_write_u64le(w, r->list[i].size);
        }
}

bool tdx_hob_digest(const struct tdvf *tdvf, uint64_t memory, uint8_t ret[CVM_SHA384_SIZE]) {
        uint64_t below_4g = q35_below_4g(memory), at = 0;
        struct ranges ranges = { 0 };
        struct cvm_writer w = { 0 };
        bool made;

        add(&ranges, 0, below_4g, false);
        add(&ranges, ABOVE_4G, memory - below_4g, false);
        for (size_t i = 0; i < tdvf->n_sections; i++) {
                const struct tdvf_section *s = &tdvf->sections[i];

                if (tdvf_has_bytes(s))
                        continue;
                if (!carve(&ranges, s))
                        return false;
                if (s->type == TDVF_HAND_OFF)
                        at = s->gpa;
        }
        qsort(ranges.list, ranges.n, sizeof *ranges.list, by_start);
        write_list(&w, at, &ranges);
        made = !w.failed;
        if (made)
                cvm_sha384(w.bytes.data, w.bytes.size, ret);
        cvm_writer_done(&w);
        return made;
}
