/* How QEMU lays out the memory of a q35 machine. */
#pragma once

#include <stdint.h>

/* How much of it lies below 4 GiB: all, where it leaves room for the devices. */
static inline uint64_t q35_below_4g(uint64_t memory) {
        return memory >= 0xb0000000u ? 0x80000000u : memory;
}
