/*
 * The firmware that is measured for a simulated guest which names none: 16 KiB, never executed, with a valid
 * footer table and the sections of a real image, so that measurement and verification take the same way as
 * with one. Its bytes never change between releases: measurements of simulated guests depend on them.
 */
#include "launch/synthetic-snp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SIZE 16384
#define TABLE_END (SIZE - 32)
#define METADATA_FROM_END 0x400

static const char label[] =
                "cvmd synthetic firmware, version 1: measured for simulated guests, never executed.";

struct entry {
        uint8_t guid[16];
        uint32_t data[2];
        size_t n;
};

/* The footer is last in the image and is read first. */
static const struct entry entries[] = {
        { { 0x66, 0x65, 0x88, 0xdc, 0x4a, 0x98, 0x98, 0x47, 0xa7, 0x5e, 0x55, 0x85, 0xa7, 0xbf, 0x67, 0xcc },
          { METADATA_FROM_END },
          1 },
        { { 0x1f, 0x37, 0x55, 0x72, 0x3b, 0x3a, 0x04, 0x4b, 0x92, 0x7b, 0x1d, 0xa6, 0xef, 0xa8, 0xd4, 0x54 },
          { 0x810c00, 0x400 },
          2 },
        { { 0xde, 0x71, 0xf7, 0x00, 0x7e, 0x1a, 0xcb, 0x4f, 0x89, 0x0e, 0x68, 0xc7, 0x7e, 0x2f, 0xb4, 0x4e },
          { 0x80b004 },
          1 },
};
static const uint8_t footer[16] = { 0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
                                    0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d };

static const uint32_t sections[][3] = {
        { 0x800000, 0x9000, 1 }, { 0x80a000, 0x3000, 1 },    { 0x80d000, 0x1000, 2 },
        { 0x80e000, 0x1000, 3 }, { 0x810000, 0x1000, 0x10 },
};

static void write_entries(struct cvm_writer *w) {
        size_t before = w->bytes.size;

        for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
                for (size_t k = 0; k < entries[i].n; k++)
                        cvm_write_u32le(w, entries[i].data[k]);
                cvm_write_u16le(w, (uint16_t)(4 * entries[i].n + 18));
                cvm_write_copy(w, entries[i].guid, 16);
        }
        cvm_write_u16le(w, (uint16_t)(w->bytes.size - before + 18));
        cvm_write_copy(w, footer, 16);
}

static void write_sections(struct cvm_writer *w) {
        cvm_write_copy(w, "ASEV", 4);
        cvm_write_u32le(w, 16 + sizeof sections);
        cvm_write_u32le(w, 1);
        cvm_write_u32le(w, ARRAY_SIZE(sections));
        for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
                for (size_t k = 0; k < 3; k++)
                        cvm_write_u32le(w, sections[i][k]);
}

int snp_synthetic_firmware(struct cvm_bytes *ret) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer table = { 0 }, metadata = { 0 };
        uint8_t *image = calloc(1, SIZE + 1);

        write_entries(&table);
        write_sections(&metadata);
        if (!image || table.failed || metadata.failed) {
                free(image);
                return -ENOMEM;
        }
        memcpy(image, label, sizeof label);
        memcpy(image + TABLE_END - table.bytes.size, table.bytes.data, table.bytes.size);
        memcpy(image + SIZE - METADATA_FROM_END, metadata.bytes.data, metadata.bytes.size);
        *ret = (struct cvm_bytes){ image, SIZE };
        return 0;
}
