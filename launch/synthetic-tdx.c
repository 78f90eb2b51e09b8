/*
 * The firmware that is measured for a simulated guest which names none: 16 KiB, never executed, with valid
 * TDX metadata, an empty variable store and the sections of a real image, so that measurement and
 * verification take the same way as with one. Its bytes never change between releases: measurements of
 * simulated guests depend on them.
 */
#include "launch/synthetic-tdx.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attest/event-log-tdx.h"
#include "launch/firmware-tdx.h"

#define SIZE 16384u
#define GPA (0x100000000u - SIZE)
#define TABLE_END (SIZE - 32)
#define METADATA_FROM_END 0x400u
#define STORE_HEADER 72
#define STORE_VARIABLES 100

static const char label[] =
                "cvmd synthetic firmware, version 1: measured for simulated guests, never executed.";

static const char not_measured[] = "not measured by the simulation";

static const struct {
        uint32_t offset, raw;
        uint64_t gpa, size;
        uint32_t type, attributes;
} sections[] = {
        { TDVF_PAGE, SIZE - TDVF_PAGE, GPA + TDVF_PAGE, SIZE - TDVF_PAGE, TDVF_BOOT_FIRMWARE, 1 },
        { 0, TDVF_PAGE, GPA, TDVF_PAGE, TDVF_CONFIGURATION, 0 },
        { 0, 0, 0x810000, 0x10000, TDVF_MEMORY, 0 },
        { 0, 0, 0x80b000, 0x2000, TDVF_MEMORY, 0 },
        { 0, 0, 0x809000, 0x2000, TDVF_HAND_OFF, 0 },
        { 0, 0, 0x800000, 0x6000, TDVF_MEMORY, 0 },
};

static void write_metadata(struct cvm_writer *w) {
        cvm_write_copy(w, "TDVF", 4);
        cvm_write_u32le(w, 16 + 32 * ARRAY_SIZE(sections));
        cvm_write_u32le(w, 1);
        cvm_write_u32le(w, ARRAY_SIZE(sections));
        for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
                cvm_write_u32le(w, sections[i].offset);
                cvm_write_u32le(w, sections[i].raw);
                cvm_write_u64le(w, sections[i].gpa);
                cvm_write_u64le(w, sections[i].size);
                cvm_write_u32le(w, sections[i].type);
                cvm_write_u32le(w, sections[i].attributes);
        }
}

/* One entry, which points to the metadata, and the footer, which is read first. */
static void write_table(struct cvm_writer *w) {
        static const uint8_t metadata[16] = { 0x35, 0x65, 0x7a, 0xe4, 0x4a, 0x98, 0x98, 0x47,
                                              0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e, 0xc2 };
        static const uint8_t footer[16] = { 0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
                                            0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d };

        cvm_write_u32le(w, METADATA_FROM_END);
        cvm_write_u16le(w, 4 + 18);
        cvm_write_copy(w, metadata, sizeof metadata);
        cvm_write_u16le(w, 4 + 18 + 18);
        cvm_write_copy(w, footer, sizeof footer);
}

/* Headers of a volume and of its store, in which no variable is set. */
static void write_store(struct cvm_writer *w) {
        static const uint8_t store[16] = { 0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43,
                                           0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92 };

        cvm_write_zeros(w, 40);
        cvm_write_copy(w, "_FVH", 4);
        cvm_write_zeros(w, 4);
        cvm_write_u16le(w, STORE_HEADER);
        cvm_write_zeros(w, STORE_HEADER - 50);
        cvm_write_copy(w, store, sizeof store);
        cvm_write_u32le(w, TDVF_PAGE - STORE_HEADER);
        cvm_write_zeros(w, STORE_VARIABLES - STORE_HEADER - 20);
}

int tdx_synthetic_firmware(struct cvm_bytes *ret) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer table = { 0 }, metadata = { 0 }, store = { 0 };
        uint8_t *image = calloc(1, SIZE + 1);

        write_table(&table);
        write_metadata(&metadata);
        write_store(&store);
        if (!image || table.failed || metadata.failed || store.failed) {
                free(image);
                return -ENOMEM;
        }
        memcpy(image, store.bytes.data, store.bytes.size);
        memcpy(image + TDVF_PAGE, label, sizeof label);
        memcpy(image + SIZE - METADATA_FROM_END, metadata.bytes.data, metadata.bytes.size);
        memcpy(image + TABLE_END - table.bytes.size, table.bytes.data, table.bytes.size);
        *ret = (struct cvm_bytes){ image, SIZE };
        return 0;
}

static bool is_in_log(const struct boot_event *e) {
        return e->status != BOOT_UNKNOWN || (*e->type && !e->may_be_absent);
}

static void write_event(const struct boot_event *e, struct cvm_writer *w) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer data = { 0 };
        struct tdx_event event = { .index = e->index + 1, .type = tdx_event_type_find(e->type) };

        tdx_event_name_write(event.type, e->name, &data);
        event.data = data.bytes.data;
        event.size = data.bytes.size;
        if (e->status == BOOT_UNKNOWN)
                cvm_sha384(not_measured, strlen(not_measured), event.digest);
        else
                memcpy(event.digest, e->digest, sizeof event.digest);
        tdx_event_write(&event, w);
        w->failed |= data.failed;
}

int tdx_synthetic_log(const struct boot_log *predicted, struct cvm_bytes *ret) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };

        tdx_event_log_begin(&w);
        for (size_t i = 0; i < predicted->n_events; i++)
                if (is_in_log(&predicted->events[i]))
                        write_event(&predicted->events[i], &w);
        return cvm_writer_take(&w, ret);
}
