#include "collateral/mark.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
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

/* "TIME" or "TIME COUNT", and a newline. */
static int parse(char *text, struct published *ret) {
        char *count, *end = NULL;
        unsigned long long value;

        text[strcspn(text, "\n")] = 0;
        count = strchr(text, ' ');
        if (count) {
                *count++ = 0;
                value = strtoull(count, &end, 10);
                if (!isdigit((unsigned char)*count) || *end || value > UINT32_MAX)
                        return -EINVAL;
                ret->evaluation = (uint32_t)value;
        }
        return cvm_time_parse(text, &ret->made);
}

int mark_read(const char *directory, const char *name, struct published *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes text = { 0 };
        struct published mark = { 0 };
        char path[PATH_MAX];
        int r = join(directory, name, path, err);

        if (r >= 0 && access(path, F_OK) < 0 && errno == ENOENT) {
                *ret = mark;
                return 0;
        }
        if (r >= 0)
                r = cvm_read_file(path, MARK_MAX, &text, err);
        if (r < 0)
                return r;
        if (parse((char *)text.data, &mark) < 0)
                return cvm_fail(err, &CVM_CODE_FILE, EBADMSG,
                                "'%s' holds no mark: what the newest that was seen is, is not known", path);
        *ret = mark;
        return 0;
}

int mark_raise(const char *directory, const char *name, const struct published *seen,
               struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int lock = -EBADF;
        struct published mark = { 0 };
        char path[PATH_MAX], time[CVM_TIME_TEXT], text[MARK_MAX];
        int r = directory_make(directory, err);

        if (r >= 0)
                r = lock = directory_lock(directory, err);
        if (r >= 0)
                r = mark_read(directory, name, &mark, err);
        if (r >= 0)
                r = join(directory, name, path, err);
        if (r < 0 || !published_is_older(&mark, seen))
                return r < 0 ? r : 0;
        mark.made = seen->made > mark.made ? seen->made : mark.made;
        mark.evaluation = seen->evaluation > mark.evaluation ? seen->evaluation : mark.evaluation;
        cvm_time_format(mark.made, time);
        if (mark.evaluation)
                snprintf(text, sizeof text, "%s %u\n", time, mark.evaluation);
        else
                snprintf(text, sizeof text, "%s\n", time);
        return cvm_write_file(path, text, strlen(text), 0600, err);
}
