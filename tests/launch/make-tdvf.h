/* A firmware image with TDX metadata, made by the test: eight pages, of which it may change each field. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define IMAGE_SIZE 32768u
#define IMAGE_METADATA 0x7c00u /* where the descriptor stands */
#define IMAGE_SECTIONS 4u

struct image_section {
        uint32_t offset, raw;
        uint64_t gpa, size;
        uint32_t type, attributes;
};

struct image_plan {
        struct image_section sections[8];
        uint32_t n_sections, count, length, version, offset_from_end;
        char magic[5];
};

static const struct image_plan image_good = {
        .sections = { { 0x1000, 0x7000, 0xffff9000, 0x7000, 0, 1 },
                      { 0, 0x1000, 0xffff8000, 0x1000, 1, 0 },
                      { 0, 0, 0x809000, 0x2000, 2, 0 },
                      { 0, 0, 0x800000, 0x3000, 3, 0 } },
        .n_sections = IMAGE_SECTIONS,
        .count = IMAGE_SECTIONS,
        .length = 16 + 32 * IMAGE_SECTIONS,
        .version = 1,
        .offset_from_end = IMAGE_SIZE - IMAGE_METADATA,
        .magic = "TDVF",
};

static inline void image_put(uint8_t *at, uint64_t value, size_t size) {
        for (size_t i = 0; i < size; i++)
                at[i] = (uint8_t)(value >> 8 * i);
}

static inline void image_make(const struct image_plan *plan, uint8_t ret[IMAGE_SIZE]) {
        static const uint8_t metadata[16] = { 0x35, 0x65, 0x7a, 0xe4, 0x4a, 0x98, 0x98, 0x47,
                                              0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e, 0xc2 };
        static const uint8_t footer[16] = { 0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
                                            0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d };
        uint8_t *p = ret + IMAGE_METADATA;

        for (size_t i = 0; i < IMAGE_SIZE; i++)
                ret[i] = (uint8_t)(i * 7 + (i >> 8));
        memcpy(p, plan->magic, 4);
        image_put(p + 4, plan->length, 4);
        image_put(p + 8, plan->version, 4);
        image_put(p + 12, plan->count, 4);
        p += 16;
        for (size_t i = 0; i < plan->n_sections; i++, p += 32) {
                const struct image_section *s = &plan->sections[i];

                image_put(p, s->offset, 4);
                image_put(p + 4, s->raw, 4);
                image_put(p + 8, s->gpa, 8);
                image_put(p + 16, s->size, 8);
                image_put(p + 24, s->type, 4);
                image_put(p + 28, s->attributes, 4);
        }
        p = ret + IMAGE_SIZE - 32 - 18 - 22;
        image_put(p, plan->offset_from_end, 4);
        image_put(p + 4, 22, 2);
        memcpy(p + 6, metadata, 16);
        image_put(p + 22, 22 + 18, 2);
        memcpy(p + 24, footer, 16);
}
