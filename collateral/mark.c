#include "collateral/mark.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/time.h"
#include "collateral/directory.h"

#define MARK_MAX 64

static int join(const char *directory, const char *name, char ret[PATH_MAX], struct cvm_error *err) {
        if (snprintf(ret, PATH_MAX, "%s/%s", directory, name) >= PATH_MAX)
                return cvm_fail(err, &CVM_CODE_FILE, ENAMETOOLONG, "'%s' is too long a path", directory);
        return 0;
}

int mark_read(const char *directory, const char *name, uint64_t *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes text = { 0 };
        char path[PATH_MAX];
        int r = join(directory, name, path, err);

        if (r < 0)
                return r;
        if (access(path, F_OK) < 0 && errno == ENOENT) {
                *ret = 0;
                return 0;
        }
        r = cvm_read_file(path, MARK_MAX, &text, err);
        if (r < 0)
                return r;
        text.data[strcspn((char *)text.data, "\n")] = 0;
        if (cvm_time_parse((char *)text.data, ret) < 0)
                return cvm_fail(err, &CVM_CODE_FILE, EBADMSG,
                                "'%s' holds no time: what the newest revocation list was is not known",
                                path);
        return 0;
}

int mark_raise(const char *directory, const char *name, uint64_t msec, struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int lock = -EBADF;
        char path[PATH_MAX], text[CVM_TIME_TEXT + 1];
        uint64_t mark;
        int r = directory_make(directory, err);

        if (r >= 0)
                r = lock = directory_lock(directory, err);
        if (r >= 0)
                r = mark_read(directory, name, &mark, err);
        if (r >= 0)
                r = join(directory, name, path, err);
        if (r < 0 || mark >= msec)
                return r < 0 ? r : 0;
        cvm_time_format(msec, text);
        text[CVM_TIME_TEXT - 1] = '\n';
        return cvm_write_file(path, text, CVM_TIME_TEXT, 0600, err);
}
