/*
 * The event log of a trust domain: what its firmware, boot loader and kernel say they extended into the four
 * run-time registers (UEFI 2.10 section 38, confidential computing event log; records as in TCG's PC client
 * platform firmware profile, crypto-agile). The log proves nothing by itself: replayed, it must give the
 * registers of a quote.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/digest.h"
#include "base/error.h"

#define TDX_LOG_MAX (16u << 20) /* bytes of a log */
#define TDX_EVENTS_MAX 4096
#define TDX_REGISTERS 4
#define TDX_OWN_INDEX 4 /* RTMR 3: left to the guest's own programs */

struct tdx_event {
        unsigned index; /* 0: MRTD, which no event changes; 1 to 4: RTMR 0 to 3 */
        uint32_t type;
        uint8_t digest[CVM_SHA384_SIZE];
        const uint8_t *data; /* a view into the log */
        size_t size;
};

struct tdx_event_log {
        struct tdx_event *events; /* owned, in their order; without those that extend nothing */
        size_t n_events;
        size_t size; /* of the bytes up to the end of the last record */
};

/* CVM_CODE_EVENT_LOG says which record is wrong. The bytes outlive the log. */
int tdx_event_log_read(const uint8_t *bytes, size_t size, struct tdx_event_log *ret, struct cvm_error *err);
void tdx_event_log_done(struct tdx_event_log *log);
/* A log (may be empty: none) and more records behind it (may be none), owned; -ENOMEM. */
int tdx_event_log_join(const struct cvm_bytes *log, const struct cvm_bytes *records, struct cvm_bytes *ret);

/* The registers after these events, from zeros. */
void tdx_event_log_replay(const struct tdx_event_log *log, uint8_t ret[TDX_REGISTERS][CVM_SHA384_SIZE]);
/* One event more: RTMR := SHA-384(RTMR || digest). */
void tdx_extend(uint8_t rtmr[CVM_SHA384_SIZE], const uint8_t digest[CVM_SHA384_SIZE]);

/* "EV_SEPARATOR", or "event 0x..." (at least 24 bytes of room). */
void tdx_event_type_text(uint32_t type, char *ret, size_t size);
/* What it is about, for people: the words, variable or file that its data name, cleaned; "" where they name
 * none. */
void tdx_event_name(const struct tdx_event *event, char *ret, size_t size);

/* For tests and simulated platforms, what is read above. The type of that text, 0: none is known by it. */
uint32_t tdx_event_type_find(const char *text);
/* Data of an event of that type which have this name, as far as such data can have one. */
void tdx_event_name_write(uint32_t type, const char *name, struct cvm_writer *w);
/* The record that a log begins with, and one event: of its data, its size and its digest as they are. */
void tdx_event_log_begin(struct cvm_writer *w);
void tdx_event_write(const struct tdx_event *event, struct cvm_writer *w);
