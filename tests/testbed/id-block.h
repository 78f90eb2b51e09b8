/* The ID block and its authentication, checked as the firmware does at the end of a launch. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/testbed/digest.h"

#define ID_BLOCK_SIZE 96
#define ID_AUTH_SIZE 4096

/* What the guest's reports show of it; all zero when there is none. */
struct id {
        uint8_t family_id[16], image_id[16], key_digest[DIGEST_SIZE], author_digest[DIGEST_SIZE];
        uint32_t guest_svn;
        bool has_author;
};

/* 0 and ret, or the firmware's error: measurement, policy, version, key or signature. */
uint32_t id_block_check(const uint8_t block[ID_BLOCK_SIZE], const uint8_t auth[ID_AUTH_SIZE],
                        bool has_author, const uint8_t measurement[DIGEST_SIZE], uint64_t policy,
                        struct id *ret);
