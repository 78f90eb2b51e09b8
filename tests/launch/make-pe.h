/* A kernel as a PE image, made by the test: headers of 0x400 bytes with a setup header in them, two sections
 * that stand in the table in the other order, bytes behind them, and a signature. */
#pragma once

#include <stdint.h>
#include <string.h>

#define PE_AT 0x280u
#define PE_OPTIONAL (PE_AT + 24)
#define PE_CHECKSUM (PE_OPTIONAL + 64)
#define PE_CERTIFICATES (PE_OPTIONAL + 112 + 32)
#define PE_SECTIONS (PE_OPTIONAL + 112 + 6 * 8)
#define PE_HEADERS 0x400u
#define PE_TAIL 0xc00u /* behind the sections */
#define PE_SIGNATURE 0xc10u
#define PE_SIZE 0xc20u

static inline void pe_put(uint8_t *at, uint64_t value, size_t size) {
        for (size_t i = 0; i < size; i++)
                at[i] = (uint8_t)(value >> 8 * i);
}

static inline void pe_make(uint8_t ret[PE_SIZE]) {
        for (size_t i = 0; i < PE_SIZE; i++)
                ret[i] = (uint8_t)(i * 13 + (i >> 8));
        memcpy(ret, "MZ", 2);
        pe_put(ret + 0x3c, PE_AT, 4);
        memcpy(ret + PE_AT, "PE\0", 4);
        pe_put(ret + PE_AT + 6, 3, 2);            /* sections */
        pe_put(ret + PE_AT + 20, 112 + 6 * 8, 2); /* bytes of the optional header */
        pe_put(ret + PE_OPTIONAL, 0x20b, 2);
        pe_put(ret + PE_OPTIONAL + 60, PE_HEADERS, 4);
        pe_put(ret + PE_OPTIONAL + 108, 6, 4);
        pe_put(ret + PE_CERTIFICATES, PE_SIGNATURE, 4);
        pe_put(ret + PE_CERTIFICATES + 4, PE_SIZE - PE_SIGNATURE, 4);
        pe_put(ret + PE_SECTIONS + 16, 0x400, 4);
        pe_put(ret + PE_SECTIONS + 20, 0x800, 4);
        pe_put(ret + PE_SECTIONS + 40 + 16, 0x400, 4);
        pe_put(ret + PE_SECTIONS + 40 + 20, 0x400, 4);
        pe_put(ret + PE_SECTIONS + 80 + 16, 0, 4);
        memcpy(ret + 0x202, "HdrS", 4);
        pe_put(ret + 0x206, 0x20f, 2);
        ret[0x210] = 0;
        ret[0x211] = 1;
        pe_put(ret + 0x236, 0x02, 2);
        pe_put(ret + 0x22c, 0x7fffffff, 4);
}
