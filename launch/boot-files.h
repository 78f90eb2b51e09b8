/*
 * The files of a plan that are measured, read from descriptors at the same time: the firmware as a whole,
 * kernel and initrd by their digest, so that memory does not depend on their size; a shim for registers
 * only.
 */
#pragma once

#include "launch/plan.h"

#define BOOT_FILES_MAX PLAN_BOOT_FILES

struct boot_file {
        int fd;           /* borrowed; read from its start, whatever its position; negative: there is none */
        const char *name; /* for words */
};

struct boot_files {
        bool for_registers; /* set by the caller: what plan_boot() needs too; then memory does depend on the
                               kernel's size */
        struct cvm_bytes firmware, kernel_bytes, shim_bytes, header;
        struct cvm_bytes kernel_signatures,
                        shim_signatures; /* where the platform's firmware may look at them */
        struct measured_firmware measured_firmware;
        uint8_t kernel[CVM_SHA256_SIZE], initrd[CVM_SHA256_SIZE], initrd_sha384[CVM_SHA384_SIZE];
        struct plan_contents contents; /* points into the others: not to be copied */
};

void boot_files_done(struct boot_files *files);

/* For a platform, by role: PLAN_FIRMWARE, PLAN_KERNEL, PLAN_INITRD. *ret is zeros before, but for
 * `for_registers`, and the caller's to free in any case. CVM_CODE_FILE, CVM_CODE_TOO_LARGE: the first of
 * them that cannot be read. */
int boot_files_read(const struct platform *platform, const struct boot_file from[BOOT_FILES_MAX],
                    struct boot_files *ret, struct cvm_error *err);
