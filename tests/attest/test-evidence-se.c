/*
 * One good answer of a guest of Secure Execution, with an owner, then each thing that can be wrong with it,
 * alone. The ultravisor is in software, and knows of the product only the formats.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "attest/evidence.h"
#include "attest/exchange-se.h"
#include "attest/policy.h"
#include "base/names.h"
#include "base/time.h"
#include "tests/attest/software-uv-se.h"

#define UUID "0c1d2e3f-0000-4000-8000-000000000001"
#define NOW 1790000000000

static EVP_PKEY *owner, *host_keys[2];
static uint8_t spki[CVM_SPKI_SIZE], hosts[2][CVM_SHA256_SIZE];
static char host_ids[2][2 * CVM_SHA256_SIZE + 1];

/* What a test changes before seal() makes everything consistent, and after it to break that. */
struct scene {
        struct binding binding;
        struct policy_inputs inputs;
        struct bundle bundle;
        struct appraisal appraisal;
        struct evidence_kept kept; /* of these: */
        uint8_t request[CVM_SHA256_SIZE], key[SE_KEY_SIZE], root[CVM_SHA256_SIZE];
        uint8_t tags[SE_BOOT_TAGS_SIZE], binding_digest[CVM_SHA384_SIZE], measurement[CVM_SHA384_SIZE];
        uint64_t flags;
        int image_host, request_host; /* of host_keys: which opens what */
        bool binds_domain;            /* the user data is a migration's */
        const char *more;             /* members of the policy */
        const char *host_list[2];
        struct verdict verdict;
};

static void scene_done(struct scene *s) {
        bundle_done(&s->bundle);
        verdict_done(&s->verdict);
        binding_done(&s->binding);
}

static void scene(struct scene *s, int class_) {
        *s = (struct scene){
                .binding = { .version = 1,
                             .serial = 1,
                             .uuid = strdup(UUID),
                             .platform = CVM_PLATFORM_SECURE_EXECUTION,
                             .class_ = class_ },
                .inputs = { .platform = CVM_PLATFORM_SECURE_EXECUTION,
                            .class_ = class_,
                            .covers = { true, true, true, true, false, CVM_COVERED_NONE },
                            .min_tcb = "\"any\"",
                            .serial = 1 },
                .bundle = { .version = 1,
                            .platform = CVM_PLATFORM_SECURE_EXECUTION,
                            .simulated = class_ == CVM_CLASS_SIMULATED,
                            .uuid = strdup(UUID),
                            .suite = CVM_SUITE },
                .appraisal = { .now_msec = NOW, .owner_spki = spki },
                .kept = { .class_ = class_, .hosts = hosts[0], .n_hosts = 1 },
                .flags = SE_ATTEST_IMAGE_KEY | SE_ATTEST_REQUEST_KEY,
                .host_list = { host_ids[0], NULL },
        };
        cvm_key_id(spki, s->binding.owner_id);
        memset(s->tags, 0x5a, sizeof s->tags);
        memset(s->root, 0x12, sizeof s->root);
        cvm_random(s->appraisal.nonce, sizeof s->appraisal.nonce);
        memcpy(s->bundle.nonce, s->appraisal.nonce, sizeof s->bundle.nonce);
        memcpy(s->bundle.keyset.kem, spki, CVM_SPKI_SIZE);
        memcpy(s->bundle.keyset.sig, spki, CVM_SPKI_SIZE);
}

static void seal_binding(struct scene *s) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };

        assert_int_equal(binding_write(&s->binding, &payload, NULL), 0);
        cvm_sha384(payload.data, payload.size, s->binding_digest);
        assert_int_equal(cvm_envelope_sign(CVM_ENVELOPE_BINDING, payload.data, payload.size, owner,
                                           &s->bundle.binding, NULL),
                         0);
}

static void say(const struct scene *s, uint8_t ret[CVM_REPORT_DATA_SIZE]) {
        struct cvm_evidence_inputs in = {
                .platform = cvm_platform_byte(CVM_PLATFORM_SECURE_EXECUTION, s->bundle.simulated),
                .suite = CVM_SUITE,
                .generation = s->bundle.generation,
        };

        memcpy(in.nonce, s->bundle.nonce, sizeof in.nonce);
        memcpy(in.binding, s->binding_digest, sizeof in.binding);
        cvm_keyset_digest(&s->bundle.keyset, in.keyset);
        (s->binds_domain ? cvm_report_data_migration : cvm_report_data)(&in, ret);
}

/* The owner's request, of which she keeps the key and a digest. */
static void make_request(struct scene *s, struct se_exchange *x) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *customer = EVP_EC_gen("P-521");
        struct se_attestation attestation = { .flags = s->flags };
        uint8_t iv[SE_IV_SIZE];
        const struct se_recipients to = { customer, host_keys, 2, s->key, iv };

        cvm_random(s->key, sizeof s->key);
        cvm_random(iv, sizeof iv);
        cvm_random(attestation.measurement_key, sizeof attestation.measurement_key);
        cvm_random(attestation.nonce, sizeof attestation.nonce);
        assert_int_equal(se_attestation_make(&attestation, &to, &x->request, NULL), 0);
        cvm_sha256(x->request.data, x->request.size, s->request);
}

static void answer(struct scene *s) {
        CVM_CLEANUP(se_exchange_done) struct se_exchange x = { .is_answer = true };
        uint8_t user[CVM_REPORT_DATA_SIZE], additional[128], measurement[64];
        size_t n = 0;

        make_request(s, &x);
        say(s, user);
        memset(x.cuid, 0xc1, sizeof x.cuid);
        if (s->flags & SE_ATTEST_IMAGE_KEY)
                memcpy(additional + n++ * 32, hosts[s->image_host], 32);
        if (s->flags & SE_ATTEST_REQUEST_KEY)
                memcpy(additional + n++ * 32, hosts[s->request_host], 32);
        n *= 32;
        if (s->flags & SE_ATTEST_SECRETS)
                se_secret_store_hash(NULL, 0, false, additional + n);
        n = se_additional_size(s->flags);
        assert_true(uv_measure(x.request.data, x.request.size, host_keys[s->request_host], s->tags, x.cuid,
                               user, sizeof user, additional, n, measurement));
        cvm_bytes_copy(measurement, sizeof measurement, &x.measurement);
        cvm_bytes_copy(additional, n, &x.additional);
        cvm_bytes_copy(user, sizeof user, &x.user_data);
        assert_int_equal(se_exchange_write(&x, &s->bundle.report), 0);
}

static void seal(struct scene *s) {
        seal_binding(s);
        answer(s);
        se_image_measurement(s->tags, s->measurement);
        s->kept.request = s->request;
        s->kept.key = s->key;
        s->kept.root = s->root;
        s->kept.image = s->tags;
        s->kept.image_size = sizeof s->tags;
        s->inputs.measurement = s->measurement;
        s->inputs.binding = s->binding_digest;
        s->inputs.hosts = s->host_list;
        if (s->inputs.class_ == CVM_CLASS_SIMULATED)
                s->inputs.simulation_root = s->root;
        else
                s->inputs.maker_root = s->root;
        s->appraisal.kept = &s->kept;
}

static void judge(struct scene *s) {
        CVM_CLEANUP(cvm_freep) char *text = NULL, *longer = NULL;
        CVM_CLEANUP(policy_freep) struct policy *policy = NULL;
        struct cvm_error err = { 0 };

        if (policy_make(&s->inputs, &text, &err) < 0)
                fail_msg("%s", err.text);
        if (asprintf(&longer, "{%s%s", s->more ? s->more : "", strchr(text, '{') + 1) < 0 ||
            policy_read(longer, strlen(longer), "policy", &policy, &err) < 0)
                fail_msg("%s", err.text);
        assert_int_equal(policy_appraise(policy, &s->bundle, &s->appraisal, &s->verdict, NULL), 0);
}

/* Exactly this code (NULL: none), remarks aside, and the result that its fault stands for. */
static void expect(struct scene *s, const struct cvm_code *code) {
        bool found = false;

        judge(s);
        for (size_t i = 0; i < s->verdict.n_reasons; i++) {
                const struct verdict_reason *reason = &s->verdict.reasons[i];

                if (reason->code != code && reason->code != &CVM_CODE_POLICY_OPEN)
                        fail_msg("%s: %s", reason->code->id, reason->text);
                found |= reason->code == code;
        }
        assert_true(found || !code);
        assert_int_equal(s->verdict.result, !code                                  ? VERDICT_ACCEPTED
                                            : code->fault == CVM_FAULT_EVIDENCE_NO ? VERDICT_REFUSED
                                                                                   : VERDICT_UNKNOWN);
        scene_done(s);
}

static void test_accepted(void **state) {
        for (int class_ = CVM_CLASS_HARDWARE; class_ <= CVM_CLASS_SIMULATED; class_++) {
                struct scene s;

                scene(&s, class_);
                s.bundle.generation = 7;
                seal(&s);
                judge(&s);
                assert_int_equal(s.verdict.result, VERDICT_ACCEPTED);
                assert_int_equal(s.verdict.n_reasons, 0);
                assert_int_equal(s.verdict.class_, class_);
                assert_true(s.verdict.covers.kernel && s.verdict.covers.initrd && s.verdict.covers.cmdline);
                assert_false(s.verdict.covers.acpi);
                assert_true(s.verdict.has_image); /* which the report's bytes do not */
                assert_memory_equal(s.verdict.image, s.measurement, sizeof s.measurement);
                verdict_done(&s.verdict);
                expect(&s, NULL);
        }
}

static void test_the_root_of_a_measured_agent_is_covered(void **state) {
        struct scene s;

        scene(&s, CVM_CLASS_HARDWARE);
        s.binding.root = CVM_ROOT_LUKS;
        s.binding.has_root_digest = true;
        s.inputs.covers.root = CVM_COVERED_OWNER_KEYED;
        seal(&s);
        expect(&s, NULL);
}

static void test_without_what_was_kept_nobody_can_check(void **state) {
        struct scene s;

        scene(&s, CVM_CLASS_HARDWARE);
        seal(&s);
        s.appraisal.kept = NULL;
        expect(&s, &CVM_CODE_REQUEST_KEPT);
        scene(&s, CVM_CLASS_HARDWARE);
        seal(&s);
        s.kept.image = NULL; /* the header was not given */
        expect(&s, &CVM_CODE_REQUEST_KEPT);
        scene(&s, CVM_CLASS_HARDWARE);
        seal(&s);
        s.kept.image_size = 16;
        expect(&s, &CVM_CODE_REQUEST_KEPT);
}

/* The class is that of the hosts whose documents were checked; what the bundle calls itself counts for
 * nothing but a refusal. */
static void test_the_class_is_what_was_kept(void **state) {
        struct scene s;

        scene(&s, CVM_CLASS_HARDWARE);
        seal(&s);
        s.kept.class_ = CVM_CLASS_SIMULATED;
        s.bundle.simulated = true;
        judge(&s);
        assert_int_equal(s.verdict.result, VERDICT_REFUSED);
        assert_int_equal(s.verdict.class_, CVM_CLASS_SIMULATED);
        assert_ptr_equal(s.verdict.reasons[0].code, &CVM_CODE_CLASS_SIMULATED);
        scene_done(&s);
        scene(&s, CVM_CLASS_SIMULATED);
        seal(&s);
        s.kept.class_ = CVM_CLASS_HARDWARE;
        s.bundle.simulated = false;
        judge(&s);
        assert_int_equal(s.verdict.result, VERDICT_REFUSED);
        assert_ptr_equal(s.verdict.reasons[0].code, &CVM_CODE_CLASS_HARDWARE);
        scene_done(&s);
        scene(&s, CVM_CLASS_HARDWARE);
        seal(&s);
        s.bundle.simulated = true; /* it lies about itself */
        expect(&s, &CVM_CODE_CLASS_HARDWARE);
}

static void test_a_root_has_to_be_the_policys(void **state) {
        struct scene s;
        const uint8_t other[CVM_SHA256_SIZE] = { 1 };

        for (int class_ = CVM_CLASS_HARDWARE; class_ <= CVM_CLASS_SIMULATED; class_++) {
                scene(&s, class_);
                seal(&s);
                if (class_ == CVM_CLASS_SIMULATED)
                        s.inputs.simulation_root = other;
                else
                        s.inputs.maker_root = other;
                expect(&s, &CVM_CODE_REPORT_ROOT);
        }
        scene(&s, CVM_CLASS_HARDWARE);
        seal(&s);
        s.inputs.maker_root = NULL; /* no root is built in */
        expect(&s, &CVM_CODE_REPORT_ROOT);
}

static void test_the_answer_must_be_to_the_kept_request(void **state) {
        struct scene s;

        scene(&s, CVM_CLASS_HARDWARE);
        seal(&s);
        s.request[0] ^= 1;
        expect(&s, &CVM_CODE_NONCE);
        scene(&s, CVM_CLASS_HARDWARE);
        seal(&s);
        s.key[0] ^= 1;
        expect(&s, &CVM_CODE_REQUEST_FORMAT);
        scene(&s, CVM_CLASS_HARDWARE);
        seal(&s);
        s.appraisal.nonce[0] ^= 1;
        judge(&s);
        assert_ptr_equal(s.verdict.reasons[0].code, &CVM_CODE_NONCE);
        assert_int_equal(s.verdict.result, VERDICT_REFUSED);
        scene_done(&s);
}

static void test_every_byte_of_the_answer_counts(void **state) {
        struct scene s;
        size_t size;

        scene(&s, CVM_CLASS_HARDWARE);
        seal(&s);
        size = s.bundle.report.size;
        for (size_t at = 0; at < size; at += 7) {
                s.bundle.report.data[at] ^= 1;
                judge(&s);
                if (s.verdict.result != VERDICT_REFUSED)
                        fail_msg("byte %zu of the answer may be changed", at);
                verdict_done(&s.verdict);
                s.bundle.report.data[at] ^= 1;
        }
        s.bundle.report.size--;
        expect(&s, &CVM_CODE_REPORT_FORMAT);
}

static void test_another_image_has_another_measurement(void **state) {
        struct scene s;

        scene(&s, CVM_CLASS_HARDWARE);
        seal(&s);
        s.tags[207] ^= 1; /* the owner looks for another one */
        expect(&s, &CVM_CODE_REPORT_MAC);
        scene(&s, CVM_CLASS_HARDWARE);
        seal(&s);
        s.measurement[0] ^= 1; /* the policy lists another one */
        expect(&s, &CVM_CODE_MEASUREMENT);
}

static void test_what_the_guest_says_must_be_ours(void **state) {
        struct scene s;

        scene(&s, CVM_CLASS_HARDWARE);
        s.binds_domain = true;
        seal(&s);
        expect(&s, &CVM_CODE_REPORT_DOMAIN);
        scene(&s, CVM_CLASS_HARDWARE);
        seal(&s);
        s.bundle.keyset.kem[43] ^= 1;
        expect(&s, &CVM_CODE_REPORT_DATA);
        scene(&s, CVM_CLASS_HARDWARE);
        seal(&s);
        s.bundle.generation++;
        expect(&s, &CVM_CODE_REPORT_DATA);
}

static void test_hosts(void **state) {
        struct scene s;

        scene(&s, CVM_CLASS_HARDWARE);
        s.image_host = s.request_host = 1; /* not one that the owner named */
        seal(&s);
        expect(&s, &CVM_CODE_HOST_ID);
        scene(&s, CVM_CLASS_HARDWARE);
        s.image_host = s.request_host = 1;
        s.kept.n_hosts = 2; /* the request allows it, the policy does not */
        seal(&s);
        expect(&s, &CVM_CODE_HOST_ID);
        scene(&s, CVM_CLASS_HARDWARE);
        s.image_host = 1;
        s.kept.n_hosts = 2;
        seal(&s);
        expect(&s, &CVM_CODE_POLICY_BITS); /* two keys: a host that changes its own has them */
        scene(&s, CVM_CLASS_HARDWARE);
        s.image_host = 1;
        s.kept.n_hosts = 2;
        s.more = "\"policy_bits\":{\"allow\":[\"two-host-keys\"]},";
        seal(&s);
        expect(&s, NULL);
        scene(&s, CVM_CLASS_HARDWARE);
        s.flags = SE_ATTEST_REQUEST_KEY;
        seal(&s);
        expect(&s, &CVM_CODE_HOST_MASKED);
}

static void test_flags_of_the_image(void **state) {
        static const char *const set[] = { "dump", "pckmo-aes" };
        struct scene s;

        for (int i = 0; i < 3; i++) {
                scene(&s, CVM_CLASS_HARDWARE);
                s.kept.flags = set;
                s.kept.n_flags = i == 0 ? 2 : 0;
                s.more = i == 2 ? "\"policy_bits\":{\"set\":[\"cck-update\"]},"
                                : "\"policy_bits\":{\"clear\":[\"dump\"]},";
                seal(&s);
                expect(&s, i == 1 ? NULL : &CVM_CODE_POLICY_BITS);
        }
}

static void test_the_secret_store(void **state) {
        struct scene s;
        uint8_t expected[CVM_SHA512_SIZE];

        for (int i = 0; i < 3; i++) {
                se_secret_store_hash(NULL, 0, i == 1, expected);
                scene(&s, CVM_CLASS_HARDWARE);
                s.flags |= i == 2 ? 0 : SE_ATTEST_SECRETS;
                s.appraisal.secret_store = expected;
                seal(&s);
                expect(&s, i == 0 ? NULL : &CVM_CODE_SECRET_STORE);
        }
}

static void test_what_has_no_place_in_it(void **state) {
        struct scene s;

        scene(&s, CVM_CLASS_HARDWARE);
        seal(&s);
        assert_int_equal(evidence_add_table(&s.bundle, "x", 1, NULL), -EBADMSG);
        assert_int_equal(evidence_add_table(&s.bundle, NULL, 0, NULL), 0);
        assert_int_equal(evidence_add_revocation(&s.bundle, "x", 1, NULL), 0);
        expect(&s, &CVM_CODE_CRL);
}

static int make_keys(void **state) {
        cvm_key_make(CVM_KEY_SIGN, &owner, NULL);
        cvm_key_spki(owner, spki, NULL);
        for (int i = 0; i < 2; i++) {
                uint8_t coordinates[160];

                host_keys[i] = EVP_EC_gen("P-521");
                uv_coordinates(host_keys[i], coordinates);
                cvm_sha256(coordinates, sizeof coordinates, hosts[i]);
                cvm_hex(hosts[i], CVM_SHA256_SIZE, host_ids[i]);
        }
        return 0;
}

static int free_keys(void **state) {
        EVP_PKEY_free(owner);
        EVP_PKEY_free(host_keys[0]);
        EVP_PKEY_free(host_keys[1]);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_accepted),
                cmocka_unit_test(test_the_root_of_a_measured_agent_is_covered),
                cmocka_unit_test(test_without_what_was_kept_nobody_can_check),
                cmocka_unit_test(test_the_class_is_what_was_kept),
                cmocka_unit_test(test_a_root_has_to_be_the_policys),
                cmocka_unit_test(test_the_answer_must_be_to_the_kept_request),
                cmocka_unit_test(test_every_byte_of_the_answer_counts),
                cmocka_unit_test(test_another_image_has_another_measurement),
                cmocka_unit_test(test_what_the_guest_says_must_be_ours),
                cmocka_unit_test(test_hosts),
                cmocka_unit_test(test_flags_of_the_image),
                cmocka_unit_test(test_the_secret_store),
                cmocka_unit_test(test_what_has_no_place_in_it),
        };

        return cmocka_run_group_tests(tests, make_keys, free_keys);
}
