/* Chains that are verified once: what that spares, and that it never stands for what must be looked at each
 * time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "attest/chain-cache.h"
#include "tests/attest/count-chains.h"
#include "tests/attest/make-crl-snp.h"
#include "tests/attest/scene-snp.h"

/* Judge once more: by this code alone (NULL: accepted), after so many verifications of a chain. */
static void expect(struct scene *s, const struct cvm_code *code, unsigned chains) {
        verified = 0;
        judge(s);
        if (s->verdict.n_reasons != (code ? 1 : 0) || (code && s->verdict.reasons[0].code != code))
                fail_msg("%s", s->verdict.n_reasons ? s->verdict.reasons[0].text : "accepted");
        assert_int_equal(verified, chains);
        verdict_done(&s->verdict);
        s->verdict = (struct verdict){ 0 };
}

static struct scene cached_scene(struct chain_cache *cache) {
        struct scene s = scene();

        assert_non_null(cache);
        s.appraisal.chains = cache;
        seal(&s);
        expect(&s, NULL, 1);
        return s;
}

static void test_one_verification(void **state) {
        CVM_CLEANUP(chain_cache_freep) struct chain_cache *cache = chain_cache_new();
        CVM_CLEANUP(scene_done) struct scene s = cached_scene(cache);

        expect(&s, NULL, 0);
        s.bundle.generation++;
        seal_report(&s); /* another report, the same chain */
        expect(&s, NULL, 0);
        s.appraisal.chains = NULL;
        expect(&s, NULL, 1);
}

static void test_dates_are_judged_each_time(void **state) {
        static const int days[] = { 2, -2 };
        CVM_CLEANUP(chain_cache_freep) struct chain_cache *cache = chain_cache_new();
        CVM_CLEANUP(scene_done) struct scene s = cached_scene(cache);

        for (size_t i = 0; i < ARRAY_SIZE(days); i++) {
                s.appraisal.now_msec = (uint64_t)((int64_t)TEST_NOW + days[i] * 86400000ll);
                expect(&s, &CVM_CODE_REPORT_CHAIN, 1);
        }
        s.appraisal.now_msec = TEST_NOW;
        expect(&s, NULL, 0);
}

static void test_the_report_is_judged_each_time(void **state) {
        CVM_CLEANUP(chain_cache_freep) struct chain_cache *cache = chain_cache_new();
        CVM_CLEANUP(scene_done) struct scene s = cached_scene(cache);

        s.bundle.report.data[0x90] ^= 1;
        expect(&s, &CVM_CODE_REPORT_SIGNATURE, 0);
        s.report.chip_id[0] ^= 1;
        seal_report(&s);
        expect(&s, &CVM_CODE_REPORT_CERTIFICATE, 0);
}

static void test_the_root_is_judged_each_time(void **state) {
        CVM_CLEANUP(chain_cache_freep) struct chain_cache *cache = chain_cache_new();
        CVM_CLEANUP(scene_done) struct scene s = cached_scene(cache);
        char other[67] = "\"";

        memset(other + 1, '0', 64);
        other[65] = '"';
        set_policy(&s, "simulation_root", other);
        expect(&s, &CVM_CODE_REPORT_ROOT, 0);
}

static void test_lists_are_heeded_each_time(void **state) {
        CVM_CLEANUP(chain_cache_freep) struct chain_cache *cache = chain_cache_new();
        CVM_CLEANUP(scene_done) struct scene s = cached_scene(cache);
        struct crl_spec spec = {
                .issuer = "ARK-Milan", .signer = keys.ark, .from = -DAY, .until = DAY, .revokes = true
        };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes list = make_crl(&spec);

        assert_int_equal(evidence_add_revocation(&s.bundle, list.data, list.size, NULL), 0);
        expect(&s, &CVM_CODE_REVOKED, 0);
}

static void test_other_certificates(void **state) {
        CVM_CLEANUP(chain_cache_freep) struct chain_cache *cache = chain_cache_new();
        CVM_CLEANUP(scene_done) struct scene s = cached_scene(cache);
        struct cvm_bytes *ek = &s.bundle.certificates[0];

        ek->data[ek->size - 1] ^= 1; /* in its signature */
        expect(&s, &CVM_CODE_REPORT_CHAIN, 1);
        expect(&s, &CVM_CODE_REPORT_CHAIN, 1); /* what failed is not kept */
        ek->data[ek->size - 1] ^= 1;
        expect(&s, NULL, 0);
        cvm_bytes_done(&s.bundle.certificates[--s.bundle.n_certificates]);
        expect(&s, &CVM_CODE_CHAIN_MISSING, 0);
}

/* --- the cache alone --- */

static void release(void *chain) {
        (*(unsigned *)chain)++;
}

static void release_other(void *chain) {
        fail();
}

static void test_the_oldest_makes_room(void **state) {
        struct chain_cache *cache = chain_cache_new();
        uint8_t digest[CVM_SHA256_SIZE] = { 0 };
        unsigned released[65] = { 0 };

        for (size_t i = 0; i < ARRAY_SIZE(released); i++) {
                digest[0] = (uint8_t)i;
                chain_cache_keep(cache, digest, &released[i], release);
        }
        for (size_t i = 0; i < ARRAY_SIZE(released); i++) {
                digest[0] = (uint8_t)i;
                assert_ptr_equal(chain_cache_find(cache, digest, release), i == 0 ? NULL : &released[i]);
                assert_int_equal(released[i], i == 0);
        }
        chain_cache_free(cache);
        for (size_t i = 0; i < ARRAY_SIZE(released); i++)
                assert_int_equal(released[i], 1);
}

/* The same bytes are nothing to another technology. */
static void test_another_kind_of_chain(void **state) {
        CVM_CLEANUP(chain_cache_freep) struct chain_cache *cache = chain_cache_new();
        const uint8_t digest[CVM_SHA256_SIZE] = { 1 };
        unsigned released = 0;

        chain_cache_keep(cache, digest, &released, release);
        assert_null(chain_cache_find(cache, digest, release_other));
        assert_ptr_equal(chain_cache_find(cache, digest, release), &released);
}

static int make(void **state) {
        keys = make_keys();
        return cvm_key_make(CVM_KEY_SIGN, &owner, NULL) < 0 ||
               cvm_key_make(CVM_KEY_SIGN, &stranger, NULL) < 0 ||
               cvm_key_spki(owner, owner_spki, NULL) < 0 || cvm_key_spki(stranger, stranger_spki, NULL) < 0;
}

static int unmake(void **state) {
        make_keys_done(&keys);
        EVP_PKEY_free(owner);
        EVP_PKEY_free(stranger);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_verification),
                cmocka_unit_test(test_dates_are_judged_each_time),
                cmocka_unit_test(test_the_report_is_judged_each_time),
                cmocka_unit_test(test_the_root_is_judged_each_time),
                cmocka_unit_test(test_lists_are_heeded_each_time),
                cmocka_unit_test(test_other_certificates),
                cmocka_unit_test(test_the_oldest_makes_room),
                cmocka_unit_test(test_another_kind_of_chain),
        };

        return cmocka_run_group_tests(tests, make, unmake);
}
