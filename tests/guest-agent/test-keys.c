#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guest-agent/keys.h"

static void test_each_boot_has_its_own(void **state) {
        EVP_PKEY *kem[2], *sig[2];

        for (int i = 0; i < 2; i++)
                assert_int_equal(keys_make(true, &kem[i], &sig[i], NULL), 0);
        assert_int_equal(EVP_PKEY_eq(kem[0], kem[1]), 0);
        assert_int_equal(EVP_PKEY_eq(sig[0], sig[1]), 0);
        for (int i = 0; i < 2; i++) {
                EVP_PKEY_free(kem[i]);
                EVP_PKEY_free(sig[i]);
        }
}

/* Random bytes of the CPU are there, or it is said that they are not. */
static void test_entropy(void **state) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *kem = NULL;
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *sig = NULL;
        struct cvm_error err = { 0 };

        if (keys_make(false, &kem, &sig, &err) == 0) {
                assert_non_null(kem);
                assert_non_null(sig);
                return;
        }
#ifdef __s390x__
        fail_msg("%s", err.text); /* QEMU emulates it */
#endif
        assert_ptr_equal(err.code, &CVM_CODE_AGENT_ENTROPY);
        assert_null(kem);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_boot_has_its_own),
                cmocka_unit_test(test_entropy),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
