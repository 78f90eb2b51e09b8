/*
 * Building a protected image: the owner's work, on her machine. A pure function of its inputs, which hold
 * all that is secret or random, so that published images can be made again byte for byte.
 */
#pragma once

#include "launch/image-se.h"

#define SE_STAGE_MAX (1u << 20)    /* either stage of the loader */
#define SE_CMDLINE_MAX (64u << 10) /* more than any kernel takes */
#define SE_TWEAK_RANDOM 6

/* Fresh for each image, and not secret but for the customer key's private half. */
struct se_random {
        EVP_PKEY *customer;
        uint8_t iv[SE_IV_SIZE];
        uint8_t tweaks[4][SE_TWEAK_RANDOM]; /* of kernel, initrd, command line, loader */
};
int se_random_make(struct se_random *ret, struct cvm_error *err);
void se_random_done(struct se_random *random);

/* Random bytes for the keys that are still zero. */
void se_keys_fill(struct se_keys *keys);

struct se_build {
        struct se_source kernel;                   /* raw, of the platform */
        const struct se_source *initrd;            /* NULL: none */
        const char *cmdline;                       /* NULL: none */
        const struct cvm_bytes *stage3a, *stage3b; /* the loader, as the distribution has it */
        EVP_PKEY *const *hosts;                    /* keys on P-521, 1 to SE_SLOTS_MAX, none twice */
        size_t n_hosts;
        uint64_t pcf, scf;
        const struct se_keys *keys;
        const struct se_random *random;
};

/*
 * Write the image into an empty file, in pieces: memory does not depend on its size. CVM_CODE_IMAGE_PART: a
 * part is not one that an image can be made of; CVM_CODE_HOST_KEYS, CVM_CODE_IMAGE_KEY, CVM_CODE_FILE. On
 * failure the file holds no image. ret: what was built.
 */
int se_image_build(const struct se_build *in, int fd, struct se_image *ret, struct cvm_error *err);
