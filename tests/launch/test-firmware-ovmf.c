/* Broken images, one fault each: all are refused, none is read past its end. */
#include "launch/firmware-ovmf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "launch/synthetic-snp.h"

#define SIZE 16384
#define TABLE (SIZE - 32 - 18 - 22 - 26 - 22) /* metadata, hashes, reset, footer */
#define METADATA (SIZE - 0x400)

struct change {
        const char *what;
        size_t at, size;
        uint8_t bytes[8];
        const char *words; /* NULL: is read */
};

static const struct change changes[] = {
        { "nothing", 0, 0, { 0 }, NULL },
        { "no footer", SIZE - 40, 1, { 0 }, NULL },
        { "footer length small", SIZE - 50, 2, { 17, 0 }, "table has an impossible length" },
        { "footer length huge", SIZE - 50, 2, { 0xff, 0xff }, "table has an impossible length" },
        { "footer length odd", SIZE - 50, 2, { 18 + 22 + 26 + 22 + 5, 0 }, "table has a broken entry" },
        { "entry length small", SIZE - 50 - 18, 2, { 3, 0 }, "impossible length" },
        { "entry length huge", SIZE - 50 - 18, 2, { 0xff, 0 }, "impossible length" },
        { "metadata offset", TABLE, 4, { 0xff, 0xff, 0xff, 0xff }, "points outside the image" },
        { "metadata at the very end", TABLE, 4, { 2, 0, 0, 0 }, "not where its entry points" },
        { "metadata magic", METADATA, 1, { 'B' }, "not where its entry points" },
        { "metadata length", METADATA + 4, 4, { 15, 0, 0, 0 }, "wrong length" },
        { "metadata version", METADATA + 8, 1, { 2 }, "unknown version" },
        { "metadata count", METADATA + 12, 4, { 0xff, 0xff, 0xff, 0x15 }, "wrong length" },
        { "section not aligned", METADATA + 16, 1, { 1 }, "not whole pages" },
        { "section size not pages", METADATA + 20, 1, { 1 }, "not whole pages" },
        { "section empty", METADATA + 20, 4, { 0, 0, 0, 0 }, "not whole pages" },
        { "section past 4 GiB", METADATA + 16, 4, { 0, 0xf0, 0xff, 0xff }, "outside the first 4 GiB" },
        { "section type", METADATA + 24, 1, { 9 }, "unknown type" },
        { "secrets of two pages", METADATA + 16 + 24 + 4, 2, { 0, 0x20 }, "not one page" },
};

static void test_one_fault_each(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes image = { 0 };
                struct cvm_error err = { 0 };
                struct ovmf ovmf;
                int r;

                assert_int_equal(snp_synthetic_firmware(&image), 0);
                memcpy(image.data + changes[i].at, changes[i].bytes, changes[i].size);
                r = ovmf_read(image.data, image.size, &ovmf, &err);
                if (!changes[i].words ? r < 0 : r >= 0 || !strstr(err.text, changes[i].words))
                        fail_msg("%s: %d \"%s\"", changes[i].what, r, err.text);
        }
}

static void test_what_a_good_image_says(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes image = { 0 };
        struct cvm_error err = { 0 };
        struct ovmf ovmf;

        assert_int_equal(snp_synthetic_firmware(&image), 0);
        assert_int_equal(ovmf_read(image.data, image.size, &ovmf, &err), 0);
        assert_true(ovmf.has_reset && ovmf.has_hashes && ovmf.has_metadata);
        assert_int_equal(ovmf.reset_eip, 0x80b004);
        assert_int_equal(ovmf.n_sections, 5);
        assert_int_equal(ovmf.sections[4].type, OVMF_SECTION_KERNEL_HASHES);
}

static void test_sizes(void **state) {
        uint8_t page[5000] = { 0 };
        struct cvm_error err = { 0 };
        struct ovmf ovmf;

        assert_true(ovmf_read(page, 0, &ovmf, &err) < 0);
        assert_true(ovmf_read(page, 5000, &ovmf, &err) < 0);
        assert_int_equal(ovmf_read(page, 4096, &ovmf, &err), 0);
        assert_false(ovmf.has_metadata);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_fault_each),
                cmocka_unit_test(test_what_a_good_image_says),
                cmocka_unit_test(test_sizes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
