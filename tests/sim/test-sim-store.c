/* A simulated store as it is kept between two lives of who simulates it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "sim/sim-store.h"

static struct sim_store make_store(size_t n) {
        struct sim_store store = { .n = n };

        memset(store.extension, 0xe7, sizeof store.extension);
        for (size_t i = 0; i < n; i++) {
                memset(store.tags[i], (int)i + 1, sizeof store.tags[i]);
                memset(&store.kept[i], (int)i + 7, sizeof store.kept[i]);
        }
        return store;
}

static void expect_kept(const struct sim_store *store, size_t size) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        struct sim_store back;

        memset(&back, 0xff, sizeof back);
        assert_int_equal(sim_store_write(store, &bytes), 0);
        assert_int_equal(bytes.size, size);
        assert_int_equal(sim_store_read(&bytes, &back), 0);
        assert_int_equal(back.n, store->n);
        assert_memory_equal(back.tags, store->tags, sizeof back.tags);
        assert_memory_equal(back.kept, store->kept, sizeof back.kept);
        assert_memory_equal(back.extension, store->extension, sizeof back.extension);
        assert_int_equal(back.image_extends, store->image_extends);
        assert_int_equal(back.locked, store->locked);
        assert_int_equal(back.forbids_dump, store->forbids_dump);
        assert_int_equal(back.image_takes_key, store->image_takes_key);
}

static void test_what_was_kept_comes_back(void **state) {
        struct sim_store store = make_store(3), full = make_store(SIM_STORE_MAX),
                         locked = { .locked = true }, image = make_store(0), nothing = { 0 };

        image.image_extends = true;
        expect_kept(&nothing, 0);
        expect_kept(&store, 33 + 3 * 52);
        store.forbids_dump = true;
        expect_kept(&store, 33 + 3 * 52);
        expect_kept(&full, 33 + SIM_STORE_MAX * 52);
        expect_kept(&locked, 33);
        expect_kept(&image, 33);
        image.image_takes_key = true;
        expect_kept(&image, 33);
}

static void test_what_was_not_written_so_is_refused(void **state) {
        uint8_t data[33 + (SIM_STORE_MAX + 1) * 52] = { 2 };
        const struct {
                uint8_t flags;
                size_t size;
        } cases[] = { { 2, 1 }, { 2, 32 }, { 2, 34 }, { 2, 33 + 16 }, { 2, sizeof data }, { 16, 33 } };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                const struct cvm_bytes bytes = { data, cases[i].size };
                struct sim_store store = make_store(2);

                data[0] = cases[i].flags;
                assert_int_equal(sim_store_read(&bytes, &store), -EBADMSG);
                assert_int_equal(store.n, 2);
        }
}

static void test_another_boot_keeps_what_the_image_demands(void **state) {
        struct sim_store store = make_store(3), image = make_store(3), empty = { 0 };
        const struct sim_store begins = { .image_extends = true, .image_takes_key = true };

        store.locked = store.forbids_dump = image.locked = image.forbids_dump = image.image_extends = true;
        image.image_takes_key = true;
        sim_store_clear(&store);
        assert_memory_equal(&store, &empty, sizeof store);
        sim_store_clear(&image);
        assert_memory_equal(image.extension, make_store(0).extension, sizeof image.extension);
        memset(image.extension, 0, sizeof image.extension);
        assert_memory_equal(&image, &begins, sizeof image);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_was_kept_comes_back),
                cmocka_unit_test(test_what_was_not_written_so_is_refused),
                cmocka_unit_test(test_another_boot_keeps_what_the_image_demands),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
