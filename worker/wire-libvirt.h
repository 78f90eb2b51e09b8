/*
 * What the daemon and cvmd-libvirt say to each other: JSON objects, one in each message of a SOCK_SEQPACKET
 * pair, descriptors beside them. The daemon asks by id; what comes back is an answer to an id, or news. Each
 * message of cvmd-libvirt has the number behind its predecessor's: what was lost would be seen.
 *
 * A START is answered, and then its domain told; a failed one the other way round.
 *
 * After each connection to libvirt there comes a DOMAIN for each of our domains and then CONNECTED: what was
 * not named is not there. DOMAIN tells what a domain is, never what happened: told twice it changes nothing.
 */
#pragma once

#include <stdlib.h>

#include "base/digest.h"
#include "base/json.h"
#include "base/names.h"

#define LIBVIRT_MESSAGE_MAX (128u << 10) /* bytes, in both directions */
#define LIBVIRT_FDS_MAX 40               /* of one message */
#define LIBVIRT_NAME_PREFIX "cvmd-"      /* our domains: cvmd-<name of the VM> */
#define LIBVIRT_TEXT_MAX (80u << 10)     /* of a text in it */

enum libvirt_verb {
        LIBVIRT_COPY,   /* the file behind the first descriptor into the second */
        LIBVIRT_DEFINE, /* xml; the answer has the digest of what libvirt made of it */
        LIBVIRT_START,  /* paused, if it is still defined by sha256; groups: names of the descriptors */
        LIBVIRT_RESUME,
        LIBVIRT_SUSPEND,
        LIBVIRT_SHUTDOWN, /* asks the guest */
        LIBVIRT_RESET,
        LIBVIRT_DESTROY,
        LIBVIRT_UNDEFINE, /* with all that libvirt keeps of it; fine where it is not there */
        LIBVIRT_DUMP,     /* the guest's memory into the descriptor; answered when that has ended */
        LIBVIRT_PROGRESS, /* of a dump; the answer has percent */
        LIBVIRT_MONITOR,  /* one command of QEMU's monitor, as text; the answer has QEMU's */
};
static const char *const libvirt_verbs[] = { "copy",     "define",  "start",   "resume",   "suspend",
                                             "shutdown", "reset",   "destroy", "undefine", "dump",
                                             "progress", "monitor", NULL };

struct libvirt_request {
        uint64_t id;
        int verb;
        char *uuid;
        struct cvm_bytes text; /* xml, or the monitor's command */
        char **groups;         /* one for each descriptor */
        uint8_t sha256[CVM_SHA256_SIZE];
        bool has_sha256;
};

#define AT(member) .offset = offsetof(struct libvirt_request, member)
static const struct cvm_json_field libvirt_request_fields[] = {
        { "id", CVM_JSON_U64, .required = true, AT(id), .min = 1, .max = UINT64_MAX - 1 },
        { "verb", CVM_JSON_CHOICE, .required = true, AT(verb), .choices = libvirt_verbs },
        { "uuid", CVM_JSON_TEXT, .required = true, AT(uuid), .max = CVM_UUID_TEXT - 1,
          .check = cvm_uuid_is_valid, .expected = "a lower-case uuid" },
        { "text", CVM_JSON_BASE64, AT(text), .max = LIBVIRT_TEXT_MAX },
        { "groups", CVM_JSON_CUSTOM, AT(groups), .read = cvm_json_read_texts,
          .write = cvm_json_write_texts },
        { "sha256", CVM_JSON_HEX, AT(sha256), .size = CVM_SHA256_SIZE,
          .has_offset = offsetof(struct libvirt_request, has_sha256) },
        { 0 },
};
#undef AT

enum libvirt_kind {
        LIBVIRT_ANSWER,    /* to `id`; error_code 0: done */
        LIBVIRT_DOMAIN,    /* state; sha256 where it may be another; the pidfd of its QEMU, and its pid: an
                              active one without is dead, and libvirt has not seen it yet, or only starts */
        LIBVIRT_CONNECTED, /* and every domain has been told */
        LIBVIRT_DISCONNECTED, /* libvirt is away: nothing will be told until it is back */
        LIBVIRT_REBOOTED,
        LIBVIRT_ENDS,    /* QEMU says that the guest has ended; text: QEMU's reason */
        LIBVIRT_PORT,    /* the guest opened a channel; text: its alias */
        LIBVIRT_DEVICES, /* somebody added or removed one of the devices; text: its alias */
};
static const char *const libvirt_kinds[] = { "answer",       "domain",   "connected",
                                             "disconnected", "rebooted", "ends",
                                             "port",         "devices",  NULL };

enum libvirt_state { LIBVIRT_ABSENT, LIBVIRT_OFF, LIBVIRT_PAUSED, LIBVIRT_RUNNING };
static const char *const libvirt_states[] = { "absent", "off", "paused", "running", NULL };

struct libvirt_message {
        uint64_t seq;
        int kind;
        uint64_t id;
        uint32_t error_domain, error_code; /* libvirt's numbers; code 0: none */
        struct cvm_bytes text; /* libvirt's words, or QEMU's: hostile; DOMAIN: the log of what has ended by
                                  itself */
        char *uuid;            /* NULL: of all */
        int state;
        bool by_guest;  /* it ended itself */
        bool destroyed; /* off: somebody asked libvirt to end it */
        uint32_t pid;
        uint32_t percent;                /* 0: not known yet */
        uint8_t sha256[CVM_SHA256_SIZE]; /* of the persistent definition */
        bool has_sha256;
};

#define AT(member) .offset = offsetof(struct libvirt_message, member)
static const struct cvm_json_field libvirt_message_fields[] = {
        { "seq", CVM_JSON_U64, .required = true, AT(seq), .min = 1, .max = UINT64_MAX - 1 },
        { "kind", CVM_JSON_CHOICE, .required = true, AT(kind), .choices = libvirt_kinds },
        { "id", CVM_JSON_U64, AT(id), .max = UINT64_MAX - 1 },
        { "error_domain", CVM_JSON_U32, AT(error_domain), .max = UINT32_MAX },
        { "error_code", CVM_JSON_U32, AT(error_code), .max = UINT32_MAX },
        { "text", CVM_JSON_BASE64, AT(text), .max = LIBVIRT_TEXT_MAX },
        { "uuid", CVM_JSON_TEXT, AT(uuid), .max = CVM_UUID_TEXT - 1, .check = cvm_uuid_is_valid,
          .expected = "a lower-case uuid" },
        { "state", CVM_JSON_CHOICE, AT(state), .choices = libvirt_states },
        { "by_guest", CVM_JSON_BOOL, AT(by_guest) },
        { "destroyed", CVM_JSON_BOOL, AT(destroyed) },
        { "pid", CVM_JSON_U32, AT(pid), .max = INT32_MAX },
        { "percent", CVM_JSON_U32, AT(percent), .max = 99 },
        { "sha256", CVM_JSON_HEX, AT(sha256), .size = CVM_SHA256_SIZE,
          .has_offset = offsetof(struct libvirt_message, has_sha256) },
        { 0 },
};
#undef AT

static inline void libvirt_request_done(struct libvirt_request *r) {
        free(r->uuid);
        cvm_bytes_done(&r->text);
        cvm_texts_free(r->groups);
        *r = (struct libvirt_request){ 0 };
}

static inline void libvirt_message_done(struct libvirt_message *m) {
        cvm_bytes_done(&m->text);
        free(m->uuid);
        *m = (struct libvirt_message){ 0 };
}
