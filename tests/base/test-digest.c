/* The three hashes against FIPS 180-4's own example, and a file read in pieces. */
#include "base/digest.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/fd.h"

static void test_abc(void **state) {
        uint8_t digest[CVM_SHA512_SIZE];
        char hex[2 * CVM_SHA512_SIZE + 1];

        cvm_sha256("abc", 3, digest);
        cvm_hex(digest, CVM_SHA256_SIZE, hex);
        assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        cvm_sha384("abc", 3, digest);
        cvm_hex(digest, CVM_SHA384_SIZE, hex);
        assert_string_equal(hex, "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
                                 "8086072ba1e7cc2358baeca134c825a7");
        cvm_sha512("abc", 3, digest);
        cvm_hex(digest, CVM_SHA512_SIZE, hex);
        assert_string_equal(hex, "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                                 "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}

static void test_file_in_pieces(void **state) {
        const size_t size = (1 << 19) + 13;
        CVM_CLEANUP(cvm_freep) uint8_t *data = calloc(1, size);
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;
        uint8_t whole[CVM_SHA256_SIZE], pieces[CVM_SHA256_SIZE];
        uint8_t longer[CVM_SHA384_SIZE], longer_pieces[CVM_SHA384_SIZE];
        struct cvm_error err = { 0 };
        uint64_t counted;

        data[size - 1] = 1;
        cvm_sha256(data, size, whole);
        fd = cvm_memfd("digest", data, size);
        lseek(fd, 100, SEEK_SET); /* where it stands does not matter */
        assert_int_equal(cvm_sha256_fd(fd, "file", pieces, &counted, &err), 0);
        assert_memory_equal(pieces, whole, sizeof whole);
        assert_int_equal(counted, size);
        cvm_sha384(data, size, longer);
        assert_int_equal(cvm_sha384_fd(fd, "file", longer_pieces, &counted, &err), 0);
        assert_memory_equal(longer_pieces, longer, sizeof longer);
}

static void test_what_cannot_be_read(void **state) {
        CVM_CLEANUP(cvm_closep) int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        uint8_t digest[CVM_SHA256_SIZE];
        struct cvm_error err = { 0 };
        uint64_t size;

        assert_true(cvm_sha256_fd(fd, "a directory", digest, &size, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_FILE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_abc),
                cmocka_unit_test(test_file_in_pieces),
                cmocka_unit_test(test_what_cannot_be_read),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
