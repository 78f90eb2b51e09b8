/*
 * Add-secret requests: how a secret reaches the ultravisor's store in a guest of Secure Execution. A request
 * is for the hosts and the image it was made for, and for one run of it where a configuration id is named.
 * In the guest, software may check who made it: user data, signed or not, stands in it in the clear.
 */
#pragma once

#include "attest/request-se.h"

#define SE_SECRET_ID_SIZE 32
#define SE_SECRET_META 1
#define SE_SECRET_CCK_UPDATE 0x16
#define SE_EXTENSION_SIZE 32
#define SE_SECRET_MAX 8192 /* plaintext with its length */
#define SE_SECRET_USER_DATA_MAX 512
#define SE_SECRET_DISABLE_DUMP (1ull << 63) /* no dump from now on */

enum se_user_data { /* how user data is signed: SHA-512 throughout */
                    SE_USER_NONE,
                    SE_USER_UNSIGNED, /* at most 512 bytes */
                    SE_USER_EC,       /* on P-521, 256 */
                    SE_USER_RSA2048,  /* PSS, 256 */
                    SE_USER_RSA3072,  /* PSS, 128 */
};

/* "meta", "association", "plaintext", "aes-256", ... by row: what the ultravisor keeps. */
struct se_secret_type {
        const char *name;
        uint16_t number;
        uint16_t size; /* of the secret; 0: any */
        bool has_id;   /* it is kept under a name */
};
extern const struct se_secret_type se_secret_types[];               /* ends with a NULL name */
const struct se_secret_type *se_secret_type_find(const char *name); /* NULL: there is none */

struct se_secret {
        const struct se_secret_type *type;
        uint8_t id[SE_SECRET_ID_SIZE]; /* of those that have one */
        const uint8_t *data;           /* in the clear; of the type's size or, for numbers, smaller */
        size_t size;
        const uint8_t *extension; /* SE_EXTENSION_SIZE; NULL: zeros */
        uint64_t flags;
        const uint8_t *boot_tags; /* SE_BOOT_TAGS_SIZE */
        const uint8_t *cuid;      /* SE_CUID_SIZE; NULL: any run of the image */
        const void *user_data;
        size_t user_data_size;
        EVP_PKEY *user_key; /* signs it; NULL: unsigned, or none where there is no user data either */
};

/* The id of a secret by its name: its SHA-256, or the name itself where `raw`. -EINVAL: an empty name, or
 * one of more than 31 bytes where raw. */
int se_secret_id(const char *name, bool raw, uint8_t ret[SE_SECRET_ID_SIZE]);

/* From the CCK, for images whose header demands it: the header's tag binds it. -ENOMEM. */
int se_extension_secret(const uint8_t cck[SE_KEY_SIZE], const uint8_t tag[SE_TAG_SIZE],
                        uint8_t ret[SE_EXTENSION_SIZE]);

/* CVM_CODE_SECRET_FORM: the secret or its user data has another form than such ones; CVM_CODE_USER_KEY. */
int se_secret_make(const struct se_secret *secret, const struct se_recipients *to, struct cvm_bytes *ret,
                   struct cvm_error *err);

/* What everybody can see of a request. */
struct se_secret_seen {
        uint16_t type, size;
        enum se_user_data user;
        uint64_t flags;
        uint8_t boot_tags[SE_BOOT_TAGS_SIZE], cuid[SE_CUID_SIZE];
        uint8_t id[SE_SECRET_ID_SIZE]; /* zeros where it has none */
        uint8_t tag[SE_TAG_SIZE];      /* what the secret store's hash is made of */
        uint8_t user_data[SE_SECRET_USER_DATA_MAX];
        size_t user_data_size; /* with its padding: 0, 128, 256 or 512 */
};

/* The form alone, whoever signed what in it. CVM_CODE_REQUEST_FORMAT. */
int se_secret_see(const uint8_t *bytes, size_t size, struct se_secret_seen *ret, struct cvm_error *err);

/*
 * Form of a request and, with the key that must have signed it, its user data's signature. A signed one
 * needs a key, an unsigned one must have none: CVM_CODE_USER_KEY. CVM_CODE_REQUEST_FORMAT;
 * CVM_CODE_SIGNATURE.
 */
int se_secret_verify(const uint8_t *bytes, size_t size, EVP_PKEY *user_key, struct se_secret_seen *ret,
                     struct cvm_error *err);
