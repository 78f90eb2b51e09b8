/*
 * The pages of an image's components: encrypted by AES-256-XTS, one data unit per page, and digested in the
 * order in which they are given. What is asked of an image is the same for those that make one and for those
 * that check one.
 */
#pragma once

#include "launch/header-se.h"

struct se_pages;
struct se_pages *se_pages_free(struct se_pages *pages);
CVM_DEFINE_CLEANUP(struct se_pages, se_pages_free);

int se_pages_new(struct se_pages **ret, struct cvm_error *err);

/* Whole pages of a component, as they stand in the image: its tweak prefix and address, and where in it. */
int se_pages_add(struct se_pages *pages, uint64_t prefix, uint64_t address, uint64_t offset,
                 const uint8_t *data, size_t size, struct cvm_error *err);

/* What has been added. */
int se_pages_digests(struct se_pages *pages, struct se_digests *ret, struct cvm_error *err);

/* In place, and the way back. CVM_CODE_IMAGE_KEY: the key's halves are equal. */
int se_pages_encrypt(const uint8_t image_key[SE_IMAGE_KEY_SIZE], uint64_t prefix, uint64_t offset,
                     uint8_t *data, size_t size, struct cvm_error *err);
int se_pages_decrypt(const uint8_t image_key[SE_IMAGE_KEY_SIZE], uint64_t prefix, uint64_t offset,
                     uint8_t *data, size_t size, struct cvm_error *err);
