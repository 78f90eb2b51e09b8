/* Protected images and host-key documents of Secure Execution, for the verbs of cvmctl that make or read
 * them. Offline: files that are given, and no others. */
#pragma once

#include "attest/hkd-se.h"
#include "cli/command.h"
#include "launch/image-build-se.h"

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
                "offline", OPTION_FLAG, NULL, "fetch nothing (this version never does)"         \
        }

/* The documents, read and checked by those options, with a word on each remark. */
int host_keys_read(const struct arguments *arguments, struct se_hosts *ret, struct cvm_error *err);

/* --platform, where it is given, is this one. */
int image_platform_check(const struct arguments *arguments, struct cvm_error *err);

/* The file of an option, exactly size raw bytes that are not all zero; 0: the option was not given. */
int image_key_read(const struct arguments *arguments, const char *option, uint8_t *ret, size_t size,
                   struct cvm_error *err);

/* A regular file for reading, owned. */
int image_open(const char *path, int *ret_fd, struct cvm_error *err);

/* Both stages of the loader, from --loader-dir or from where distributions put them; owned. */
int image_loader_read(const struct arguments *arguments, struct cvm_bytes *ret_stage3a,
                      struct cvm_bytes *ret_stage3b, struct cvm_error *err);

/* What a header says, and the components where `image` has any; entry NULL: it was not opened. */
json_object *image_json(const struct se_image *image, const struct se_entry *entry);
