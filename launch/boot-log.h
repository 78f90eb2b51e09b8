/*
 * What firmware, boot loader and kernel extend into registers beside the launch measurement, event by event:
 * as predicted, or as a guest's own log has it. Each event says where its digest is from; what the host
 * writes (ACPI tables, the boot order) follows from nothing that the owner has, and can only be learnt.
 */
#pragma once

#include "base/digest.h"
#include "base/json.h"

#define BOOT_REGISTERS_MAX 4
#define BOOT_EVENTS_MAX 4096
#define BOOT_LOG_TEXT_MAX (4u << 20) /* bytes of a document with such events */

enum boot_event_status {
        BOOT_COMPUTED,   /* from files and definition */
        BOOT_LEARNT,     /* by a log; the guest's own software measured it */
        BOOT_UNVERIFIED, /* likewise, but it is what the host wrote: nobody checked that */
        BOOT_UNKNOWN,    /* no digest */
};

struct boot_event {
        unsigned index;          /* of the register */
        char type[40], name[96]; /* both empty, and unknown: any events that there may be */
        int status;              /* enum boot_event_status */
        const char *from;        /* what the digest follows from; static */
        bool may_be_absent;      /* not every firmware has it */
        uint8_t digest[CVM_SHA384_SIZE];
};

struct boot_log {
        struct boot_event *events; /* owned, in their order */
        size_t n_events;
};

/* A register of a technology and what is covered where its value is demanded. */
struct boot_register {
        const char *name; /* "rtmr1" */
        bool covers_kernel, covers_initrd, covers_cmdline, covers_acpi;
};

static inline bool boot_register_covers(const struct boot_register *r) {
        return r->covers_kernel || r->covers_initrd || r->covers_cmdline || r->covers_acpi;
}

void boot_log_done(struct boot_log *log);
/* One more event, zeroed; NULL without memory, or past the cap. */
struct boot_event *boot_log_add(struct boot_log *log);

/* The register after all its events, from zeros: SHA-384(register || digest) for each. False: one of them is
 * unknown, or may be absent. */
bool boot_log_register(const struct boot_log *log, unsigned index, uint8_t ret[CVM_SHA384_SIZE]);
/* Whether a host wrote part of what the register holds and nobody verified it. */
bool boot_log_is_unverified(const struct boot_log *log, unsigned index);

/*
 * Adds to a measurement's document: "registers" {"rtmr0": hex or null}, the same values as a list under
 * `word`, "events", "unverified" (names of such registers), and what the known registers cover to its
 * "covers". registers end with one without name.
 */
void boot_log_add_json(const struct boot_log *log, const struct boot_register *registers, const char *word,
                       json_object *node);
/* The events of such a document; CVM_CODE_FIELD. */
int boot_log_read_json(const struct cvm_json *place, const struct boot_register *registers,
                       struct boot_log *ret, struct cvm_error *err);

/* Learnt events that a prediction has too, with the same digest, are known and not only learnt. */
void boot_log_mark_computed(struct boot_log *learnt, const struct boot_log *predicted);

/* How one event of a log differs from what was expected; exactly one of both may be NULL: missing, or more
 * than expected. */
struct boot_difference {
        const struct boot_event *expected, *observed;
};
/*
 * Events of the same register, type and name are compared in their order; where both are there with equal
 * digests, or the expected one is unknown, nothing differs. ret is owned (free).
 */
int boot_log_compare(const struct boot_log *expected, const struct boot_log *observed,
                     struct boot_difference **ret, size_t *ret_n);
json_object *boot_differences_json(const struct boot_difference *differences, size_t n,
                                   const struct boot_register *registers);
