/*
 * What host and guest say to each other over the framed channels (base/frame.h): the numbers, and the
 * payload of each as struct and field table. Both ends treat the other as hostile. Protocol 1 is measured
 * into images and will be served for years: fields are added, never changed. org.cvmd.agent.0: the host
 * speaks first and repeats HELLO until it is answered; each HELLO after a (re)connect or a reset has a new
 * session number, which every later frame of both sides carries. A frame with another session is dropped.
 * Requests carry an id which the answer repeats. org.cvmd.tee.0 (simulated platforms, testbed): the guest
 * repeats its request until answered, under a random session number, so that old answers are dropped.
 */
#pragma once

#include "attest/formula.h"
#include "base/frame.h"
#include "base/json.h"

#define CVM_AGENT_PROTOCOL 1
#define CVM_AGENT_PORT "org.cvmd.agent.0"
#define CVM_TEE_PORT "org.cvmd.tee.0"

/* In bytes: a report is about a KiB, a quote some KiB. What a platform gives beyond them is refused. */
#define CVM_REPORT_MAX (64u << 10)
#define CVM_CERTIFICATE_TABLE_MAX (256u << 10)
#define CVM_EVENT_LOG_MAX (256u << 10)
#define CVM_ATTESTATION_REQUEST_MAX (64u << 10)
#define CVM_STORE_LIST_MAX (64u << 10)

enum cvm_message {
        /* host to agent */
        CVM_MSG_HELLO = 0x01,            /* struct msg_hello */
        CVM_MSG_BINDING = 0x02,          /* struct msg_binding */
        CVM_MSG_EVIDENCE_REQUEST = 0x03, /* struct msg_evidence_request */
        CVM_MSG_SECRET = 0x04,           /* struct msg_envelope */
        CVM_MSG_APPROVAL = 0x05,         /* struct msg_envelope */
        CVM_MSG_STOP = 0x06,             /* struct msg_stop: please end, with a BYE */
        CVM_MSG_BYE_ACK = 0x07,          /* struct msg_ack: the host has the BYE durably */
        /* agent to host */
        CVM_MSG_WELCOME = 0x81,  /* struct msg_welcome: answer to HELLO */
        CVM_MSG_STATUS = 0x82,   /* struct msg_status: after BINDING and whenever it changes */
        CVM_MSG_EVIDENCE = 0x83, /* struct msg_evidence */
        CVM_MSG_RECEIPT = 0x84,  /* struct msg_envelope: signed receipt, answer to SECRET */
        CVM_MSG_APPROVED = 0x85, /* struct msg_ack: answer to APPROVAL */
        CVM_MSG_BYE = 0x86,      /* struct msg_envelope: signed BYE, id 0 */
        CVM_MSG_REFUSED = 0x87,  /* struct msg_refused: answer to any request that was refused */
        /* guest to tee, tee to guest */
        CVM_MSG_REPORT_REQUEST = 0x41, /* struct msg_report_request */
        CVM_MSG_REPORT = 0xc1,         /* struct msg_report */
        CVM_MSG_REPORT_REFUSED = 0xc2, /* struct msg_refused */
        CVM_MSG_STORE_REQUEST = 0x42,  /* struct msg_store_request: for the platform's own secret store */
        CVM_MSG_STORE_LOCK = 0x43,     /* no payload: nothing more is added to it */
        CVM_MSG_STORED = 0xc3,         /* struct msg_stored: answer to both */
        CVM_MSG_STORE_LIST = 0x44,     /* no payload: what is in it */
        CVM_MSG_STORE_LISTED = 0xc4,   /* struct msg_store_listed */
};

struct msg_hello {
        uint32_t protocol_min, protocol_max;
};

struct msg_welcome {
        uint32_t protocol;
        char *agent;               /* name and version, words for people */
        struct cvm_bytes kem, sig; /* SPKIs of this boot's keyset */
        uint32_t suite;
        bool simulated; /* which kind of evidence this guest has */
        bool unowned;   /* no cvm.owner on its command line: takes no binding and no secret */
};

struct msg_binding {
        uint64_t id;
        char *envelope;
        struct cvm_bytes owner;   /* SPKI, 44 bytes, checked by its digest */
        struct cvm_bytes service; /* SPKI of the owner's service, checked by the binding's; absent: none */
};

struct msg_status {
        char *waits_for;                  /* "binding", "approval", "secret:NAME", "" = nothing */
        char **secrets;                   /* names that are installed */
        bool provisioned;                 /* all required secrets are installed */
        uint8_t binding[CVM_SHA384_SIZE]; /* the frozen one; absent before */
        bool has_binding;
        uint64_t generation;
};

struct msg_evidence_request {
        uint64_t id;
        uint8_t nonce[CVM_NONCE_SIZE];
        struct cvm_bytes request; /* where only who wrote it can check the answer: the verifier's own */
};

struct msg_evidence {
        uint64_t id;
        struct cvm_bytes report;                  /* as the hardware gave it */
        struct cvm_bytes certificates, event_log; /* what belongs to it; absent where there is none */
        uint8_t nonce[CVM_NONCE_SIZE];
        uint64_t generation;
};

struct msg_envelope {
        uint64_t id;
        char *envelope;
};

struct msg_stop {
        uint64_t id;
        bool reboot;
        uint8_t mid[16]; /* label for the BYE, zeros: none */
};

struct msg_ack {
        uint64_t id;
};

struct msg_refused {
        uint64_t id;
        char *code; /* "CVM-..." */
        char *text;
};

struct msg_report_request {
        uint8_t report_data[CVM_REPORT_DATA_SIZE];
        struct cvm_bytes request;    /* as in struct msg_evidence_request */
        struct cvm_bytes own_events; /* records of a log: what the guest itself has extended in this boot */
};

struct msg_store_request {
        struct cvm_bytes request;
};

struct msg_stored {
        bool taken;
        char *words; /* the platform's, of what it did */
};

struct msg_store_listed {
        struct cvm_bytes list; /* as the platform gives it */
};

struct msg_report {
        struct cvm_bytes report, certificates, event_log;
};

/* One row per message: its payload's fields and size, and how to free what a read has filled in. */
struct cvm_message_kind {
        uint8_t type;
        const char *name;
        const struct cvm_json_field *fields;
        size_t size;
        void (*done)(void *message);
};

const struct cvm_message_kind *cvm_message_kind(uint8_t type); /* NULL: no such message */
/* The payload of a frame into *message (kind->size bytes, zeroed by the caller; freed with kind->done), and
 * a whole frame from one. */
int cvm_message_read(const struct cvm_message_kind *kind, const struct cvm_frame *frame, void *message,
                     struct cvm_error *err);
int cvm_message_make(uint8_t type, uint64_t session, const void *message, struct cvm_bytes *ret,
                     struct cvm_error *err);
