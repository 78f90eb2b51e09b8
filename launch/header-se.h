/*
 * The header of a Secure Execution image, version 1: what the host's ultravisor must know of an image before
 * it runs it. It names the digests of the image's pages and the hosts that may run it, and carries,
 * encrypted for them, the image's keys. Its tag is the identity of the image. All numbers are big-endian.
 */
#pragma once

#include <stdbool.h>

#include "attest/flags-se.h"
#include "attest/request-se.h"
#include "base/secret.h"

#define SE_PAGE 4096u
#define SE_HEADER_MAX 8192
#define SE_SLOTS_MAX 95
#define SE_CCK_SIZE 32
#define SE_IMAGE_KEY_SIZE 64

/* Over all pages of all components, in the order of their addresses. */
struct se_digests {
        uint64_t n_pages;
        uint8_t pages[CVM_SHA512_SIZE];     /* PLD: the pages as the image has them */
        uint8_t addresses[CVM_SHA512_SIZE]; /* ALD */
        uint8_t tweaks[CVM_SHA512_SIZE];    /* TLD */
};

struct se_header {
        uint8_t bytes[SE_HEADER_MAX]; /* as it stands in the image */
        size_t size;
        uint64_t pcf; /* plaintext control flags */
        size_t n_slots;
        struct se_digests digests;
};

/* An image's keys. They live in a struct cvm_secret: never on the stack, never copied. */
struct se_keys {
        uint8_t protection[SE_KEY_SIZE]; /* of the header */
        uint8_t cck[SE_CCK_SIZE];        /* customer communication key */
        uint8_t image[SE_IMAGE_KEY_SIZE];
};
int se_keys_new(struct cvm_secret *ret, struct cvm_error *err); /* all zero */
static inline struct se_keys *se_keys(const struct cvm_secret *secret) {
        return (struct se_keys *)secret->data;
}

/* What stands in the encrypted part beside the keys. */
struct se_entry {
        uint64_t psw_mask, psw_address, scf; /* scf: secret control flags */
};

static inline size_t se_header_size(size_t n_slots) {
        return 560 + n_slots * SE_SLOT_SIZE;
}
static inline const uint8_t *se_header_slot(const struct se_header *header, size_t i) {
        return header->bytes + 0x1a0 + i * SE_SLOT_SIZE;
}
static inline const uint8_t *se_header_tag(const struct se_header *header) {
        return header->bytes + header->size - SE_TAG_SIZE;
}
/* PLD, ALD, TLD and tag: by these a request names the image (SE_BOOT_TAGS_SIZE). */
void se_header_boot_tags(const struct se_header *header, uint8_t ret[SE_BOOT_TAGS_SIZE]);
/* Whether a host whose key's coordinates have this SHA-256 may run the image. */
bool se_header_has_host(const struct se_header *header, const uint8_t hash[CVM_SHA256_SIZE]);

/*
 * A header from the front of these bytes, which may go on behind it: magic, version 1, sizes that fit
 * together, reserved bytes zero. CVM_CODE_IMAGE_FORMAT. Its tag is not checked: that needs its key.
 */
int se_header_read(const uint8_t *bytes, size_t size, struct se_header *ret, struct cvm_error *err);

/* Where an image says that its parts are. */
struct se_place {
        uint64_t header;   /* offset in the file = guest address */
        bool has_metadata; /* the image says itself where: newer tools */
        uint32_t version;  /* of the metadata; 1 is known */
        uint64_t ipib;
};

/*
 * The header in a file: where the image's metadata says or, in those without, at the start of one of its
 * first pages (a header alone is found so too). `what` names the file. CVM_CODE_IMAGE_FORMAT.
 */
int se_header_find(int fd, const char *what, struct se_place *ret_place, struct se_header *ret,
                   struct cvm_error *err);

struct se_header_inputs {
        EVP_PKEY *customer;
        EVP_PKEY *const *hosts;
        size_t n_hosts; /* 1 to SE_SLOTS_MAX, CVM_CODE_HOST_KEYS otherwise */
        const struct se_keys *keys;
        const uint8_t *iv; /* SE_IV_SIZE */
        uint64_t pcf;
        struct se_digests digests;
        struct se_entry entry;
};
int se_header_make(const struct se_header_inputs *in, struct se_header *ret, struct cvm_error *err);

/* Check the tag with the key in keys->protection, and open what is encrypted into the other keys.
 * CVM_CODE_IMAGE_CHANGED: another key's, or changed. */
int se_header_open(const struct se_header *header, struct se_keys *keys, struct se_entry *ret,
                   struct cvm_error *err);
