/*
 * What the owner keeps of a request, where only she who made it can check the evidence that answers it: the
 * other half of it, and what she checked then. Nothing of it ever comes from a bundle. All borrowed.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"

struct evidence_kept {
        uint8_t request[CVM_SHA256_SIZE]; /* SHA-256 of its bytes */
        uint8_t key[32];                  /* that opens it */
        int class_;                       /* enum cvm_class of the hosts that it was made for */
        uint8_t root[CVM_SHA256_SIZE];    /* of their documents' chain */
        const uint8_t *hosts;             /* their ids, CVM_SHA256_SIZE each */
        size_t n_hosts;
        const uint8_t *image; /* what names the image that answers, in the technology's own form */
        size_t image_size;
        const char *const *flags; /* that are set in it */
        size_t n_flags;
};
