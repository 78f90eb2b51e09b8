#include "vm/program.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int find(const char *name, char path[PATH_MAX]) {
        const char *dirs = getenv("PATH"), *end;

        snprintf(path, PATH_MAX, "%s", name);
        if (strchr(name, '/'))
                return 0;
        for (dirs = dirs ? dirs : "/bin:/usr/bin"; *dirs; dirs = *end ? end + 1 : end) {
                end = strchrnul(dirs, ':');
                snprintf(path, PATH_MAX, "%.*s/%s", (int)(end - dirs), dirs, name);
                if (access(path, X_OK) == 0)
                        return 0;
        }
        errno = ENOENT;
        return -1;
}

int program_path(const char *name, char ret[PATH_MAX], struct cvm_error *err) {
        if (find(name, ret) < 0)
                return cvm_fail(err, &CVM_CODE_NO_QEMU, errno, "'%s' is not there: %s", name,
                                strerror(errno));
        return 0;
}

int program_identity(const char *name, char ret[PROGRAM_IDENTITY_MAX], struct cvm_error *err) {
        char path[PATH_MAX];
        struct stat st;

        if (find(name, path) < 0 || stat(path, &st) < 0)
                return cvm_fail(err, &CVM_CODE_NO_QEMU, errno, "'%s' is not there: %s", name,
                                strerror(errno));
        snprintf(ret, PROGRAM_IDENTITY_MAX, "%ju:%ju:%jd:%jd", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino,
                 (intmax_t)st.st_mtime, (intmax_t)st.st_size);
        return 0;
}
