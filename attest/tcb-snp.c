#include "attest/tcb-snp.h"

#include <errno.h>
#include <string.h>

const struct snp_product_facts snp_products[SNP_PRODUCT_MAX_] = {
        [SNP_MILAN] = { "Milan",
                        64,
                        { 1, 2, 4, 5, 6, 7, 3, 8 },
                        { "bootloader", "tee", NULL, NULL, NULL, NULL, "snp", "microcode" },
                        { 0x9f, 0x05, 0x6b, 0xee, 0x44, 0x37, 0x7e, 0x29, 0x30, 0x8c, 0xb5,
                          0xff, 0xa8, 0x95, 0xbd, 0xfb, 0x62, 0xd1, 0x88, 0x81, 0xfa, 0x6b,
                          0xed, 0x8d, 0x6f, 0x07, 0x5b, 0x02, 0x04, 0x08, 0x9c, 0xb9 } },
        [SNP_GENOA] = { "Genoa",
                        64,
                        { 1, 2, 4, 5, 6, 7, 3, 8 },
                        { "bootloader", "tee", NULL, NULL, NULL, NULL, "snp", "microcode" },
                        { 0x42, 0x9a, 0x69, 0xc9, 0x42, 0x2a, 0xa2, 0x58, 0xee, 0x4d, 0x8d,
                          0xb5, 0xfc, 0xda, 0x9c, 0x64, 0x70, 0xef, 0x15, 0xf8, 0xcd, 0x5a,
                          0x9c, 0xeb, 0xd6, 0xcb, 0xc7, 0xd9, 0x0b, 0x86, 0x38, 0x31 } },
        [SNP_TURIN] = { "Turin",
                        8,
                        { 9, 1, 2, 3, 5, 6, 7, 8 },
                        { "fmc", "bootloader", "tee", "snp", NULL, NULL, NULL, "microcode" },
                        { 0x4f, 0x12, 0x54, 0x10, 0x56, 0x3a, 0x2a, 0xb9, 0xa5, 0x03, 0x56,
                          0xf9, 0x24, 0x3f, 0x6f, 0xe0, 0xb6, 0xf7, 0x3d, 0xe9, 0x86, 0x03,
                          0xf5, 0x3f, 0x90, 0x33, 0x9c, 0x70, 0xe9, 0xd7, 0xad, 0x08 } },
};

/* Bergamo and Siena (0xa0 to 0xaf) have Genoa's keys and layout. */
static const struct {
        uint8_t family, first_model, last_model;
        enum snp_product product;
} models[] = {
        { 0x19, 0x00, 0x0f, SNP_MILAN },
        { 0x19, 0x10, 0x1f, SNP_GENOA },
        { 0x19, 0xa0, 0xaf, SNP_GENOA },
        { 0x1a, 0x00, 0x11, SNP_TURIN },
};

int snp_product_by_name(const char *name, enum snp_product *ret) {
        size_t length = strcspn(name, "-");

        for (size_t i = 0; i < SNP_PRODUCT_MAX_; i++)
                if (strlen(snp_products[i].name) == length &&
                    strncmp(name, snp_products[i].name, length) == 0) {
                        *ret = i;
                        return 0;
                }
        return -ENOENT;
}

int snp_product_by_cpuid(uint8_t family, uint8_t model, enum snp_product *ret) {
        for (size_t i = 0; i < ARRAY_SIZE(models); i++)
                if (family == models[i].family && model >= models[i].first_model &&
                    model <= models[i].last_model) {
                        *ret = models[i].product;
                        return 0;
                }
        return -ENOENT;
}
