/*
 * What a line of QEMU's log means: const tables of texts, and of numbers that stand right behind a text. vm/
 * has one for all guests; a technology adds its own (struct platform), which comes first.
 */
#pragma once

#include <stdbool.h>

#include "base/codes.h"

struct failure_number {
        long long number;
        const struct cvm_code *code; /* NULL ends the table */
        const char *sentence;
};

struct failure_row {
        const char *part; /* of QEMU's message, in the same words for all versions; NULL ends the table */
        const struct cvm_code *code;
        const char *sentence; /* one clause, without a full stop */
        /* what the number behind the part tells; code and sentence of the row stand for one that is not
         * there. NULL: none follows */
        const struct failure_number *numbers;
};

struct failure {
        const struct cvm_code *code;
        const char *sentence;
        const char *at; /* where the part stands in the text; borrowed from it */
};

/* The first row, in the order of the table, whose part stands anywhere in the text. */
bool failure_find(const struct failure_row *rows, const char *text, struct failure *ret);
