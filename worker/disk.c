/* disk: is this image what the definition says, and nothing more? */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker/qcow2.h"
#include "worker/verb.h"

static int check_qcow2(int fd, uint64_t *ret_size, struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) uint8_t *bytes = calloc(1, QCOW2_HEADER_MAX);
        ssize_t n = bytes ? pread(fd, bytes, QCOW2_HEADER_MAX, 0) : -1;

        if (n < 0)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "the disk cannot be read: %s", strerror(errno));
        return qcow2_check(bytes, (size_t)n, ret_size, err);
}

static int check_raw(int fd, uint64_t *ret_size, struct cvm_error *err) {
        off_t size = lseek(fd, 0, SEEK_END);

        if (size < 0)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "the disk's size cannot be read: %s",
                                strerror(errno));
        *ret_size = (uint64_t)size;
        return 0;
}

static const struct {
        const char *format;
        int (*check)(int fd, uint64_t *ret_size, struct cvm_error *err);
} formats[] = { { "raw", check_raw }, { "qcow2", check_qcow2 } };

static int run(const struct cvm_json *request, json_object **ret, struct cvm_error *err) {
        const char *format = "";
        uint64_t size = 0;
        int fd = -EBADF, r = verb_fd(request, "disk", &fd, err);

        if (r >= 0)
                r = cvm_json_get_text(request, "format", &format, err);
        if (r < 0)
                return r;
        r = -EINVAL;
        for (size_t i = 0; fd >= 0 && i < ARRAY_SIZE(formats); i++)
                if (strcmp(format, formats[i].format) == 0) {
                        r = formats[i].check(fd, &size, err);
                        if (r < 0)
                                return r;
                }
        if (r < 0)
                return cvm_fail(err, &CVM_CODE_FIELD, EINVAL,
                                "the request needs 'disk' and a known 'format'");
        *ret = json_object_new_object();
        json_object_object_add(*ret, "virtual_size", json_object_new_uint64(size));
        return 0;
}

const struct verb verb_disk = { "disk", run, SANDBOX_FILES };
