/* The measured files of a plan: the same by all at once as one by one, and the first that cannot be read is
 * named. */
#include "launch/boot-files.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <errno.h>

#include "base/fd.h"
#include "launch/synthetic-snp.h"

static struct cvm_bytes firmware;
static struct boot_file from[BOOT_FILES_MAX];

static int make_files(void **state) {
        if (snp_synthetic_firmware(&firmware) < 0)
                return -1;
        from[PLAN_FIRMWARE] = (struct boot_file){ cvm_memfd("f", firmware.data, firmware.size), "f" };
        from[PLAN_KERNEL] = (struct boot_file){ cvm_memfd("k", "kernel", 6), "k" };
        from[PLAN_INITRD] = (struct boot_file){ cvm_memfd("i", "initrd", 6), "i" };
        from[PLAN_SHIM].fd = -EBADF;
        return 0;
}

static int drop_files(void **state) {
        cvm_bytes_done(&firmware);
        for (size_t i = 0; i < BOOT_FILES_MAX; i++)
                cvm_close(from[i].fd);
        return 0;
}

static void test_all(void **state) {
        CVM_CLEANUP(boot_files_done) struct boot_files files = { 0 };
        const struct platform *platform = platform_by_id(CVM_PLATFORM_SEV_SNP);
        struct measured_firmware measured;
        uint8_t kernel[CVM_SHA256_SIZE], initrd[CVM_SHA256_SIZE];

        for (size_t i = 0; i < BOOT_FILES_MAX; i++)
                lseek(from[i].fd, 3, SEEK_SET); /* where they stand does not matter */
        cvm_sha256("kernel", 6, kernel);
        cvm_sha256("initrd", 6, initrd);
        assert_int_equal(platform->measure_firmware(firmware.data, firmware.size, &measured, NULL), 0);
        assert_int_equal(boot_files_read(platform, from, &files, NULL), 0);
        assert_int_equal(files.contents.firmware_size, firmware.size);
        assert_memory_equal(files.contents.firmware, firmware.data, firmware.size);
        assert_memory_equal(files.contents.measured_firmware->sha256, measured.sha256,
                            sizeof measured.sha256);
        assert_memory_equal(files.contents.measured_firmware->digest, measured.digest, CVM_SHA384_SIZE);
        assert_memory_equal(files.contents.kernel_sha256, kernel, sizeof kernel);
        assert_memory_equal(files.contents.initrd_sha256, initrd, sizeof initrd);
}

/* The kernel itself, and the initrd's other digest. */
static void test_for_registers(void **state) {
        CVM_CLEANUP(boot_files_done) struct boot_files files = { .for_registers = true };
        uint8_t kernel[CVM_SHA256_SIZE], initrd[CVM_SHA384_SIZE];

        lseek(from[PLAN_KERNEL].fd, 3, SEEK_SET);
        cvm_sha256("kernel", 6, kernel);
        cvm_sha384("initrd", 6, initrd);
        assert_int_equal(boot_files_read(platform_at(0), from, &files, NULL), 0);
        assert_int_equal(files.contents.kernel_size, 6);
        assert_memory_equal(files.contents.kernel, "kernel", 6);
        assert_memory_equal(files.contents.kernel_sha256, kernel, sizeof kernel);
        assert_int_equal(files.contents.initrd_size, 6);
        assert_memory_equal(files.contents.initrd_sha384, initrd, sizeof initrd);
}

static void test_absent_ones(void **state) {
        static const struct boot_file none = { -EBADF, "none" };
        struct boot_file some[BOOT_FILES_MAX] = { none, from[PLAN_KERNEL], none };
        CVM_CLEANUP(boot_files_done) struct boot_files files = { 0 };

        assert_int_equal(boot_files_read(platform_at(0), some, &files, NULL), 0);
        assert_null(files.contents.firmware);
        assert_null(files.contents.measured_firmware);
        assert_non_null(files.contents.kernel_sha256);
        assert_null(files.contents.initrd_sha256);
}

static void test_the_first_that_cannot_be_read(void **state) {
        CVM_CLEANUP(cvm_closep) int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct boot_file broken[BOOT_FILES_MAX] = { from[PLAN_FIRMWARE],
                                                    { directory, "k" },
                                                    { directory, "i" } };
        CVM_CLEANUP(boot_files_done) struct boot_files files = { 0 };
        struct cvm_error err = { 0 };

        assert_true(boot_files_read(platform_at(0), broken, &files, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_FILE);
        assert_non_null(strstr(err.text, "'k' cannot be read"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_all),
                cmocka_unit_test(test_for_registers),
                cmocka_unit_test(test_absent_ones),
                cmocka_unit_test(test_the_first_that_cannot_be_read),
        };

        return cmocka_run_group_tests(tests, make_files, drop_files);
}
