/* Requests that add a secret to a simulated guest's store, as its owner makes them. */
#pragma once

#include <openssl/ec.h>

#include "attest/secret-se.h"

struct make_secret {
        const char *name;
        const char *type; /* NULL: association */
        EVP_PKEY *to;
        const uint8_t *boot_tags, *cuid; /* cuid NULL: any */
        const uint8_t *extension;
        uint64_t flags;
};

/* Another one each time; empty on failure. */
static inline struct cvm_bytes make_secret_request(const struct make_secret *m) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *customer = EVP_EC_gen("P-521");
        static const uint8_t iv[SE_IV_SIZE] = { 7 }, key[SE_KEY_SIZE] = { 8 }, data[32] = { 3 };
        const struct se_recipients recipients = { .customer = customer,
                                                  .hosts = (EVP_PKEY *const[]){ m->to },
                                                  .n_hosts = 1,
                                                  .key = key,
                                                  .iv = iv };
        const struct se_secret_type *type = se_secret_type_find(m->type ? m->type : "association");
        struct se_secret secret = { .type = type,
                                    .data = data,
                                    .size = type->size,
                                    .extension = m->extension,
                                    .flags = m->flags,
                                    .boot_tags = m->boot_tags,
                                    .cuid = m->cuid };
        struct cvm_bytes request = { 0 };

        if (m->name)
                (void)se_secret_id(m->name, false, secret.id);
        (void)se_secret_make(&secret, &recipients, &request, NULL);
        return request;
}
