/*
 * The file in which an attestation request is carried to a guest of Secure Execution and its answer back, as
 * IBM's tools have it (version 1).
 */
#pragma once

#include "attest/request-se.h"

#define SE_EXCHANGE_MAX (SE_REQUEST_MAX + (128u << 10))

struct se_exchange {
        struct cvm_bytes request;     /* owned, as the others */
        struct cvm_bytes measurement; /* 64 bytes, empty in a request */
        struct cvm_bytes additional, user_data;
        uint8_t cuid[SE_CUID_SIZE];
        bool is_answer;
        size_t expected_additional; /* in a request: how much there will be */
};
void se_exchange_done(struct se_exchange *x);

/* CVM_CODE_REPORT_FORMAT. Nothing of it is believed yet. */
int se_exchange_read(const void *data, size_t size, struct se_exchange *ret, struct cvm_error *err);

/* A request (its additional data is expected_additional), or an answer; -ENOMEM. */
int se_exchange_write(const struct se_exchange *x, struct cvm_bytes *ret);

/*
 * Whether an answer was made by the image of these boot tags, for the request in it, which `key` protects.
 * ret_flags (may be NULL): what the request asked for. CVM_CODE_REPORT_MAC: by another image, or changed;
 * CVM_CODE_REQUEST_FORMAT: the request does not open; CVM_CODE_REPORT_FORMAT: it is no answer.
 */
int se_exchange_verify(const struct se_exchange *answer, const uint8_t key[SE_KEY_SIZE],
                       const uint8_t boot_tags[SE_BOOT_TAGS_SIZE], uint64_t *ret_flags,
                       struct cvm_error *err);
