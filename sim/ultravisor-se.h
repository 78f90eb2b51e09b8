/*
 * What an ultravisor does with its host's private key, in software: it opens an image, answers a request for
 * attestation, and takes a secret into a guest's store. Hostile bytes all.
 */
#pragma once

#include "attest/exchange-se.h"
#include "sim/sim.h"

/*
 * Open the image as hardware would: the slot for this host, the header's tag, the digests of all pages. What
 * it holds is written, decrypted, into an empty file of guest memory from address 0, which begins with the
 * PSW of the header: plain QEMU boots that. In pieces: memory does not depend on its size.
 * ret: the store of its guests as it begins. CVM_CODE_HOST_KEY_SLOT, CVM_CODE_IMAGE_FORMAT,
 * CVM_CODE_IMAGE_CHANGED, CVM_CODE_GUEST_POLICY.
 */
int ultravisor_open(EVP_PKEY *host, int image, int flat, struct sim_store *ret, struct cvm_error *err);

/* One run of an image; all borrowed. */
struct ultravisor_guest {
        const uint8_t *host_hash; /* of the key that opened it */
        const uint8_t *boot_tags, *cuid;
        const struct sim_store *store;
        const void *user_data;
        size_t user_data_size;
};

/* The answer to this request; owned. CVM_CODE_REQUEST_FORMAT: it is none, or for other hosts. */
int ultravisor_attest(EVP_PKEY *host, const struct cvm_bytes *request, const struct ultravisor_guest *guest,
                      struct se_exchange *ret, struct cvm_error *err);

/* What an ultravisor answers: its number, and why (static; NULL: done). 0: it has none for that. */
struct ultravisor_result {
        uint16_t rc;
        const char *why;
};

/* An add-secret request of that guest, into its store. The very same again is taken and changes nothing. */
struct ultravisor_result ultravisor_add(EVP_PKEY *host, const struct cvm_bytes *request,
                                        const struct ultravisor_guest *guest, struct sim_store *store);
struct ultravisor_result ultravisor_lock(struct sim_store *store);
/* A page (attest/list-se.h), owned: the secrets that have an id, in the order in which they came. -ENOMEM.
 */
int ultravisor_list(const struct sim_store *store, struct cvm_bytes *ret);
