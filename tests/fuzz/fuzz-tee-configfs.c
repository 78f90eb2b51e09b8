/*
 * A configfs-tsm whose attributes say anything. What must hold then: entries come and go, what it gives
 * stays within its bounds, and a refusal has words and gives nothing.
 *
 * The input is what one attribute after another has to say: one byte whether it fails, one how many bytes
 * come at a time, two bytes (big-endian) how many there are, and those. After the last there is none.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "attest/message.h"
#include "guest-agent/tee-configfs.h"
#include "tests/fuzz/fuzz.h"

static struct cvm_reader input, attribute;
static size_t chunk;
static int error, entries, opened;

static int fake_mkdir(const char *path, mode_t mode) {
        entries++;
        return 0;
}

static int fake_rmdir(const char *path) {
        entries--;
        return 0;
}

static int fake_open(const char *path, int flags) {
        static const int errors[] = { 0, 0, 0, EBUSY, EINTR, EIO };

        if (!(flags & O_WRONLY)) {
                size_t what = cvm_read_u8(&input) % ARRAY_SIZE(errors), size;

                chunk = 1 + cvm_read_u8(&input);
                size = cvm_read_u16be(&input);
                if (input.failed) {
                        errno = ENOENT;
                        return -1;
                }
                error = errors[what];
                size = size < input.left ? size : input.left;
                attribute = cvm_reader_of(cvm_read_view(&input, size), size);
        }
        opened++;
        return 7;
}

static ssize_t fake_read(int fd, void *data, size_t size) {
        if (error) {
                errno = error;
                return -1;
        }
        size = size < chunk ? size : chunk;
        size = size < attribute.left ? size : attribute.left;
        cvm_read_copy(&attribute, data, size);
        return (ssize_t)size;
}

static ssize_t fake_write(int fd, const void *data, size_t size) {
        return (ssize_t)size;
}

static int fake_close(int fd) {
        opened--;
        return 0;
}

static void fake_pause(void) {
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const struct tee_configfs_calls calls = { fake_mkdir, fake_rmdir, fake_open, fake_read,
                                                         fake_write, fake_close, fake_pause };
        static const uint8_t question[CVM_REPORT_DATA_SIZE];
        CVM_CLEANUP(tee_report_done) struct tee_report report = { 0 };
        struct cvm_error err = { 0 };

        input = cvm_reader_of(data, size);
        if (tee_configfs_ask(&calls, "directory", question, &report, &err) < 0)
                FUZZ_REQUIRE(err.code && !report.report.data && !report.certificates.data);
        else
                FUZZ_REQUIRE(!err.code && report.report.size > 0 && report.report.size <= CVM_REPORT_MAX &&
                             report.certificates.size <= CVM_CERTIFICATE_TABLE_MAX);
        FUZZ_REQUIRE(entries == 0 && opened == 0);
        return 0;
}
