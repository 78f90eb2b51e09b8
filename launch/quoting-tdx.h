/*
 * Intel's quoting service, which signs what a guest's hardware reports: asked how it is. Its messages are
 * little-endian and have their length before them, big-endian (Intel DCAP, qgs_msg_lib.h).
 */
#pragma once

#include "launch/host-probe.h"

#define QUOTING_VERSION_MAJOR 1
#define QUOTING_VERSION_MINOR 1 /* the one that QEMU takes answers of */

enum quoting_type {
        QUOTING_GET_QUOTE = 0,
        QUOTING_QUOTE = 1,
        QUOTING_GET_PLATFORM = 4,
        QUOTING_PLATFORM = 5,
};

struct quoting_platform {
        uint16_t enclave_svn, pce_svn; /* of the enclaves that sign and certify */
        size_t ids_at, ids_size;       /* in the message: what is this platform's alone */
};

/* Its answer to QUOTING_GET_PLATFORM, whole and without the length before it: hostile bytes.
 * CVM_CODE_HOST_PROBE, -EPROTO: of another form or version; -EREMOTEIO: an error that it names. */
int quoting_read_platform(const void *data, size_t size, struct quoting_platform *ret,
                          struct cvm_error *err);

/* The row of the probe: the service of this machine is asked. Zeros stand for the platform's ids. Within
 * seconds; CVM_CODE_HOST_PROBE. */
int quoting_ask(enum host_firmware_question question, uint8_t ret[HOST_FIRMWARE_ANSWER_MAX],
                size_t *ret_size, struct cvm_error *err);
/* The same of a service that listens elsewhere and may take this long for each step. */
int quoting_ask_at(const char *path, unsigned msec, uint8_t ret[HOST_FIRMWARE_ANSWER_MAX], size_t *ret_size,
                   struct cvm_error *err);
