/* Bounds: nothing is read past an end, and a text has one form only. */
#include "base/bytes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_reads_both_orders(void **state) {
        static const uint8_t data[] = { 1, 1, 2, 1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8 };
        struct cvm_reader r = cvm_reader_of(data, sizeof data);

        assert_int_equal(cvm_read_u8(&r), 1);
        assert_int_equal(cvm_read_u16le(&r), 0x0201);
        assert_int_equal(cvm_read_u32be(&r), 0x01020304);
        assert_true(cvm_read_u64be(&r) == 0x0102030405060708);
        assert_true(cvm_reader_done(&r));
        r = cvm_reader_of(data, sizeof data);
        assert_int_equal(cvm_read_u16be(&r), 0x0101);
        assert_int_equal(cvm_read_u8(&r), 2);
        assert_int_equal(cvm_read_u32le(&r), 0x04030201);
        assert_true(cvm_read_u64le(&r) == 0x0807060504030201);
        assert_true(cvm_reader_done(&r));
}

static void test_past_the_end_yields_zeros_for_ever(void **state) {
        /* on the heap, so that the sanitizer sees one byte too far */
        CVM_CLEANUP(cvm_freep) uint8_t *data = calloc(1, 3);
        struct cvm_reader r = cvm_reader_of(data, 3);
        uint8_t copy[4] = { 9, 9, 9, 9 };

        memset(data, 0xff, 3);
        assert_true(cvm_read_u32le(&r) == 0);
        assert_true(r.failed);
        assert_int_equal(cvm_read_u8(&r), 0); /* though a byte is left */
        cvm_read_copy(&r, copy, sizeof copy);
        assert_true(cvm_is_zero(copy, sizeof copy));
        assert_null(cvm_read_view(&r, 0));
        assert_false(cvm_reader_done(&r));
}

static void test_absurd_lengths(void **state) {
        uint8_t data[8] = { 0 };
        struct cvm_reader r = cvm_reader_of(data, sizeof data);

        assert_null(cvm_read_view(&r, SIZE_MAX));
        r = cvm_reader_of(data, sizeof data);
        cvm_read_zeros(&r, SIZE_MAX - 1);
        assert_true(r.failed);
        r = cvm_reader_of(NULL, 0);
        assert_int_equal(cvm_read_u16be(&r), 0);
        assert_true(r.failed);
}

static void test_bytes_that_must_be_zero_or_all_read(void **state) {
        uint8_t data[4] = { 0, 0, 1, 0 };
        struct cvm_reader r = cvm_reader_of(data, sizeof data);

        cvm_read_zeros(&r, 2);
        assert_false(r.failed);
        assert_false(cvm_reader_done(&r)); /* something is left */
        cvm_read_zeros(&r, 2);
        assert_false(cvm_reader_done(&r));
}

static void test_writer_writes_what_reader_reads(void **state) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        struct cvm_reader r;

        cvm_write_u8(&w, 1);
        cvm_write_u16le(&w, 0x0203);
        cvm_write_u32le(&w, 0x04050607);
        cvm_write_u64le(&w, 0x08090a0b0c0d0e0f);
        cvm_write_u16be(&w, 0x0203);
        cvm_write_u32be(&w, 0x04050607);
        cvm_write_u64be(&w, 0x08090a0b0c0d0e0f);
        cvm_write_zeros(&w, 1000);
        cvm_write_copy(&w, NULL, 0);
        assert_int_equal(cvm_writer_take(&w, &bytes), 0);
        assert_int_equal(bytes.size, 1 + 2 * 14 + 1000);
        r = cvm_reader_of(bytes.data, bytes.size);
        assert_int_equal(cvm_read_u8(&r), 1);
        assert_int_equal(cvm_read_u16le(&r), 0x0203);
        assert_int_equal(cvm_read_u32le(&r), 0x04050607);
        assert_true(cvm_read_u64le(&r) == 0x08090a0b0c0d0e0f);
        assert_int_equal(cvm_read_u16be(&r), 0x0203);
        assert_int_equal(cvm_read_u32be(&r), 0x04050607);
        assert_true(cvm_read_u64be(&r) == 0x08090a0b0c0d0e0f);
        cvm_read_zeros(&r, 1000);
        assert_true(cvm_reader_done(&r));
        assert_null(w.bytes.data); /* given away */
}

static void test_writer_that_failed_gives_nothing(void **state) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };

        cvm_write_u8(&w, 1);
        cvm_write_zeros(&w, SIZE_MAX); /* the sum of the sizes goes round */
        cvm_write_u8(&w, 2);
        assert_int_equal(cvm_writer_take(&w, &bytes), -ENOMEM);
        assert_null(bytes.data);
}

static void test_hex_has_one_form(void **state) {
        uint8_t bytes[2] = { 7, 7 };
        char text[5];

        cvm_hex("\x0f\xa0", 2, text);
        assert_string_equal(text, "0fa0");
        assert_int_equal(cvm_unhex("0FA0", bytes, 2), -EINVAL);
        assert_int_equal(cvm_unhex("0fa", bytes, 2), -EINVAL);
        assert_int_equal(cvm_unhex("0fa00", bytes, 2), -EINVAL);
        assert_int_equal(cvm_unhex("0fag", bytes, 2), -EINVAL);
        assert_int_equal(cvm_unhex(" fa0", bytes, 2), -EINVAL);
        assert_int_equal(cvm_unhex("", bytes, 2), -EINVAL);
        assert_memory_equal(bytes, "\x07\x07", 2);
        assert_int_equal(cvm_unhex("0fa0", bytes, 2), 0);
        assert_memory_equal(bytes, "\x0f\xa0", 2);
}

static void test_base64_goes_there_and_back(void **state) {
        static const char *const texts[] = { "", "AA==", "AAE=", "AAEC", "AAECAw==", "+/+/" };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
                CVM_CLEANUP(cvm_freep) char *again = NULL;

                assert_int_equal(cvm_unbase64(texts[i], &bytes), 0);
                again = cvm_base64(bytes.data, bytes.size);
                assert_string_equal(again, texts[i]);
        }
}

/* Every accepted text is the only one for its bytes, so that two readers cannot see different things. */
static void test_base64_that_is_not_canonical(void **state) {
        static const char *const texts[] = {
                "A",        "AA",    "AAE",     "AAECA",     "AB==",     "AAF=", "====",  "A===", "AA=A",
                "AA==AAEC", " AAEC", "AAEC\n",  "AA\nEC",    "AA EC===", "AAE-", "-_-_",  "AAE*", "AAEC====",
                "AAEC=",    "=AAE",  "AAE=\nA", "AAECAA==A", "AAE\xc3",  "AA= ", "AAEC ",
        };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                struct cvm_bytes bytes = { 0 };

                if (cvm_unbase64(texts[i], &bytes) != -EINVAL)
                        fail_msg("\"%s\" was taken", texts[i]);
                assert_null(bytes.data);
        }
}

static void test_equal_asks_for_lengths_first(void **state) {
        assert_true(cvm_equal("ab", 2, "ab", 2));
        assert_false(cvm_equal("ab", 2, "abc", 3));
        assert_false(cvm_equal("ab", 2, "ac", 2));
        assert_true(cvm_equal("", 0, "", 0));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_reads_both_orders),
                cmocka_unit_test(test_past_the_end_yields_zeros_for_ever),
                cmocka_unit_test(test_absurd_lengths),
                cmocka_unit_test(test_bytes_that_must_be_zero_or_all_read),
                cmocka_unit_test(test_writer_writes_what_reader_reads),
                cmocka_unit_test(test_writer_that_failed_gives_nothing),
                cmocka_unit_test(test_hex_has_one_form),
                cmocka_unit_test(test_base64_goes_there_and_back),
                cmocka_unit_test(test_base64_that_is_not_canonical),
                cmocka_unit_test(test_equal_asks_for_lengths_first),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
