/*
 * Errors with words. Fallible functions return a negative errno; those whose failure a user must understand
 * take a struct cvm_error last. It lives on the caller's stack and never allocates, so it cannot fail
 * itself. It is untouched on success. The lowest function that knows the cause writes the sentence; each
 * layer that knows a name the user knows adds it in front.
 */
#pragma once

#include "base/codes.h"
#include "base/macros.h"

#define CVM_ERROR_TEXT_MAX 512

struct cvm_error {
        const struct cvm_code *code; /* NULL until something failed with words */
        char text[CVM_ERROR_TEXT_MAX];
};

/* Write the sentence and its code; returns -errnum, so a failure is one statement. err may be NULL. */
int cvm_fail(struct cvm_error *err, const struct cvm_code *code, int errnum, const char *format, ...)
                CVM_PRINTF(4, 5);

/*
 * Put "what: " in front of the sentence and return r. Where the callee left no words (a plain errno),
 * strerror stands in for them, under CVM_CODE_INTERNAL.
 */
int cvm_while(struct cvm_error *err, int r, const char *format, ...) CVM_PRINTF(3, 4);

/*
 * A callee's failure under a code of ours: its words in `why`, returns -errnum. Want of memory stays what it
 * is (-ENOMEM, CVM_CODE_NO_MEMORY), so that it never becomes a word on what was read.
 */
int cvm_fail_as(struct cvm_error *err, const struct cvm_code *code, int errnum, struct cvm_error *why,
                int r);

/* The sentence, or strerror of r where there is none. Borrowed from err. */
const char *cvm_error_text(struct cvm_error *err, int r);

/* The code, CVM_CODE_INTERNAL where none was written. */
const struct cvm_code *cvm_error_code(const struct cvm_error *err);
