#include "attest/event-log-tdx.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/names.h"

#define ALGORITHM_SHA384 0x000c
#define TYPE_NO_ACTION 3
#define END 0xffffffffu

static const struct {
        uint32_t type;
        const char *text;
} types[] = {
        { 0x4, "EV_SEPARATOR" },
        { 0x5, "EV_ACTION" },
        { 0x6, "EV_EVENT_TAG" },
        { 0xa, "EV_PLATFORM_CONFIG_FLAGS" },
        { 0xd, "EV_IPL" },
        { 0x80000001, "EV_EFI_VARIABLE_DRIVER_CONFIG" },
        { 0x80000002, "EV_EFI_VARIABLE_BOOT" },
        { 0x80000003, "EV_EFI_BOOT_SERVICES_APPLICATION" },
        { 0x80000006, "EV_EFI_GPT_EVENT" },
        { 0x80000007, "EV_EFI_ACTION" },
        { 0x80000008, "EV_EFI_PLATFORM_FIRMWARE_BLOB" },
        { 0x80000009, "EV_EFI_HANDOFF_TABLES" },
        { 0x8000000a, "EV_EFI_PLATFORM_FIRMWARE_BLOB2" },
        { 0x8000000b, "EV_EFI_HANDOFF_TABLES2" },
        { 0x800000e0, "EV_EFI_VARIABLE_AUTHORITY" },
};

void tdx_event_log_done(struct tdx_event_log *log) {
        free(log->events);
        *log = (struct tdx_event_log){ 0 };
}

static int refuse(size_t number, const char *words, struct cvm_error *err) {
        return cvm_fail(err, &CVM_CODE_EVENT_LOG, EBADMSG, "record %zu of the event log %s", number, words);
}

static const char signature[16] = "Spec ID Event03";

/* The first record has the old form and says which digests the others have: one of SHA-384. */
static int read_header(struct cvm_reader *r, struct cvm_error *err) {
        struct cvm_reader event;
        const uint8_t *magic, *view;
        uint32_t type, size, n;

        cvm_read_u32le(r); /* register */
        type = cvm_read_u32le(r);
        cvm_read_view(r, 20);
        size = cvm_read_u32le(r);
        view = cvm_read_view(r, size);
        if (r->failed || type != TYPE_NO_ACTION)
                return refuse(0, "is not the one that a log begins with", err);
        event = cvm_reader_of(view, size);
        magic = cvm_read_view(&event, sizeof signature);
        cvm_read_view(&event, 8); /* class, version, errata, width */
        n = cvm_read_u32le(&event);
        if (event.failed || memcmp(magic, signature, sizeof signature) != 0)
                return refuse(0, "is of another format", err);
        if (n != 1 || cvm_read_u16le(&event) != ALGORITHM_SHA384 ||
            cvm_read_u16le(&event) != CVM_SHA384_SIZE)
                return refuse(0, "promises other digests than one of SHA-384", err);
        cvm_read_view(&event, cvm_read_u8(&event)); /* the vendor's */
        return cvm_reader_done(&event) ? 0 : refuse(0, "has a wrong length", err);
}

static int add_event(struct tdx_event_log *log, const struct tdx_event *event, struct cvm_error *err) {
        struct tdx_event *grown;

        if (log->n_events == TDX_EVENTS_MAX)
                return cvm_fail(err, &CVM_CODE_EVENT_LOG, E2BIG, "the event log has more than %d events",
                                TDX_EVENTS_MAX);
        if (log->n_events % 64 == 0) {
                grown = reallocarray(log->events, log->n_events + 64, sizeof *grown);
                if (!grown)
                        return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading an event log");
                log->events = grown;
        }
        log->events[log->n_events++] = *event;
        return 0;
}

/* 0 at the end of the log: the room behind it is filled with ones, by some producers with zeros. Then the
 * reader may stand in it. */
static int read_record(struct cvm_reader *r, size_t number, struct tdx_event *ret, struct cvm_error *err) {
        uint32_t digests;

        if (r->left < 12)
                return 0;
        ret->index = cvm_read_u32le(r);
        ret->type = cvm_read_u32le(r);
        digests = cvm_read_u32le(r);
        if (ret->index == END || ret->type == END || (ret->index == 0 && ret->type == 0 && digests == 0))
                return 0;
        if (ret->index > TDX_REGISTERS)
                return refuse(number, "is for a register that a trust domain does not have", err);
        if (digests != 1 || cvm_read_u16le(r) != ALGORITHM_SHA384)
                return refuse(number, "has other digests than one of SHA-384", err);
        cvm_read_copy(r, ret->digest, sizeof ret->digest);
        ret->size = cvm_read_u32le(r);
        ret->data = cvm_read_view(r, ret->size);
        return r->failed ? refuse(number, "is cut off", err) : 1;
}

int tdx_event_log_read(const uint8_t *bytes, size_t size, struct tdx_event_log *ret, struct cvm_error *err) {
        CVM_CLEANUP(tdx_event_log_done) struct tdx_event_log log = { 0 };
        struct cvm_reader r = cvm_reader_of(bytes, size);
        struct tdx_event event;
        int e;

        if (size > TDX_LOG_MAX)
                return cvm_fail(err, &CVM_CODE_EVENT_LOG, E2BIG, "the event log has more than %u bytes",
                                TDX_LOG_MAX);
        e = read_header(&r, err);
        log.size = size - r.left;
        for (size_t number = 1; e >= 0 && (e = read_record(&r, number, &event, err)) > 0; number++) {
                log.size = size - r.left;
                if (event.type != TYPE_NO_ACTION)
                        e = add_event(&log, &event, err);
        }
        if (e < 0)
                return e;
        *ret = log;
        log = (struct tdx_event_log){ 0 };
        return 0;
}

int tdx_event_log_join(const struct cvm_bytes *log, const struct cvm_bytes *records, struct cvm_bytes *ret) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };

        if (log->size == 0 && records->size == 0)
                return 0;
        if (log->size == 0)
                tdx_event_log_begin(&w);
        cvm_write_copy(&w, log->data, log->size);
        cvm_write_copy(&w, records->data, records->size);
        return cvm_writer_take(&w, ret);
}

void tdx_extend(uint8_t rtmr[CVM_SHA384_SIZE], const uint8_t digest[CVM_SHA384_SIZE]) {
        uint8_t both[2 * CVM_SHA384_SIZE];

        memcpy(both, rtmr, CVM_SHA384_SIZE);
        memcpy(both + CVM_SHA384_SIZE, digest, CVM_SHA384_SIZE);
        cvm_sha384(both, sizeof both, rtmr);
}

void tdx_event_log_replay(const struct tdx_event_log *log, uint8_t ret[TDX_REGISTERS][CVM_SHA384_SIZE]) {
        memset(ret, 0, (size_t)TDX_REGISTERS * CVM_SHA384_SIZE);
        for (size_t i = 0; i < log->n_events; i++)
                if (log->events[i].index > 0)
                        tdx_extend(ret[log->events[i].index - 1], log->events[i].digest);
}

void tdx_event_type_text(uint32_t type, char *ret, size_t size) {
        for (size_t i = 0; i < ARRAY_SIZE(types); i++)
                if (types[i].type == type) {
                        snprintf(ret, size, "%s", types[i].text);
                        return;
                }
        snprintf(ret, size, "event 0x%x", type);
}

/* --- names --- */

/* Letters of UTF-16; others become '?'. */
static void take_utf16(struct cvm_reader *r, uint64_t letters, char *ret, size_t size) {
        size_t n = 0;

        while (letters-- > 0 && r->left >= 2 && n + 1 < size) {
                uint16_t letter = cvm_read_u16le(r);

                ret[n++] = letter < 0x80 ? (char)letter : '?';
        }
        ret[n] = 0;
}

/* UEFI_VARIABLE_DATA: GUID, u64 letters of the name, u64 size of the data, name, data */
static void name_variable(const struct tdx_event *event, char *ret, size_t size) {
        struct cvm_reader r = cvm_reader_of(event->data, event->size);
        uint64_t letters;

        cvm_read_view(&r, 16);
        letters = cvm_read_u64le(&r);
        cvm_read_u64le(&r);
        if (!r.failed)
                take_utf16(&r, letters, ret, size);
}

/* u32 tag, u32 size, text */
static void name_tag(const struct tdx_event *event, char *ret, size_t size) {
        if (event->size > 8)
                snprintf(ret, size, "%.*s", (int)(event->size - 8), (const char *)event->data + 8);
}

static void name_text(const struct tdx_event *event, char *ret, size_t size) {
        snprintf(ret, size, "%.*s", (int)(event->size < size ? event->size : size),
                 (const char *)event->data);
}

/* Text and, where a NUL ends that before the event does, more of it: "QEMU FW CFG" and the item's name. */
static void name_config(const struct tdx_event *event, char *ret, size_t size) {
        size_t first;

        name_text(event, ret, size);
        first = strlen(ret);
        if (first + 1 < event->size && event->data[first + 1] && first + 1 < size)
                snprintf(ret + first, size - first, " %.*s", (int)(event->size - first - 1),
                         (const char *)event->data + first + 1);
}

/* u8 length, text, and what follows */
static void name_counted(const struct tdx_event *event, char *ret, size_t size) {
        struct cvm_reader r = cvm_reader_of(event->data, event->size);
        size_t length = cvm_read_u8(&r);
        const uint8_t *text = cvm_read_view(&r, length);

        if (!r.failed)
                snprintf(ret, size, "%.*s", (int)length, (const char *)text);
}

static void put_variable(const char *name, struct cvm_writer *w) {
        cvm_write_zeros(w, 16);
        cvm_write_u64le(w, strlen(name));
        cvm_write_u64le(w, 0);
        for (const char *c = name; *c; c++)
                cvm_write_u16le(w, (uint8_t)*c);
}

static void put_tag(const char *name, struct cvm_writer *w) {
        cvm_write_u32le(w, 0);
        cvm_write_u32le(w, (uint32_t)strlen(name));
        cvm_write_copy(w, name, strlen(name));
}

static void put_text(const char *name, struct cvm_writer *w) {
        cvm_write_copy(w, name, strlen(name));
}

static void put_counted(const char *name, struct cvm_writer *w) {
        cvm_write_u8(w, (uint8_t)strlen(name));
        cvm_write_copy(w, name, strlen(name));
}

/* A separator's data are always the same. */
static void put_separator(const char *name, struct cvm_writer *w) {
        cvm_write_zeros(w, 4);
}

static const struct {
        uint32_t type;
        void (*name)(const struct tdx_event *event, char *ret, size_t size);
        void (*put)(const char *name, struct cvm_writer *w);
} names[] = {
        { 0x4, NULL, put_separator },
        { 0x5, name_text, put_text },
        { 0x6, name_tag, put_tag },
        { 0xa, name_config, put_text },
        { 0xd, name_text, put_text },
        { 0x80000001, name_variable, put_variable },
        { 0x80000002, name_variable, put_variable },
        { 0x80000007, name_text, put_text },
        { 0x8000000a, name_counted, put_counted },
        { 0x8000000b, name_counted, put_counted },
        { 0x800000e0, name_variable, put_variable },
};

void tdx_event_name(const struct tdx_event *event, char *ret, size_t size) {
        *ret = 0;
        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (names[i].type == event->type && names[i].name)
                        names[i].name(event, ret, size);
        cvm_text_clean(ret, strlen(ret), false);
}

/* --- writing --- */

uint32_t tdx_event_type_find(const char *text) {
        for (size_t i = 0; i < ARRAY_SIZE(types); i++)
                if (strcmp(types[i].text, text) == 0)
                        return types[i].type;
        return 0;
}

void tdx_event_name_write(uint32_t type, const char *name, struct cvm_writer *w) {
        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (names[i].type == type)
                        names[i].put(name, w);
}

void tdx_event_log_begin(struct cvm_writer *w) {
        cvm_write_u32le(w, 0);
        cvm_write_u32le(w, TYPE_NO_ACTION);
        cvm_write_zeros(w, 20);
        cvm_write_u32le(w, sizeof signature + 8 + 4 + 4 + 1);
        cvm_write_copy(w, signature, sizeof signature);
        cvm_write_u32le(w, 0);                                 /* class: client */
        cvm_write_copy(w, (const uint8_t[]){ 0, 2, 0, 2 }, 4); /* version 2.0, errata, 64 bits */
        cvm_write_u32le(w, 1);
        cvm_write_u16le(w, ALGORITHM_SHA384);
        cvm_write_u16le(w, CVM_SHA384_SIZE);
        cvm_write_u8(w, 0);
}

void tdx_event_write(const struct tdx_event *event, struct cvm_writer *w) {
        cvm_write_u32le(w, event->index);
        cvm_write_u32le(w, event->type);
        cvm_write_u32le(w, 1);
        cvm_write_u16le(w, ALGORITHM_SHA384);
        cvm_write_copy(w, event->digest, sizeof event->digest);
        cvm_write_u32le(w, (uint32_t)event->size);
        cvm_write_copy(w, event->data, event->size);
}
