/*
 * What the owner keeps of a request, where only she who made it can check the evidence that answers it: the
 * other half of it, and what she checked then. Nothing of it ever comes from a bundle. All borrowed.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"

struct evidence_kept {
        const uint8_t *request; /* SHA-256 of its bytes */
        const uint8_t *key;     /* that opens it, 32 bytes */
        int class_;             /* enum cvm_class of the hosts that it was made for */
        const uint8_t *root;    /* SHA-256 of the public key of the root of their documents */
        const uint8_t *hosts;   /* their ids, CVM_SHA256_SIZE each */
        size_t n_hosts;
        const uint8_t *image; /* what names the image that answers, in the technology's own form; NULL:
                                 not known */
        size_t image_size;
        const char *const *flags; /* that are set in it */
        size_t n_flags;
};
