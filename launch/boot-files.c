#include "launch/boot-files.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parallel.h"
#include "launch/firmware-ovmf.h"

struct reading {
        const struct platform *platform;
        const struct boot_file *from;
        struct boot_files *files;
        int r[BOOT_FILES_MAX];
        struct cvm_error err[BOOT_FILES_MAX];
};

void boot_files_done(struct boot_files *files) {
        cvm_bytes_done(&files->firmware);
}

static int read_firmware(const struct platform *platform, const struct boot_file *from,
                         struct boot_files *files, struct cvm_error *err) {
        int r;

        if (lseek(from->fd, 0, SEEK_SET) < 0)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be read: %s", from->name,
                                strerror(errno));
        r = cvm_read_fd(from->fd, OVMF_SIZE_MAX, from->name, &files->firmware, err);
        if (r < 0)
                return r;
        files->contents.firmware = files->firmware.data;
        files->contents.firmware_size = files->firmware.size;
        if (!platform->measure_firmware)
                return 0;
        files->contents.measured_firmware = &files->measured_firmware;
        return platform->measure_firmware(files->firmware.data, files->firmware.size,
                                          &files->measured_firmware, err);
}

static int digest_kernel(const struct platform *platform, const struct boot_file *from,
                         struct boot_files *files, struct cvm_error *err) {
        uint64_t size;

        files->contents.kernel_sha256 = files->kernel;
        return cvm_sha256_fd(from->fd, from->name, files->kernel, &size, err);
}

static int digest_initrd(const struct platform *platform, const struct boot_file *from,
                         struct boot_files *files, struct cvm_error *err) {
        uint64_t size;

        files->contents.initrd_sha256 = files->initrd;
        return cvm_sha256_fd(from->fd, from->name, files->initrd, &size, err);
}

/* The longest begins first. */
static const struct {
        enum plan_file_role role;
        int (*read)(const struct platform *platform, const struct boot_file *from, struct boot_files *files,
                    struct cvm_error *err);
} readers[BOOT_FILES_MAX] = {
        { PLAN_INITRD, digest_initrd },
        { PLAN_KERNEL, digest_kernel },
        { PLAN_FIRMWARE, read_firmware },
};

static void read_one(void *ctx, size_t i) {
        struct reading *reading = ctx;
        enum plan_file_role role = readers[i].role;

        if (reading->from[role].fd >= 0)
                reading->r[role] = readers[i].read(reading->platform, &reading->from[role], reading->files,
                                                   &reading->err[role]);
}

int boot_files_read(const struct platform *platform, const struct boot_file from[BOOT_FILES_MAX],
                    struct boot_files *ret, struct cvm_error *err) {
        struct reading reading = { .platform = platform, .from = from, .files = ret };

        cvm_parallel(BOOT_FILES_MAX, read_one, &reading);
        for (size_t i = 0; i < BOOT_FILES_MAX; i++)
                if (reading.r[i] < 0) {
                        if (err)
                                *err = reading.err[i];
                        return reading.r[i];
                }
        return 0;
}
