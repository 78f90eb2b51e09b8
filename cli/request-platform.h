/*
 * Platforms whose evidence and secrets go through requests that only their hardware opens, made for hosts
 * that the owner names by their documents. A const table, one line for each; the verbs `evidence challenge`,
 * `evidence verify` and `secret seal` have their own ways for all others.
 */
#pragma once

#include "attest/evidence.h"
#include "cli/documents.h"

/* Options of all verbs that make something for hosts; the lists stand apart, for verbs that take some
 * already. */
#define HOST_KEY_LIST_OPTION \
        { "crl", OPTION_REPEAT, "FILE", "a revocation list (PEM, DER)" }
#define HOST_KEY_OPTIONS HOST_KEY_LIST_OPTION, HOST_DOCUMENT_OPTIONS
#define HOST_DOCUMENT_OPTIONS                                                                   \
        { "host-key-document", OPTION_REPEAT, "FILE", "of a host that may open it; up to 95" }, \
                        { "cert", OPTION_REPEAT, "FILE",                                        \
                          "IBM's signing certificate, its issuer (PEM, DER)" },                 \
                        { "root-ca", OPTION_TEXT, "FILE",                                       \
                          "the root of that chain; the system's are not used" },                \
                        { "at", OPTION_TEXT, "TIME",                                            \
                          "judge dates at this time (RFC 3339) instead of now" },               \
                        { "crl-service", OPTION_TEXT, "URL",                                    \
                          "a mirror of distribution points; it may be private" },               \
        {                                                                                       \
                "offline", OPTION_FLAG, NULL, "fetch no revocation lists"                       \
        }

#define REQUEST_CHALLENGE_OPTIONS                                                                    \
        { "platform", OPTION_TEXT, "PLATFORM", "one whose evidence answers a request, such as se" }, \
                        { "request", OPTION_TEXT, "FILE",                                            \
                          "where that request goes, to be carried to the guest" },                   \
                        { "secret-store", OPTION_FLAG, NULL,                                         \
                          "ask for the hash of the guest's secret store too" },                      \
                        { "firmware", OPTION_FLAG, NULL, "ask for the state of the firmware too" },  \
                        HOST_KEY_OPTIONS

/* Of all verbs that judge an answer to a request. */
#define REQUEST_ANSWER_OPTIONS                                                                    \
        { "header", OPTION_TEXT, "FILE", "the image that must have answered, or its header" },    \
                        { "added", OPTION_REPEAT, "FILE",                                         \
                          "a request that added a secret to the guest's store, in their order" }, \
        {                                                                                         \
                "locked", OPTION_FLAG, NULL, "the guest's secret store must be locked"            \
        }

/* Of the verbs that make a request themselves. */
#define REQUEST_ATTEST_OPTIONS                                                                              \
        REQUEST_ANSWER_OPTIONS, { "firmware", OPTION_FLAG, NULL, "ask for the state of the firmware too" }, \
                        HOST_DOCUMENT_OPTIONS

#define REQUEST_VERIFY_OPTIONS                                                                          \
        { "request", OPTION_TEXT, "FILE", "with --platform se: what evidence challenge -o wrote" },     \
                        { "arpk", OPTION_TEXT, "FILE",                                                  \
                          "the protection key of a request that pvattest made, 32 bytes" },             \
                        { "response", OPTION_TEXT, "FILE", "the guest's answer, an exchange file" },    \
                        REQUEST_ANSWER_OPTIONS,                                                         \
                        { "user-data", OPTION_TEXT, "FILE", "what the guest must have said itself" }, { \
                "host-key-document", OPTION_REPEAT, "FILE", "hosts, one of which it must run on"        \
        }

#define REQUEST_SEAL_OPTIONS                                                                                \
        { "platform", OPTION_TEXT, "PLATFORM", "one that keeps secrets itself, such as se" },               \
                        { "type", OPTION_TEXT, "TYPE",                                                      \
                          "meta, association, plaintext, aes-256, ... (plaintext)" },                       \
                        { "header", OPTION_TEXT, "FILE", "the image that it is for, or its header" },       \
                        { "cuid", OPTION_TEXT, "HEX", "the run that it is for, from verified evidence" },   \
                        { "request", OPTION_TEXT, "FILE",                                                   \
                          "with --bundle: where the request alone goes, for --added" },                     \
                        { "any-instance", OPTION_FLAG, NULL, "or any run of that image" },                  \
                        { "cck", OPTION_TEXT, "FILE", "the image's CCK: proves that its owner made this" }, \
                        { "extension-secret", OPTION_TEXT, "FILE",                                          \
                          "or this, 32 bytes, in all requests to a guest" },                                \
                        { "user-data", OPTION_TEXT, "FILE", "what software in the guest shall see" },       \
                        { "user-key", OPTION_TEXT, "KEY",                                                   \
                          "signs it: P-521, RSA of 2048 or 3072 bits (PEM)" },                              \
                        { "use-name", OPTION_FLAG, NULL, "the id is the name itself, not its SHA-256" },    \
                        { "disable-dump", OPTION_FLAG, NULL, "no dumps of the guest from then on" },        \
                        HOST_KEY_OPTIONS

/* What is kept of a request, put together for the appraisal. */
struct request_kept {
        struct evidence_kept kept;
        uint8_t image[256]; /* bytes that name it */
        const char *flags[EVIDENCE_FLAGS_MAX];
        uint8_t secret_store[CVM_SHA512_SIZE];
};

/* What `policy make` learns from hosts' documents. */
struct request_policy {
        uint8_t root[CVM_SHA256_SIZE];
        int class_;   /* enum cvm_class */
        char **hosts; /* owned list of ids; NULL: none were named */
};

struct request_platform {
        enum cvm_platform_id id;
        const char *name; /* the short one; the other is cvm_platform_texts[id] */
        /* What a policy leaves open that demands nothing of the firmware. There are no ACPI tables. */
        const char *any_firmware;
        /* Make a request (owned), and put into `ret` what must be kept of it. */
        int (*challenge)(const struct arguments *arguments, struct challenge *ret,
                         struct cvm_bytes *ret_request, struct cvm_error *err);
        /* A request as a file that others carry to the guest too, and out of one. */
        int (*write)(const char *path, const struct cvm_bytes *request, struct cvm_error *err);
        int (*read)(const char *path, struct cvm_bytes *ret_request, struct cvm_error *err);
        /* The image of --header, into kept, image and flags. */
        int (*image)(const struct arguments *arguments, struct request_kept *ret, struct cvm_error *err);
        /* What the platform's own store holds after --added and --locked. */
        int (*secret_store)(const struct arguments *arguments, uint8_t ret[CVM_SHA512_SIZE],
                            struct cvm_error *err);
        /* The measurement of the image of --header. */
        int (*measure)(const struct arguments *arguments, uint8_t ret[CVM_SHA384_SIZE],
                       struct cvm_error *err);
        int (*policy)(const struct arguments *arguments, struct request_policy *ret, struct cvm_error *err);
        /* Judge an answer that comes alone; exit status as of a verdict. */
        int (*verify)(const struct arguments *arguments, struct cvm_error *err);
        /* Seal a secret for the platform's own store. */
        int (*seal)(const struct arguments *arguments, struct cvm_error *err);
};

/* The one of that name; NULL: another platform, or name NULL. */
const struct request_platform *request_platform_find(const char *name);
/* The one that --platform names; NULL: that option is not there, or names another platform. */
const struct request_platform *request_platform(const struct arguments *arguments);
/* The same where another platform has no use for the option: CVM_CODE_PLATFORM. */
int request_platform_only(const struct arguments *arguments, const struct request_platform **ret,
                          struct cvm_error *err);

/*
 * Into `with`: what the challenge remembers (it must live on), the image of --header, and what --added and
 * --locked say of the store. Nothing where the challenge is of no request.
 */
int request_keep(const struct arguments *arguments, const struct challenge *challenge,
                 struct request_kept *ret, struct appraisal *with, struct cvm_error *err);
