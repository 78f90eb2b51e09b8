/* Variables of a made store: found by name and GUID where they are set, and stores that lie. */
#include "launch/variable-store.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/launch/make-variables.h"

static uint8_t store[STORE_SIZE];

static void make(void) {
        size_t at = store_make(store);

        at = store_add(store, at, 0x3d, VARIABLE_GUID_GLOBAL, "PK", "replaced", 8);
        at = store_add(store, at, 0x3f, VARIABLE_GUID_SECURITY, "PK", "another's", 9);
        at = store_add(store, at, 0x3f, VARIABLE_GUID_GLOBAL, "PKx", "longer", 6);
        at = store_add(store, at, 0x3f, VARIABLE_GUID_GLOBAL, "PK", "the key", 7);
        store_add(store, at, 0x3f, VARIABLE_GUID_GLOBAL, "Empty", "", 0);
}

static void expect(const char *name, const char *data) {
        struct cvm_reader found = { 0 };

        assert_int_equal(variable_find(store, sizeof store, VARIABLE_GUID_GLOBAL, name, &found), 1);
        assert_int_equal(found.left, strlen(data));
        assert_memory_equal(found.next, data, found.left);
}

static void test_found(void **state) {
        struct cvm_reader found = { 0 };

        make();
        expect("PK", "the key");
        expect("PKx", "longer");
        expect("Empty", "");
        assert_int_equal(variable_find(store, sizeof store, VARIABLE_GUID_GLOBAL, "P", &found), 0);
        assert_int_equal(variable_find(store, sizeof store, VARIABLE_GUID_SECURITY, "db", &found), 0);
        assert_null(found.next);
}

static const struct {
        size_t at, size;
        uint64_t value;
} lies[] = {
        { 0x28, 1, 'X' },
        { 0x30, 2, STORE_SIZE },
        { STORE_HEADER, 1, 0 },
        { STORE_HEADER + 16, 4, 27 },
        { STORE_HEADER + 16, 4, STORE_SIZE - STORE_HEADER + 1 },
        { STORE_HEADER + 16, 4, 0xffffffff },
        { STORE_BEGIN + 36, 4, 0xffffffff },
        { STORE_BEGIN + 40, 4, STORE_SIZE },
};

static void test_lies_are_refused(void **state) {
        struct cvm_reader found = { 0 };

        for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
                make();
                store_put(store + lies[i].at, lies[i].value, lies[i].size);
                assert_int_equal(variable_find(store, sizeof store, VARIABLE_GUID_GLOBAL, "PK", &found),
                                 -EINVAL);
        }
}

static void test_any_cut_is_refused(void **state) {
        struct cvm_reader found = { 0 };

        make();
        for (size_t size = 0; size < STORE_SIZE; size++) {
                uint8_t *cut = malloc(size + !size);

                memcpy(cut, store, size);
                assert_int_equal(variable_find(cut, size, VARIABLE_GUID_GLOBAL, "PK", &found), -EINVAL);
                free(cut);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_found),
                cmocka_unit_test(test_lies_are_refused),
                cmocka_unit_test(test_any_cut_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
