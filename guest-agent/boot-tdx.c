#include "guest-agent/boot-tdx.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "attest/message.h"
#include "guest-agent/tee.h"

#define ROOM_MAX (1u << 20) /* of the firmware's log with the room behind it: 64 KiB in OVMF */
#define EVENT_TAG 6
#define TAG 0x444d5643 /* "CVMD" */

static int fail(const char *what, int errnum, struct cvm_error *err) {
        return cvm_fail(err, &CVM_CODE_AGENT_REPORT, errnum, "'%s': %s", what, strerror(errnum));
}

static int open_below(const struct boot_tdx_calls *calls, const char *root, const char *path, int flags) {
        char at[TEE_WHERE_MAX];
        int fd;

        if (snprintf(at, sizeof at, "%s%s", root, path) >= (int)sizeof at)
                return -ENAMETOOLONG;
        fd = calls->open(at, flags | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static int read_firmware_log(const struct boot_tdx_calls *calls, int fd, struct cvm_bytes *ret,
                             struct cvm_error *err) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        uint8_t part[4096];
        ssize_t n;

        while ((n = calls->read(fd, part, sizeof part)) > 0 && w.bytes.size <= ROOM_MAX)
                cvm_write_copy(&w, part, (size_t)n);
        if (n < 0 || w.bytes.size > ROOM_MAX)
                return fail(BOOT_TDX_LOG, n < 0 ? errno : EFBIG, err);
        return cvm_writer_take(&w, ret);
}

/* Its records, max bytes of them; their size is 0 where there is none, and where it is no log. */
static void take_firmware_log(const struct boot_tdx_calls *calls, const char *root, size_t max,
                              struct cvm_bytes *ret, struct cvm_error *err) {
        CVM_CLEANUP(tdx_event_log_done) struct tdx_event_log log = { 0 };
        int fd = open_below(calls, root, BOOT_TDX_LOG, O_RDONLY), r = fd;

        if (fd >= 0) {
                r = read_firmware_log(calls, fd, ret, err);
                calls->close(fd);
        } else if (fd != -ENOENT && fd != -ENOTDIR)
                fail(BOOT_TDX_LOG, -fd, err);
        if (r >= 0)
                r = tdx_event_log_read(ret->data, ret->size, &log, err);
        if (r >= 0 && log.size > max)
                r = fail(BOOT_TDX_LOG, EFBIG, err);
        ret->size = r < 0 ? 0 : log.size;
}

int boot_tdx_log(const struct boot_tdx_calls *calls, const char *root, const struct cvm_bytes *own,
                 struct cvm_bytes *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes firmware = { 0 };

        take_firmware_log(calls, root, CVM_EVENT_LOG_MAX - own->size, &firmware, err);
        return tdx_event_log_join(&firmware, own, ret);
}

/* At once: the kernel takes a digest whole. */
static int extend(const struct boot_tdx_calls *calls, const char *root,
                  const uint8_t digest[CVM_SHA384_SIZE], struct cvm_error *err) {
        int fd = open_below(calls, root, BOOT_TDX_REGISTER, O_WRONLY), errnum;
        ssize_t n;

        if (fd == -ENOENT || fd == -ENOTDIR)
                return 0;
        if (fd < 0)
                return fail(BOOT_TDX_REGISTER, -fd, err);
        n = calls->write(fd, digest, CVM_SHA384_SIZE);
        errnum = n < 0 ? errno : EIO;
        calls->close(fd);
        return n == CVM_SHA384_SIZE ? 1 : fail(BOOT_TDX_REGISTER, errnum, err);
}

int boot_tdx_extend(const struct boot_tdx_calls *calls, const char *root, const void *data, size_t size,
                    struct cvm_writer *own, struct cvm_error *err) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer tagged = { 0 };
        struct tdx_event event = { .index = TDX_OWN_INDEX, .type = EVENT_TAG };
        int r = 1;

        cvm_write_u32le(&tagged, TAG);
        cvm_write_u32le(&tagged, (uint32_t)size);
        cvm_write_copy(&tagged, data, size);
        if (tagged.failed)
                return -ENOMEM;
        event.data = tagged.bytes.data;
        event.size = tagged.bytes.size;
        cvm_sha384(event.data, event.size, event.digest);
        if (calls)
                r = extend(calls, root, event.digest, err);
        if (r > 0)
                tdx_event_write(&event, own);
        return r < 0 || !own->failed ? r : -ENOMEM;
}

const struct boot_tdx_calls boot_tdx_system = {
        .open = tee_open,
        .read = read,
        .write = write,
        .close = close,
};
