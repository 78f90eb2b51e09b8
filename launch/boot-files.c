#include "launch/boot-files.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parallel.h"
#include "launch/authenticode.h"
#include "launch/firmware-ovmf.h"

#define KERNEL_MAX (512u << 20)
#define SHIM_MAX (16u << 20)

struct reading {
        const struct platform *platform;
        const struct boot_file *from;
        struct boot_files *files;
        int r[BOOT_FILES_MAX];
        struct cvm_error err[BOOT_FILES_MAX];
};

void boot_files_done(struct boot_files *files) {
        cvm_bytes_done(&files->firmware);
        cvm_bytes_done(&files->kernel_bytes);
        cvm_bytes_done(&files->shim_bytes);
        cvm_bytes_done(&files->kernel_signatures);
        cvm_bytes_done(&files->shim_signatures);
        cvm_bytes_done(&files->header);
}

static int read_whole(const struct boot_file *from, size_t max, struct cvm_bytes *ret,
                      struct cvm_error *err) {
        if (lseek(from->fd, 0, SEEK_SET) < 0)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be read: %s", from->name,
                                strerror(errno));
        return cvm_read_fd(from->fd, max, from->name, ret, err);
}

static int read_firmware(const struct platform *platform, const struct boot_file *from,
                         struct boot_files *files, struct cvm_error *err) {
        int r = read_whole(from, OVMF_SIZE_MAX, &files->firmware, err);

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

static int read_signatures(const struct platform *platform, const struct boot_file *from,
                           struct cvm_bytes *to, const struct cvm_bytes **ret, struct cvm_error *err) {
        *ret = to;
        return platform->check_boot ? authenticode_signatures(from->fd, from->name, to, err) : 0;
}

static int digest_kernel(const struct platform *platform, const struct boot_file *from,
                         struct boot_files *files, struct cvm_error *err) {
        uint64_t size;
        int r = read_signatures(platform, from, &files->kernel_signatures,
                                &files->contents.kernel_signatures, err);

        if (r >= 0 && platform->read_header)
                r = platform->read_header(from->fd, from->name, &files->header, err);
        if (r < 0)
                return r;
        files->contents.header = files->header.data;
        files->contents.header_size = files->header.size;
        files->contents.kernel_sha256 = files->kernel;
        if (!files->for_registers)
                return cvm_sha256_fd(from->fd, from->name, files->kernel, &size, err);
        r = read_whole(from, KERNEL_MAX, &files->kernel_bytes, err);
        if (r < 0)
                return r;
        cvm_sha256(files->kernel_bytes.data, files->kernel_bytes.size, files->kernel);
        files->contents.kernel = files->kernel_bytes.data;
        files->contents.kernel_size = files->kernel_bytes.size;
        return 0;
}

static int digest_initrd(const struct platform *platform, const struct boot_file *from,
                         struct boot_files *files, struct cvm_error *err) {
        uint64_t size;
        int r = cvm_sha256_fd(from->fd, from->name, files->initrd, &size, err);

        files->contents.initrd_sha256 = files->initrd;
        if (r < 0 || !files->for_registers)
                return r;
        files->contents.initrd_sha384 = files->initrd_sha384;
        return cvm_sha384_fd(from->fd, from->name, files->initrd_sha384, &files->contents.initrd_size, err);
}

static int read_shim(const struct platform *platform, const struct boot_file *from, struct boot_files *files,
                     struct cvm_error *err) {
        int r = read_signatures(platform, from, &files->shim_signatures, &files->contents.shim_signatures,
                                err);

        if (r >= 0 && files->for_registers)
                r = read_whole(from, SHIM_MAX, &files->shim_bytes, err);
        files->contents.shim = files->shim_bytes.data;
        files->contents.shim_size = files->shim_bytes.size;
        return r;
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
        { PLAN_SHIM, read_shim },
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
