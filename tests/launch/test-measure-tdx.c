/* MRTD against values that another program computed, published images and made ones; and metadata that lies.
 */
#include "launch/measure-tdx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fd.h"
#include "launch/explain-tdx.h"
#include "tests/launch/make-tdvf.h"
#include "tests/shared.h"

static uint8_t image[IMAGE_SIZE];

static void expect_digest(const uint8_t *bytes, size_t size, bool by_section, const char *expected) {
        const struct measure_inputs in = {
                .firmware = bytes, .firmware_size = size, .vcpus = 4, .by_section = by_section
        };
        struct measurement m = { 0 };
        struct cvm_error err = { 0 };
        char hex[97];

        if (tdx_measure(&in, &m, &err) < 0)
                fail_msg("%s", err.text);
        assert_int_equal(m.size, 48);
        assert_true(m.covers_firmware && !m.covers_kernel);
        cvm_hex(m.digest, m.size, hex);
        assert_string_equal(hex, expected);
}

static void expect_refusal(const uint8_t *bytes, size_t size, const char *words) {
        const struct measure_inputs in = { .firmware = bytes, .firmware_size = size, .vcpus = 1 };
        struct measurement m = { 0 };
        struct cvm_error err = { 0 };

        assert_true(tdx_measure(&in, &m, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_FIRMWARE);
        if (!strstr(err.text, words))
                fail_msg("\"%s\" is not in \"%s\"", words, err.text);
        assert_int_equal(m.size, 0);
}

#define BY_PAGE \
        "2faed26aeedb8ef968191c10b32f79ac558761c48014604f479480389a60ea3fd33264c50d4db02e006af4c7936d6366"
#define BY_SECTION \
        "ab8f39bf8d3d71d6f7b93fde77032bb48aa8affc804a9f9dc5b0944a36f8b5ccb04193f4a54ae75ca7af67c5d19fb388"

static void test_both_orders(void **state) {
        image_make(&image_good, image);
        expect_digest(image, IMAGE_SIZE, false, BY_PAGE);
        expect_digest(image, IMAGE_SIZE, true, BY_SECTION);
}

/* What the firmware says first is added first: the place in the table counts, not the address. */
static void test_order_and_contents_count(void **state) {
        struct image_plan plan = image_good;
        const struct measure_inputs in = { .firmware = image, .firmware_size = IMAGE_SIZE, .vcpus = 1 };
        struct measurement before, after;
        struct cvm_error err = { 0 };

        image_make(&plan, image);
        assert_int_equal(tdx_measure(&in, &before, &err), 0);
        image[0] ^= 1; /* the variables are added, and not measured */
        assert_int_equal(tdx_measure(&in, &after, &err), 0);
        assert_memory_equal(before.digest, after.digest, 48);
        image[0x1000] ^= 1;
        assert_int_equal(tdx_measure(&in, &after, &err), 0);
        assert_memory_not_equal(before.digest, after.digest, 48);
        plan.sections[2] = image_good.sections[3];
        plan.sections[3] = image_good.sections[2];
        image_make(&plan, image);
        assert_int_equal(tdx_measure(&in, &after, &err), 0);
        assert_memory_not_equal(before.digest, after.digest, 48);
}

static struct image_plan bad;

static const struct {
        uint64_t value;
        size_t offset, size;
        const char *words;
} lies[] = {
#define AT(member) offsetof(struct image_plan, member), sizeof bad.member
        { 0x46565458, AT(magic), "is not where its entry points" },
        { 2, AT(version), "unknown version" },
        { 143, AT(length), "wrong length" },
        { 5, AT(count), "wrong length" },
        { 1, AT(count), "wrong length" },
        { 0xffffffff, AT(count), "wrong length" },
        { IMAGE_SIZE + 1, AT(offset_from_end), "outside the image" },
        { 4, AT(offset_from_end), "is not where its entry points" },
        { 0x2001, AT(sections[0].offset), "outside the image" },
        { 0xffffffff, AT(sections[0].offset), "outside the image" },
        { 0, AT(sections[0].raw), "outside the image" },
        { 0x7001, AT(sections[0].raw), "outside the image" },
        { 0xffff9001, AT(sections[0].gpa), "not whole pages" },
        { 0xfffffffffffff000, AT(sections[0].gpa), "absurd size" },
        { 0x6800, AT(sections[0].size), "not whole pages" },
        { 0, AT(sections[0].size), "not whole pages" },
        { 0xfffffffffffff000, AT(sections[0].size), "absurd size" },
        { 3, AT(sections[0].attributes), "attribute that QEMU does not know" },
        { 4, AT(sections[3].type), "of a type that QEMU does not add" },
        { 0xffffffff, AT(sections[3].type), "of a type that QEMU does not add" },
        { 1, AT(sections[3].raw), "contents for memory that the host fills in" },
        { 1, AT(sections[2].attributes), "contents for memory that the host fills in" },
        { 3, AT(sections[2].type), "must have one place" },
        { 2, AT(sections[3].type), "must have one place" },
        { 0x80a000, AT(sections[3].gpa), "sections that overlap" },
};

static void test_lies_are_refused(void **state) {
        for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
                bad = image_good;
                memcpy((uint8_t *)&bad + lies[i].offset, &lies[i].value,
                       lies[i].size < 8 ? lies[i].size : 8);
                image_make(&bad, image);
                expect_refusal(image, IMAGE_SIZE, lies[i].words);
        }
        image_make(&image_good, image);
        image[IMAGE_SIZE - 32 - 16] ^= 1; /* the footer */
        expect_refusal(image, IMAGE_SIZE, "has no TDX metadata");
        expect_refusal(image, IMAGE_SIZE - 1, "multiple of 4096");
}

/* A single byte anywhere: measured or refused, never read past. */
static void test_any_cut_is_refused_or_measured(void **state) {
        for (size_t pages = 1; pages < IMAGE_SIZE / 4096; pages++) {
                const struct measure_inputs in = { .firmware = image,
                                                   .firmware_size = 4096 * pages,
                                                   .vcpus = 1 };
                struct measurement m;
                struct cvm_error err = { 0 };

                image_make(&image_good, image);
                memmove(image, image + IMAGE_SIZE - 4096 * pages, 4096 * pages); /* its end stays its end */
                if (tdx_measure(&in, &m, &err) < 0)
                        assert_ptr_equal(err.code, &CVM_CODE_FIRMWARE);
        }
}

static void explain(const struct measure_inputs *given, const char *observed,
                    const struct explain_file *others, size_t n, struct explanation *ret) {
        struct explain_request q = { .given = given, .others = others, .n_others = n };
        uint8_t digest[48];
        struct cvm_error err = { 0 };

        assert_int_equal(cvm_unhex(observed, digest, sizeof digest), 0);
        q.observed = digest;
        assert_int_equal(tdx_explain(&q, ret, &err), 0);
}

static void test_explained(void **state) {
        static uint8_t changed[IMAGE_SIZE];
        const struct explain_file good = { .name = "good.fd", .bytes = image, .size = IMAGE_SIZE };
        struct measure_inputs in = { .firmware = image, .firmware_size = IMAGE_SIZE, .vcpus = 1 };
        struct explanation e;

        image_make(&image_good, image);
        explain(&in, BY_PAGE, NULL, 0, &e);
        assert_true(e.found && e.n_differences == 0);
        explain(&in, BY_SECTION, NULL, 0, &e);
        assert_true(e.found && e.n_differences == 1);
        assert_string_equal(e.differences[0].input, "page_order");
        assert_string_equal(e.differences[0].observed, "section");
        image_make(&image_good, changed);
        changed[0x2000] ^= 1;
        in.firmware = changed;
        explain(&in, BY_SECTION, NULL, 0, &e);
        assert_false(e.found);
        explain(&in, BY_SECTION, &good, 1, &e);
        assert_true(e.found && e.n_differences == 2);
        assert_string_equal(e.differences[0].observed, "good.fd");
}

/* {file, mrtd_per_page, mrtd_per_section, reject}: null where there is none. */
static void check_published(json_object *row) {
        const char *file = json_object_get_string(json_object_object_get(row, "file"));
        const char *by_page = json_object_get_string(json_object_object_get(row, "mrtd_per_page"));
        const char *by_section = json_object_get_string(json_object_object_get(row, "mrtd_per_section"));
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        struct cvm_error err = { 0 };
        char below[256];

        snprintf(below, sizeof below, "vectors/tdx/synthetic/%s", file);
        if (cvm_read_file(shared_path(below), 1 << 20, &bytes, &err) < 0)
                fail_msg("%s", err.text);
        if (by_page) {
                expect_digest(bytes.data, bytes.size, false, by_page);
                expect_digest(bytes.data, bytes.size, true, by_section);
        } else
                expect_refusal(bytes.data, bytes.size, "the firmware");
}

static void test_published(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes text = { 0 };
        CVM_CLEANUP(cvm_json_putp) json_object *list = NULL;
        struct cvm_error err = { 0 };

        if (shared_is_absent("vectors/tdx/synthetic/expected.json"))
                skip();
        if (cvm_read_file(shared_path("vectors/tdx/synthetic/expected.json"), 1 << 20, &text, &err) < 0 ||
            cvm_json_parse(text.data, text.size, "expected.json", &list, &err) < 0)
                fail_msg("%s", err.text);
        assert_true(json_object_array_length(list) >= 13);
        for (size_t i = 0; i < json_object_array_length(list); i++)
                check_published(json_object_array_get_idx(list, i));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_both_orders),
                cmocka_unit_test(test_order_and_contents_count),
                cmocka_unit_test(test_lies_are_refused),
                cmocka_unit_test(test_any_cut_is_refused_or_measured),
                cmocka_unit_test(test_explained),
                cmocka_unit_test(test_published),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
