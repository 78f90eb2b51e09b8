/*
 * TCB_VERSION, eight bytes whose meaning depends on the processor's generation, and what else does. Never
 * compare it as one number: a host could trade an old component for a new one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "attest/report-snp.h"

enum snp_product { SNP_MILAN, SNP_GENOA, SNP_TURIN, SNP_PRODUCT_MAX_ };

#define SNP_TCB_SIZE 8

struct snp_product_facts {
        const char *name; /* as in certificates and addresses: "Milan" */
        size_t chip_id_size;
        /* The certificate extension (last arc below .3, 1 to 9) that stands for each byte of the TCB. */
        uint8_t spl[SNP_TCB_SIZE];
        /* The same bytes by name, for policies and people; NULL: reserved. */
        const char *components[SNP_TCB_SIZE];
        uint8_t root[32]; /* AMD's ARK: SHA-256 of its SubjectPublicKeyInfo */
};

extern const struct snp_product_facts snp_products[SNP_PRODUCT_MAX_];

/* By the name before a stepping ("Milan-B0"); -ENOENT. */
int snp_product_by_name(const char *name, enum snp_product *ret);

/* By the family and model that reports of version 3 and later carry; -ENOENT. */
int snp_product_by_cpuid(uint8_t family, uint8_t model, enum snp_product *ret);
