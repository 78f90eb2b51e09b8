/* Event logs of trust domains, made by the test: the first record, then one for each event. */
#pragma once

#include <string.h>

#include "base/bytes.h"
#include "base/digest.h"

static inline void log_begin(struct cvm_writer *w) {
        static const uint8_t zeros[20];
        static const char signature[16] = "Spec ID Event03";

        cvm_write_u32le(w, 0);
        cvm_write_u32le(w, 3);
        cvm_write_copy(w, zeros, 20);
        cvm_write_u32le(w, 16 + 8 + 4 + 4 + 1);
        cvm_write_copy(w, signature, sizeof signature);
        cvm_write_u32le(w, 0);
        cvm_write_copy(w, "\0\2\0\2", 4);
        cvm_write_u32le(w, 1);
        cvm_write_u16le(w, 0xc);
        cvm_write_u16le(w, CVM_SHA384_SIZE);
        cvm_write_copy(w, zeros, 1);
}

/* The digest is that of the data, as it is for most events. */
static inline void log_event(struct cvm_writer *w, uint32_t index, uint32_t type, const void *data,
                             size_t size) {
        uint8_t digest[CVM_SHA384_SIZE];

        cvm_sha384(data, size, digest);
        cvm_write_u32le(w, index);
        cvm_write_u32le(w, type);
        cvm_write_u32le(w, 1);
        cvm_write_u16le(w, 0xc);
        cvm_write_copy(w, digest, sizeof digest);
        cvm_write_u32le(w, (uint32_t)size);
        cvm_write_copy(w, data, size);
}
