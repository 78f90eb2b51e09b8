/* Disks that are made here, judged by QEMU's own tool. */
#include "vm/disk-fill.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/fd.h"

static int make(char path[], int format, uint64_t size) {
        const struct definition_disk disk = { .format = format, .size = size };
        int fd = mkstemp(path);

        assert_true(fd >= 0);
        assert_int_equal(disk_fill(fd, &disk), 0);
        return fd;
}

static void test_raw_is_sparse(void **state) {
        char path[] = "/tmp/cvmd-disk-XXXXXX";
        CVM_CLEANUP(cvm_closep) int fd = make(path, DISK_RAW, 1ull << 30);
        struct stat st;

        unlink(path);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_size, 1ull << 30);
        assert_int_equal(st.st_blocks, 0);
}

/* Sizes around the borders of the tables, and the largest that a definition may have. */
static void test_qcow2_is_one(void **state) {
        static const uint64_t sizes[] = { 512, (512ull << 20), (512ull << 20) + 512, 1ull << 42,
                                          1ull << 50 };

        if (system("command -v qemu-img >/dev/null") != 0) {
                puts("SKIP: qemu-img is not installed");
                skip();
        }
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                char path[] = "/tmp/cvmd-disk-XXXXXX", command[512];
                CVM_CLEANUP(cvm_closep) int fd = make(path, DISK_QCOW2, sizes[i]);

                snprintf(command, sizeof command,
                         "qemu-img check -q -f qcow2 %s &&"
                         " qemu-img info -f qcow2 --output=json %s | grep -q '\"virtual-size\": %ju,' &&"
                         " qemu-io -f qcow2 -c 'write -P 7 %ju 512' -c 'read -P 7 %ju 512' %s >/dev/null &&"
                         " qemu-img check -q -f qcow2 %s",
                         path, path, (uintmax_t)sizes[i], (uintmax_t)sizes[i] - 512,
                         (uintmax_t)sizes[i] - 512, path, path);
                assert_int_equal(system(command), 0);
                unlink(path);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_raw_is_sparse),
                cmocka_unit_test(test_qcow2_is_one),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
