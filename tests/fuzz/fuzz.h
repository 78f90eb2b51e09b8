/* What libFuzzer calls, and what replay.c calls in its place. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property of the parser that must hold for every input. */
#define FUZZ_REQUIRE(condition)   \
        do {                      \
                if (!(condition)) \
                        abort();  \
        } while (0)
