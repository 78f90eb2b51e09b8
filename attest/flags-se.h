/*
 * The control flags in the header of a Secure Execution image: plaintext ones, which everybody sees, and
 * secret ones.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SE_PCF_DUMP (1ull << 29)      /* the host may take an encrypted dump */
#define SE_PCF_PLAIN (1ull << 28)     /* the components are not encrypted */
#define SE_PCF_PCKMO (0xe0ull)        /* protected keys: DEA and TDEA, AES, ECC */
#define SE_PCF_PCKMO_HMAC (1ull << 4) /* protected keys: HMAC */
#define SE_PCF_BACKUP_KEYS (1ull << 1)
#define SE_SCF_EXTENSION_SECRET \
        (1ull << 62) /* add-secret requests must carry the one derived from the CCK */
#define SE_SCF_CCK_UPDATE (1ull << 61)

#define SE_FLAG_DUMP "dump" /* its name */

/* The names of the flags that are set, in `ret` as a list that NULL ends; bits without a name are counted.
 */
#define SE_FLAGS_MAX 16
size_t se_flag_names(uint64_t pcf, uint64_t scf, const char *ret[SE_FLAGS_MAX]);

/* Whether a plaintext flag has that name. */
bool se_flag_is_known(const char *name);
