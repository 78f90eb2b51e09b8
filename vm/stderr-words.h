/* What QEMU wrote on its standard error before it ended, as one sentence with a code. */
#pragma once

#include "base/error.h"
#include "launch/failure.h"

/* Fill err from the tail of that file (borrowed): a known cause with its own code, else QEMU's last line
 * under CVM_CODE_QEMU. */
void stderr_words(int fd, struct cvm_error *err);

/* Only a cause that stands in the table of one technology: false where none is in the tail of that file. */
bool stderr_cause(int fd, const struct failure_row *rows, struct cvm_error *err);

/* The same of a text that is at hand, without control characters; it is cut. Returns a negative errno. */
int stderr_text_words(char *text, struct cvm_error *err);

/* At most max_bytes from the end of a file, control characters cleaned, owned text; NULL where there is
 * none. */
char *file_tail(const char *path, size_t max_bytes);
