#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cvm_fail(struct cvm_error *err, const struct cvm_code *code, int errnum, const char *format, ...) {
        va_list args;

        if (err) {
                va_start(args, format);
                vsnprintf(err->text, sizeof err->text, format, args);
                va_end(args);
                err->code = code;
        }
        return -abs(errnum ? errnum : EIO);
}

const char *cvm_error_text(struct cvm_error *err, int r) {
        if (!err->code) {
                err->code = &CVM_CODE_INTERNAL;
                snprintf(err->text, sizeof err->text, "%s", strerror(abs(r)));
        }
        return err->text;
}

const struct cvm_code *cvm_error_code(const struct cvm_error *err) {
        return err->code ? err->code : &CVM_CODE_INTERNAL;
}

int cvm_while(struct cvm_error *err, int r, const char *format, ...) {
        char before[CVM_ERROR_TEXT_MAX], after[CVM_ERROR_TEXT_MAX];
        va_list args;
        int room;

        if (!err)
                return r;
        snprintf(after, sizeof after, "%s", cvm_error_text(err, r));
        va_start(args, format);
        vsnprintf(before, sizeof before, format, args);
        va_end(args);
        /* The cause stands at the end and is what must not be lost: only what is put in front is cut. */
        room = (int)(sizeof err->text - strlen(after)) - 3;
        if (room > 0)
                snprintf(err->text, sizeof err->text, "%.*s: %s", room, before, after);
        return r;
}

int cvm_fail_as(struct cvm_error *err, const struct cvm_code *code, int errnum, struct cvm_error *why,
                int r) {
        if (r == -ENOMEM)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "%s", cvm_error_text(why, r));
        return cvm_fail(err, code, errnum, "%s", cvm_error_text(why, r));
}
