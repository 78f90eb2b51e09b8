/*
 * Every failure that a user can meet: one row in codes.def. A code's fault decides its exit status; its
 * D-Bus name and id never change once released.
 */
#pragma once

#include <stddef.h>

enum cvm_fault {
        CVM_FAULT_INTERNAL,         /* exit 1: failed, and it is our doing */
        CVM_FAULT_REQUEST,          /* exit 2: refused as written */
        CVM_FAULT_NOT_FOUND,        /* exit 3 */
        CVM_FAULT_DENIED,           /* exit 4 */
        CVM_FAULT_EVIDENCE_NO,      /* exit 5: verification said no */
        CVM_FAULT_EVIDENCE_UNKNOWN, /* exit 6: could not verify */
        CVM_FAULT_TIMEOUT,          /* exit 7 */
        CVM_FAULT_STATE,            /* exit 8 */
        CVM_FAULT_HOST,             /* exit 9: the host lacks the capability */
        CVM_FAULT_CAPACITY,         /* exit 9: the host has no room */
        CVM_FAULT_MAX_,
};

struct cvm_code {
        const char *id; /* "CVM-VCPUS" */
        enum cvm_fault fault;
        const char *dbus_name; /* "org.cvmd1.Error.Vcpus" */
        const char *sentence;  /* what it means, for `explain` */
        const char *remedy;    /* the next step */
};

#define CODE(name, id, fault, dbus, sentence, remedy) extern const struct cvm_code CVM_CODE_##name;
#include "base/codes.def"
#undef CODE

/* Exit status 0 to 9 of cvmctl for that code. */
int cvm_code_exit_status(const struct cvm_code *code);

/* The word of a fault, as in JSON output: "request". */
const char *cvm_fault_text(enum cvm_fault fault);

/* By id ("CVM-VCPUS", any case) or by D-Bus name; NULL: no such code. */
const struct cvm_code *cvm_code_find(const char *id_or_dbus_name);

/* Row i in the order of codes.def; NULL past the last. */
const struct cvm_code *cvm_code_at(size_t i);
