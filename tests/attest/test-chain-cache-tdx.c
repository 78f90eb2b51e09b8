/* Chains of quotes and Intel's documents that are verified once: what that spares, and that it never stands
 * for what must be looked at each time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "attest/chain-cache.h"
#include "tests/attest/count-chains.h"
#include "tests/attest/scene-tdx.h"

#define HOUR 3600000ull
#define CHAINS 3 /* of the quote, and of the signer of each document */

/* Judge once more: by this code alone (NULL: accepted), after so many verifications of a chain. */
static void expect(struct scene *s, const struct cvm_code *code, unsigned chains) {
        verified = 0;
        judge(s);
        assert_int_equal(s->verdict.result == VERDICT_ACCEPTED, !code);
        for (size_t i = 0; i < s->verdict.n_reasons; i++) {
                const struct verdict_reason *reason = &s->verdict.reasons[i];

                if (reason->code != code && reason->code->fault != CVM_FAULT_REQUEST)
                        fail_msg("%s: %s", reason->code->id, reason->text);
        }
        assert_int_equal(verified, chains);
        verdict_done(&s->verdict);
        s->verdict = (struct verdict){ 0 };
}

static struct scene cached_scene(struct chain_cache *cache) {
        struct scene s = scene();

        assert_non_null(cache);
        s.appraisal.chains = cache;
        seal(&s);
        expect(&s, NULL, CHAINS);
        return s;
}

/* The same certificates, and another quote: signed by that key, for which the enclave vouches. */
static void sign_again(struct scene *s, EVP_PKEY *key) {
        uint8_t hashed[P256_SIZE + UINT8_MAX], *quote = s->bundle.report.data, *enclave;
        struct tdx_quote q;

        assert_int_equal(tdx_quote_read(quote, s->bundle.report.size, &q, NULL), 0);
        enclave = quote + (q.qe_report - quote);
        assert_int_equal(p256_point(key, quote + (q.attestation_key - quote)), 0);
        memcpy(hashed, q.attestation_key, P256_SIZE);
        memcpy(hashed + P256_SIZE, q.auth, q.auth_size);
        cvm_sha256(hashed, P256_SIZE + q.auth_size, enclave + 320);
        assert_int_equal(p256_sign(pck_key, enclave, TDX_QE_REPORT_SIZE, quote + (q.qe_signature - quote)),
                         0);
        assert_int_equal(p256_sign(key, q.signed_bytes, q.signed_size, quote + (q.signature - quote)), 0);
}

static struct cvm_bytes *item(struct scene *s, size_t i) {
        assert_true(i < s->bundle.n_revocations);
        return &s->bundle.revocations[i];
}

static void test_one_verification(void **state) {
        CVM_CLEANUP(chain_cache_freep) struct chain_cache *cache = chain_cache_new();
        CVM_CLEANUP(scene_done) struct scene s = cached_scene(cache);

        expect(&s, NULL, 0);
        s.appraisal.chains = NULL;
        expect(&s, NULL, CHAINS);
}

static void test_the_quote_is_judged_each_time(void **state) {
        CVM_CLEANUP(chain_cache_freep) struct chain_cache *cache = chain_cache_new();
        CVM_CLEANUP(scene_done) struct scene s = cached_scene(cache);

        s.bundle.report.data[48] ^= 1;
        expect(&s, &CVM_CODE_REPORT_SIGNATURE, 0);
        s.bundle.report.data[48] ^= 1;
        expect(&s, NULL, 0);
}

/* An enclave may make itself another key, and a TD may have started under an older module. */
static void test_other_quotes_of_the_platform(void **state) {
        CVM_CLEANUP(chain_cache_freep) struct chain_cache *cache = chain_cache_new();
        CVM_CLEANUP(scene_done) struct scene s = cached_scene(cache);

        sign_again(&s, other_key);
        expect(&s, NULL, 0);
        s.bundle.report.data[48] = 3; /* the module's SVN */
        sign_again(&s, attestation_key);
        expect(&s, &CVM_CODE_TCB_STATUS, 0);
}

static void test_dates_of_the_chain(void **state) {
        CVM_CLEANUP(chain_cache_freep) struct chain_cache *cache = chain_cache_new();
        CVM_CLEANUP(scene_done) struct scene s = cached_scene(cache);

        s.appraisal.now_msec = TEST_NOW - 25 * HOUR;
        expect(&s, &CVM_CODE_REPORT_CHAIN, 1);
        s.appraisal.now_msec = TEST_NOW + 24 * HOUR;
        expect(&s, &CVM_CODE_REPORT_CHAIN, 1);
        s.appraisal.now_msec = TEST_NOW;
        expect(&s, NULL, 0);
}

/* All that ages ends, or begins, when the chain still holds. */
static void test_dates_of_what_is_published(void **state) {
        static const struct {
                int before, after; /* hours from TEST_NOW: where it does not hold */
                const struct cvm_code *code;
        } rows[] = { { -3, 3, &CVM_CODE_COLLATERAL_STALE },
                     { -5, 5, &CVM_CODE_COLLATERAL_STALE },
                     { -7, 7, &CVM_CODE_CRL_STALE } };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                CVM_CLEANUP(chain_cache_freep) struct chain_cache *cache = chain_cache_new();
                CVM_CLEANUP(scene_done) struct scene s = scene();
                int *const dates[][2] = { { &s.w.issued, &s.w.next },
                                          { &s.w.qe_issued, &s.w.qe_next },
                                          { &s.w.list_from, &s.w.list_until } };

                s.appraisal.chains = cache;
                *dates[i][0] = (rows[i].before + 1) * 3600;
                *dates[i][1] = (rows[i].after - 1) * 3600;
                s.w.issued = i ? -9 * 3600 : s.w.issued;
                s.w.qe_issued = i != 1 ? -9 * 3600 : s.w.qe_issued;
                s.w.list_from = i != 2 ? -9 * 3600 : s.w.list_from;
                seal(&s);
                expect(&s, NULL, CHAINS);
                s.appraisal.now_msec = TEST_NOW + HOUR / 2;
                expect(&s, NULL, 0);
                s.appraisal.now_msec = TEST_NOW + (uint64_t)rows[i].after * HOUR;
                expect(&s, rows[i].code, CHAINS - 1);
                s.appraisal.now_msec = TEST_NOW - (uint64_t)-rows[i].before * HOUR;
                expect(&s, rows[i].code, CHAINS - 1);
                s.appraisal.now_msec = TEST_NOW;
                expect(&s, NULL, CHAINS - 1); /* what failed took its place */
        }
}

/* The newest counts from when it is valid, though an older one holds on. */
static void test_a_newer_judgement_comes(void **state) {
        CVM_CLEANUP(chain_cache_freep) struct chain_cache *cache = chain_cache_new();
        CVM_CLEANUP(scene_done) struct scene s = scene();
        struct make_world later = s.w;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes info = { 0 };

        later.issued = 3600;
        later.levels[1].status = "OutOfDate";
        info = make_tcb_info(&later);
        s.appraisal.chains = cache;
        seal(&s);
        assert_int_equal(evidence_add_revocation(&s.bundle, info.data, info.size, NULL), 0);
        expect(&s, NULL, CHAINS);
        s.appraisal.now_msec = TEST_NOW + HOUR / 2;
        expect(&s, NULL, 0);
        s.appraisal.now_msec = TEST_NOW + 2 * HOUR;
        expect(&s, &CVM_CODE_TCB_STATUS, CHAINS - 1);
        expect(&s, &CVM_CODE_TCB_STATUS, 0);
        s.appraisal.now_msec = TEST_NOW;
        expect(&s, NULL, CHAINS - 1);
}

static void test_what_is_published_is_compared(void **state) {
        CVM_CLEANUP(chain_cache_freep) struct chain_cache *cache = chain_cache_new();
        CVM_CLEANUP(scene_done) struct scene s = cached_scene(cache);
        struct cvm_bytes *list = item(&s, ITEM_PCK_LIST), *info = item(&s, ITEM_INFO);
        uint8_t *digit = &info->data[info->size - 3], last = *digit; /* of its signature */

        list->data[list->size - 1] ^= 1; /* in its signature */
        expect(&s, &CVM_CODE_CRL, CHAINS - 1);
        list->data[list->size - 1] ^= 1;
        expect(&s, NULL, CHAINS - 1);
        *digit = last == '0' ? '1' : '0';
        expect(&s, &CVM_CODE_COLLATERAL, CHAINS - 1);
        *digit = last;
        s.bundle.n_revocations--;
        expect(&s, &CVM_CODE_COLLATERAL_MISSING, CHAINS - 1);
        s.bundle.n_revocations++;
        expect(&s, NULL, CHAINS - 1);
        s.w.revoked_pck = s.w.links[LINK_PCK].serial;
        {
                CVM_CLEANUP(make_items_done) struct make_items items = make_items(&s.w);
                const struct cvm_bytes *revoking = &items.items[ITEM_PCK_LIST];

                assert_int_equal(evidence_add_revocation(&s.bundle, revoking->data, revoking->size, NULL),
                                 0);
        }
        expect(&s, &CVM_CODE_REVOKED, CHAINS - 1);
}

static int make(void **state) {
        keys_make();
        return cvm_key_make(CVM_KEY_SIGN, &owner, NULL) < 0 || cvm_key_spki(owner, owner_spki, NULL) < 0;
}

static int done(void **state) {
        keys_done();
        EVP_PKEY_free(owner);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_verification),
                cmocka_unit_test(test_the_quote_is_judged_each_time),
                cmocka_unit_test(test_other_quotes_of_the_platform),
                cmocka_unit_test(test_dates_of_the_chain),
                cmocka_unit_test(test_dates_of_what_is_published),
                cmocka_unit_test(test_a_newer_judgement_comes),
                cmocka_unit_test(test_what_is_published_is_compared),
        };

        return cmocka_run_group_tests(tests, make, done);
}
