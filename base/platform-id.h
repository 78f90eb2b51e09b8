/* The technologies, by the number that the formulas use (trust protocol): the one enum that names them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum cvm_platform_id {
        CVM_PLATFORM_NONE = 0,
        CVM_PLATFORM_SEV_SNP = 1,
        CVM_PLATFORM_TDX = 2,
        CVM_PLATFORM_SECURE_EXECUTION = 3,
        CVM_PLATFORM_MAX_,
};

#define CVM_PLATFORM_SIMULATED 0x80

/* The platform byte of the formulas. */
static inline uint8_t cvm_platform_byte(enum cvm_platform_id id, bool simulated) {
        return (uint8_t)(id | (simulated ? CVM_PLATFORM_SIMULATED : 0));
}

/*
 * "none", "sev-snp", "tdx", "secure-execution", NULL: indexed by enum cvm_platform_id, for fields of type
 * CHOICE. Names of technologies that are not offered yet are known too, so that they can be refused in
 * words.
 */
extern const char *const cvm_platform_texts[];
