/* What enters the cache, what does not, and what is remembered when it is lost. */
#include "collateral/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/json.h"
#include "collateral/mark.h"
#include "tests/attest/make-crl-snp.h"

#define CHAIN "milan.vcek-chain"
#define LIST "milan.vcek-crl"

static struct make_keys keys;
static char directory[64], state[80], cache[80];
static uint8_t root[CVM_SHA256_SIZE];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at) {
        return remove(path);
}

static void forget(const char *path) {
        nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct collateral_store open_store(void) {
        struct collateral_store store;
        struct cvm_error err = { 0 };

        if (collateral_store_open(cache, state, CVM_PLATFORM_SEV_SNP, root, TEST_NOW, &store, &err) < 0)
                fail_msg("%s", err.text);
        return store;
}

static struct cvm_bytes make_authorities(void) {
        const struct make_chain chain = make_chain(&keys, true);
        const struct make_spec *specs[] = { &chain.ask, &chain.ark };
        CVM_CLEANUP(BIO_free_allp) BIO *bio = BIO_new(BIO_s_mem());
        struct cvm_bytes ret;
        char *text;
        long size;

        for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes der = make_certificate(specs[i]);

                PEM_write_bio(bio, PEM_STRING_X509, "", der.data, (long)der.size);
        }
        size = BIO_get_mem_data(bio, &text);
        assert_int_equal(cvm_bytes_copy(text, (size_t)size, &ret), 0);
        return ret;
}

static const char *put(const struct collateral_store *store, const char *name, struct cvm_bytes object) {
        struct cvm_error err = { 0 };
        int r = collateral_store_put(store, name, &object, &err);

        cvm_bytes_done(&object);
        return r < 0 ? cvm_error_code(&err)->id : "";
}

static struct cvm_bytes list(int from) {
        return make_crl(&(struct crl_spec){
                        .issuer = "ARK-Milan", .signer = keys.ark, .from = from, .until = DAY });
}

static void test_order(void **s) {
        CVM_CLEANUP(collateral_store_done) struct collateral_store store = open_store();
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes object = { 0 };
        struct collateral_facts facts;
        struct cvm_error err = { 0 };
        uint64_t fetched;
        char **names;

        assert_int_equal(collateral_store_names(&store, &names, &err), 0);
        assert_null(names);
        assert_int_equal(collateral_store_get(&store, CHAIN, &object, NULL, NULL, &err), 0);
        assert_string_equal(put(&store, LIST, list(-60)), "CVM-CHAIN-MISSING");
        assert_string_equal(put(&store, CHAIN, make_authorities()), "");
        assert_string_equal(put(&store, LIST, list(-60)), "");
        assert_int_equal(collateral_store_get(&store, LIST, &object, &facts, &fetched, &err), 1);
        assert_int_equal(facts.published.made, TEST_NOW - 60000);
        assert_int_equal(facts.expires, TEST_NOW + DAY * 1000);
        assert_int_equal(collateral_store_names(&store, &names, &err), 0);
        assert_int_equal(cvm_texts_count(names), 2); /* locks and leftovers are none */
        assert_string_equal(names[0], CHAIN);
        cvm_texts_free(names);
}

static void test_older_lists(void **s) {
        CVM_CLEANUP(collateral_store_done) struct collateral_store store = open_store();
        struct published mark;

        put(&store, CHAIN, make_authorities());
        assert_string_equal(put(&store, LIST, list(-60)), "");
        assert_string_equal(put(&store, LIST, list(-61)), "CVM-CRL-OLDER");
        assert_string_equal(put(&store, LIST, list(-60)), "");
        assert_string_equal(put(&store, LIST, list(-59)), "");
        forget(state); /* the list that is there still knows */
        assert_string_equal(put(&store, LIST, list(-61)), "CVM-CRL-OLDER");
        assert_string_equal(put(&store, LIST, list(-59)), "");
        forget(cache); /* and the mark, when it is not */
        put(&store, CHAIN, make_authorities());
        assert_string_equal(put(&store, LIST, list(-60)), "CVM-CRL-OLDER");
        assert_int_equal(mark_read(store.marks, LIST, &mark, NULL), 0);
        assert_int_equal(mark.made, TEST_NOW - 59000);
        assert_string_equal(put(&store, LIST, list(60)),
                            "CVM-CRL-STALE"); /* of the future: pushes no mark */
        assert_int_equal(mark_read(store.marks, LIST, &mark, NULL), 0);
        assert_int_equal(mark.made, TEST_NOW - 59000);
}

static void test_roots(void **s) {
        CVM_CLEANUP(collateral_store_done) struct collateral_store store = open_store(), hardware = { 0 };
        struct cvm_error err = { 0 };

        assert_int_equal(collateral_store_open(cache, state, CVM_PLATFORM_SEV_SNP, NULL, TEST_NOW, &hardware,
                                               &err),
                         0);
        assert_string_equal(put(&hardware, CHAIN, make_authorities()), "CVM-REPORT-ROOT");
        store.root[0] ^= 1;
        assert_string_equal(put(&store, CHAIN, make_authorities()), "CVM-REPORT-ROOT");
        assert_true(access(hardware.cache, F_OK) < 0 || rmdir(hardware.cache) == 0); /* empty */
        assert_true(collateral_store_open(cache, state, CVM_PLATFORM_SECURE_EXECUTION, NULL, 0, &hardware,
                                          &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_EVIDENCE_PLATFORM);
}

static void test_what_others_wrote_there(void **s) {
        CVM_CLEANUP(collateral_store_done) struct collateral_store store = open_store();
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes object = { 0 };
        struct cvm_error err = { 0 };
        char path[512];

        put(&store, CHAIN, make_authorities());
        snprintf(path, sizeof path, "%s/" CHAIN, store.cache);
        assert_int_equal(cvm_write_file(path, "nonsense", 8, 0600, &err), 0);
        assert_true(collateral_store_get(&store, CHAIN, &object, NULL, NULL, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_REPORT_CHAIN);
        assert_null(object.data);
}

static void raise_mark(const char *name, uint64_t made, uint32_t evaluation, uint64_t then_made,
                       uint32_t then_evaluation) {
        struct published mark;

        assert_int_equal(mark_raise(state, name, &(struct published){ made, evaluation }, NULL), 0);
        assert_int_equal(mark_read(state, name, &mark, NULL), 0);
        assert_int_equal(mark.made, then_made);
        assert_int_equal(mark.evaluation, then_evaluation);
}

static void test_marks(void **s) {
        static const char *const broken[] = { "",
                                              "17",
                                              "2027-01-15T08:00:00Z ",
                                              "2027-01-15T08:00:00Z -1",
                                              "2027-01-15T08:00:00Z 4294967296",
                                              "2027-01-15T08:00:00Z 1 2" };
        CVM_CLEANUP(cvm_freep) char *path = NULL;
        struct cvm_error err = { 0 };
        struct published mark = { 99, 99 };

        assert_int_equal(mark_read(state, "x", &mark, &err), 0);
        assert_int_equal(mark.made + mark.evaluation, 0);
        raise_mark("x", TEST_NOW, 0, TEST_NOW, 0);
        raise_mark("x", TEST_NOW - 1, 0, TEST_NOW, 0);
        raise_mark("x", TEST_NOW - 1, 17, TEST_NOW, 17); /* date and count by themselves */
        raise_mark("x", TEST_NOW + 1, 16, TEST_NOW + 1, 17);
        raise_mark("x", TEST_NOW + 1, UINT32_MAX, TEST_NOW + 1, UINT32_MAX);
        assert_true(asprintf(&path, "%s/x", state) > 0);
        for (size_t i = 0; i < ARRAY_SIZE(broken); i++) { /* lost is not none */
                assert_int_equal(cvm_write_file(path, broken[i], strlen(broken[i]), 0600, &err), 0);
                assert_true(mark_read(state, "x", &mark, &err) < 0);
                assert_ptr_equal(err.code, &CVM_CODE_FILE);
                assert_true(mark_raise(state, "x", &(struct published){ TEST_NOW, 1 }, &err) < 0);
        }
}

static int make(void **s) {
        struct make_chain chain;
        uint8_t *spki = NULL;
        int size;

        keys = make_keys();
        chain = make_chain(&keys, true);
        size = i2d_PUBKEY(chain.ark.key, &spki);
        cvm_sha256(spki, (size_t)size, root);
        OPENSSL_free(spki);
        return 0;
}

static int unmake(void **s) {
        make_keys_done(&keys);
        return 0;
}

static int begin(void **s) {
        snprintf(directory, sizeof directory, "/tmp/test-store-XXXXXX");
        snprintf(cache, sizeof cache, "%s/cache", mkdtemp(directory));
        snprintf(state, sizeof state, "%s/state", directory);
        return 0;
}

static int end(void **s) {
        forget(directory);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_order, begin, end),
                cmocka_unit_test_setup_teardown(test_older_lists, begin, end),
                cmocka_unit_test_setup_teardown(test_roots, begin, end),
                cmocka_unit_test_setup_teardown(test_what_others_wrote_there, begin, end),
                cmocka_unit_test_setup_teardown(test_marks, begin, end),
        };

        return cmocka_run_group_tests(tests, make, unmake);
}
