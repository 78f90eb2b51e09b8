/* The setup header of a Linux kernel as QEMU of before 10.2 changed it on the way to the guest, where it is
 * measured (QEMU, x86_load_linux; Linux, Documentation/arch/x86/boot.rst). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Change the image in place, as for a q35 machine with this memory (initrd_size 0: none). False: QEMU would
 * do more with this kernel than is known here, and nothing was changed. */
bool setup_header_rewrite(uint8_t *image, size_t size, uint64_t memory, uint64_t initrd_size);
