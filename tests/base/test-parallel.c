/* Pieces done at once: each of them exactly once, with as many threads as can be had, or with none. */
#include "base/parallel.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define PIECES 1000

/* Threads that can be made, and those that were. */
static unsigned threads_left = UINT32_MAX, threads_made;

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg) {
        int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
                        (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *),
                                 void *))dlsym(RTLD_NEXT, "pthread_create");

        if (threads_left == 0)
                return EAGAIN;
        threads_left--;
        threads_made++;
        return real(thread, attr, start, arg);
}

static unsigned processors(void) {
        cpu_set_t set;

        assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
        return (unsigned)CPU_COUNT(&set);
}

static void count(void *ctx, size_t piece) {
        atomic_uint *counts = ctx;

        atomic_fetch_add(&counts[piece], 1);
}

/* Work in so many pieces, when so many threads can be made. */
static void assert_each_once(size_t pieces, unsigned threads) {
        static atomic_uint counts[PIECES + 1];

        for (size_t i = 0; i <= PIECES; i++)
                counts[i] = 0;
        threads_left = threads;
        threads_made = 0;
        cvm_parallel(pieces, count, counts);
        threads_left = UINT32_MAX;
        for (size_t i = 0; i <= PIECES; i++)
                assert_int_equal(counts[i], i < pieces);
}

static void test_each_piece_once(void **state) {
        static const size_t numbers[] = { 0, 1, 2, 3, 31, PIECES };

        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
                assert_each_once(numbers[i], UINT32_MAX);
}

static void test_threads_have_a_bound(void **state) {
        assert_each_once(PIECES, UINT32_MAX);
        assert_true(threads_made < CVM_PARALLEL_MAX);
        assert_true(threads_made < processors());
        assert_each_once(1, UINT32_MAX);
        assert_int_equal(threads_made, 0);
}

static void test_without_threads(void **state) {
        assert_each_once(PIECES, 0);
        assert_int_equal(threads_made, 0);
        assert_each_once(PIECES, 1); /* and where the second cannot be made */
}

static void meet(void *ctx, size_t piece) {
        pthread_barrier_wait(ctx);
}

/* Each of the two waits for the other one. */
static void test_two_at_once(void **state) {
        pthread_barrier_t barrier;

        if (processors() < 2)
                skip();
        assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
        cvm_parallel(2, meet, &barrier);
        pthread_barrier_destroy(&barrier);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_piece_once),
                cmocka_unit_test(test_threads_have_a_bound),
                cmocka_unit_test(test_without_threads),
                cmocka_unit_test(test_two_at_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
