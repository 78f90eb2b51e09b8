/* The chain over a firmware's pages, which several threads hash, against the formula followed page by page.
 */
#include "launch/digest-snp.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"

#define PAGES_MAX 1057

static bool no_threads;

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg) {
        int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
                        (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *),
                                 void *))dlsym(RTLD_NEXT, "pthread_create");

        return no_threads ? EAGAIN : real(thread, attr, start, arg);
}

static uint8_t *image;

/* No two pages are equal. */
static int make_image(void **state) {
        image = malloc(PAGES_MAX * OVMF_PAGE);
        for (size_t i = 0; image && i < PAGES_MAX * OVMF_PAGE; i++)
                image[i] = (uint8_t)(i / OVMF_PAGE * 31 + (i * 2654435761u >> 20));
        return image ? 0 : -1;
}

static int drop_image(void **state) {
        free(image);
        return 0;
}

/* FWABI 8.17.2: LD := SHA-384(LD, contents, 0x70, type 1, ..., address). */
static void follow(size_t pages, uint8_t ld[CVM_SHA384_SIZE]) {
        uint8_t info[0x70] = { [0x60] = 0x70, [0x62] = 1 };

        memset(ld, 0, CVM_SHA384_SIZE);
        for (size_t i = 0; i < pages; i++) {
                uint64_t gpa = (1ull << 32) - (pages - i) * OVMF_PAGE;

                memcpy(info, ld, CVM_SHA384_SIZE);
                cvm_sha384(image + i * OVMF_PAGE, OVMF_PAGE, info + 0x30);
                for (size_t k = 0; k < 8; k++)
                        info[0x68 + k] = (uint8_t)(gpa >> (8 * k));
                cvm_sha384(info, sizeof info, ld);
        }
}

static void assert_follows(size_t pages) {
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *md = snp_digest_context();
        struct snp_digest d = { .md = md };
        uint8_t expected[CVM_SHA384_SIZE];

        follow(pages, expected);
        snp_digest_firmware(&d, image, pages * OVMF_PAGE);
        assert_memory_equal(d.ld, expected, sizeof expected);
}

/* One page, odd numbers around a thread's share, 4 MiB, and what goes beyond one batch. */
static void test_pages_in_order(void **state) {
        static const size_t numbers[] = { 1, 3, 31, 33, 1024, 1025, PAGES_MAX };

        for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
                assert_follows(numbers[i]);
}

static void test_without_threads(void **state) {
        no_threads = true;
        assert_follows(33);
        assert_follows(1024);
        no_threads = false;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_pages_in_order),
                cmocka_unit_test(test_without_threads),
        };

        return cmocka_run_group_tests(tests, make_image, drop_image);
}
