/* A variable store as firmware images bring it, made by the test. */
#pragma once

#include <stdint.h>
#include <string.h>

#define STORE_HEADER 72u   /* of the volume */
#define STORE_BEGIN 100u   /* where the variables begin */
#define STORE_SIZE 0x1000u /* of the volume */

static inline void store_put(uint8_t *at, uint64_t value, size_t size) {
        for (size_t i = 0; i < size; i++)
                at[i] = (uint8_t)(value >> 8 * i);
}

/* An empty one; returns where the next variable goes. */
static inline size_t store_make(uint8_t ret[STORE_SIZE]) {
        static const uint8_t guid[16] = { 0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43,
                                          0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92 };

        memset(ret, 0xff, STORE_SIZE);
        memset(ret, 0, STORE_BEGIN);
        memcpy(ret + 0x28, "_FVH", 4);
        store_put(ret + 0x30, STORE_HEADER, 2);
        memcpy(ret + STORE_HEADER, guid, 16);
        store_put(ret + STORE_HEADER + 16, STORE_SIZE - STORE_HEADER, 4);
        return STORE_BEGIN;
}

static inline size_t store_add(uint8_t store[STORE_SIZE], size_t at, uint8_t state, const char *guid,
                               const char *name, const void *data, size_t size) {
        size_t letters = strlen(name) + 1;
        uint8_t *p = store + at;

        memset(p, 0, 60 + 2 * letters);
        store_put(p, 0x55aa, 2);
        p[2] = state;
        store_put(p + 36, 2 * letters, 4);
        store_put(p + 40, size, 4);
        memcpy(p + 44, guid, 16);
        for (size_t i = 0; i < letters; i++)
                p[60 + 2 * i] = (uint8_t)name[i];
        memcpy(p + 60 + 2 * letters, data, size);
        return (at + 60 + 2 * letters + size + 3) & ~(size_t)3;
}
