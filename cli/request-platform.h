/*
 * Platforms whose evidence and secrets go through requests that only their hardware opens, made for hosts
 * that the owner names by their documents. A const table, one line for each; the verbs `evidence challenge`,
 * `evidence verify` and `secret seal` have their own ways for all others.
 */
#pragma once

#include "cli/documents.h"

/* Options of all verbs that make something for hosts. */
#define HOST_KEY_OPTIONS                                                                        \
        { "host-key-document", OPTION_REPEAT, "FILE", "of a host that may open it; up to 95" }, \
                        { "cert", OPTION_REPEAT, "FILE",                                        \
                          "IBM's signing certificate, its issuer (PEM, DER)" },                 \
                        { "crl", OPTION_REPEAT, "FILE", "a revocation list (PEM, DER)" },       \
                        { "root-ca", OPTION_TEXT, "FILE",                                       \
                          "the root of that chain; the system's are not used" },                \
                        { "at", OPTION_TEXT, "TIME",                                            \
                          "judge dates at this time (RFC 3339) instead of now" },               \
        {                                                                                       \
                "offline", OPTION_FLAG, NULL, "fetch nothing (these verbs never do)"            \
        }

#define REQUEST_CHALLENGE_OPTIONS                                                                    \
        { "platform", OPTION_TEXT, "PLATFORM", "one whose evidence answers a request, such as se" }, \
                        { "request", OPTION_TEXT, "FILE",                                            \
                          "where that request goes, to be carried to the guest" },                   \
                        { "secret-store", OPTION_FLAG, NULL,                                         \
                          "ask for the hash of the guest's secret store too" },                      \
                        { "firmware", OPTION_FLAG, NULL, "ask for the state of the firmware too" },  \
                        HOST_KEY_OPTIONS

#define REQUEST_VERIFY_OPTIONS                                                                          \
        { "request", OPTION_TEXT, "FILE", "with --platform se: what evidence challenge -o wrote" },     \
                        { "response", OPTION_TEXT, "FILE", "the guest's answer, an exchange file" },    \
                        { "header", OPTION_TEXT, "FILE",                                                \
                          "the image that must have answered, or its header" },                         \
                        { "user-data", OPTION_TEXT, "FILE", "what the guest must have said itself" }, { \
                "host-key-document", OPTION_REPEAT, "FILE", "hosts, one of which it must run on"        \
        }

#define REQUEST_SEAL_OPTIONS                                                                                \
        { "platform", OPTION_TEXT, "PLATFORM", "one that keeps secrets itself, such as se" },               \
                        { "type", OPTION_TEXT, "TYPE",                                                      \
                          "meta, association, plaintext, aes-256, ... (plaintext)" },                       \
                        { "header", OPTION_TEXT, "FILE", "the image that it is for, or its header" },       \
                        { "cuid", OPTION_TEXT, "HEX", "the run that it is for, from verified evidence" },   \
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

struct request_platform {
        const char *name, *other_name;
        /* Make a request, write it where --request says, and put into `ret` what must be kept of it. */
        int (*challenge)(const struct arguments *arguments, struct challenge *ret, struct cvm_error *err);
        /* Judge an answer; exit status as of a verdict. */
        int (*verify)(const struct arguments *arguments, struct cvm_error *err);
        /* Seal a secret for the platform's own store. */
        int (*seal)(const struct arguments *arguments, struct cvm_error *err);
};

/* The one that --platform names; NULL: that option is not there, or names another platform. */
const struct request_platform *request_platform(const struct arguments *arguments);
/* The same where another platform has no use for the option: CVM_CODE_PLATFORM. */
int request_platform_only(const struct arguments *arguments, const struct request_platform **ret,
                          struct cvm_error *err);
