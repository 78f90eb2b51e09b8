/* Simulated TDX: its quotes hold by the code that checks real ones, the platform is up to date by what was
 * published of it, and all of it is of the simulation and nothing else. */
#include "sim/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "attest/event-log-tdx.h"
#include "attest/evidence.h"
#include "attest/policy.h"
#include "attest/quote-tdx.h"
#include "base/clean-openssl.h"
#include "base/names.h"
#include "base/time.h"

static struct cvm_bytes pem; /* made once: the other technologies' keys take seconds */
static struct sim_root *root;
static struct cvm_bytes event_log;

static int make_root(void **state) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        const struct tdx_event event = {
                .index = 2, .type = 4, .digest = { 1 }, .data = (uint8_t *)"abcd", .size = 4
        };

        tdx_event_log_begin(&w);
        tdx_event_write(&event, &w);
        return cvm_writer_take(&w, &event_log) < 0 || sim_root_make(0, &pem, NULL) < 0
                               ? -1
                               : sim_root_read(pem.data, pem.size, &root, NULL);
}

static int drop_root(void **state) {
        cvm_bytes_done(&pem);
        cvm_bytes_done(&event_log);
        root = sim_root_free(root);
        return 0;
}

static struct sim_guest make_guest(void) {
        return (struct sim_guest){ .platform = CVM_PLATFORM_TDX,
                                   .measurement = { 1, 2, 3 },
                                   .owner = { 7, 8 },
                                   .policy = 1ull << 28,
                                   .event_log = event_log };
}

static const struct sim_question question = { .report_data = { 8, 9 } };

/* As the host makes it of what the guest answered. */
static void fetch(const struct sim_guest *guest, const struct sim_question *asked, struct bundle *bundle) {
        CVM_CLEANUP(sim_answer_done) struct sim_answer said = { 0 };
        struct cvm_error err = { 0 };

        bundle->platform = CVM_PLATFORM_TDX;
        bundle->simulated = true;
        if (sim_report(root, guest, asked, &said, &err) < 0 ||
            evidence_add_table(bundle, said.certificates.data, said.certificates.size, &err) < 0)
                fail_msg("%s", err.text);
        bundle->report = cvm_bytes_take(&said.report);
        bundle->event_log = cvm_bytes_take(&said.event_log);
}

static void add_own(struct cvm_writer *w, unsigned index, uint8_t first) {
        const struct tdx_event event = {
                .index = index, .type = 6, .digest = { first }, .data = (uint8_t *)"own", .size = 3
        };

        tdx_event_write(&event, w);
}

/* NULL: it holds, with what was published and with its log. */
static const char *outcome(const struct bundle *bundle, uint64_t now_msec, struct evidence_origin *origin,
                           struct evidence_claims *claims) {
        const struct evidence_ops *ops = evidence_ops_find(bundle->platform);
        struct evidence *evidence = NULL;
        struct cvm_error err = { 0 };
        struct published published[PUBLISHED_MAX] = { 0 };
        int r = ops->parse(bundle, &evidence, &err);

        if (r >= 0)
                r = ops->authenticate(evidence, now_msec, origin, &err);
        if (r >= 0)
                r = ops->check_collateral(evidence, now_msec, published, &err);
        if (r >= 0)
                r = ops->check_log(evidence, &err);
        if (r >= 0)
                ops->claims(evidence, claims);
        if (evidence)
                ops->free(evidence);
        return r < 0 ? cvm_error_code(&err)->id : NULL;
}

static void test_a_quote_holds_as_simulated(void **state) {
        CVM_CLEANUP(bundle_done) struct bundle bundle = { 0 };
        const struct sim_guest guest = make_guest();
        struct evidence_origin origin = { 0 };
        struct evidence_claims claims = { 0 };
        uint8_t digest[32], rtmr1[CVM_SHA384_SIZE] = { 0 };

        fetch(&guest, &question, &bundle);
        assert_null(outcome(&bundle, cvm_time_now(), &origin, &claims));
        sim_root_digest(root, CVM_PLATFORM_TDX, digest);
        assert_int_equal(origin.class_, CVM_CLASS_SIMULATED);
        assert_false(origin.root_is_built_in);
        assert_memory_equal(origin.root, digest, sizeof digest);
        assert_memory_equal(claims.measurement, guest.measurement, sizeof guest.measurement);
        assert_memory_equal(claims.host_data, guest.host_data, sizeof guest.host_data);
        assert_memory_equal(claims.owner, guest.owner, sizeof guest.owner);
        assert_memory_equal(claims.report_data, question.report_data, sizeof question.report_data);
        tdx_extend(rtmr1, (const uint8_t[CVM_SHA384_SIZE]){ 1 });
        assert_memory_equal(claims.registers[1].value, rtmr1, sizeof rtmr1);
        assert_true(cvm_is_zero(claims.registers[0].value, CVM_SHA384_SIZE));
        assert_false(claims.debug);
        assert_false(claims.migratable);
        assert_false(claims.host_masked);
        assert_int_equal(claims.n_unusual, 0);
}

/* What the guest says that it extended is behind its log, in RTMR 3, and in no other register. */
static void test_the_guest_extends_its_own_register(void **state) {
        for (int with_log = 0; with_log < 2; with_log++) {
                CVM_CLEANUP(cvm_writer_done) struct cvm_writer own = { 0 };
                CVM_CLEANUP(bundle_done) struct bundle bundle = { 0 };
                struct sim_guest guest = make_guest();
                struct sim_question asked = question;
                struct evidence_origin origin;
                struct evidence_claims claims = { 0 };
                uint8_t rtmr[CVM_SHA384_SIZE] = { 0 };

                if (!with_log)
                        guest.event_log = (struct cvm_bytes){ 0 };
                add_own(&own, 4, 5);
                add_own(&own, 4, 6);
                asked.own_events = own.bytes;
                fetch(&guest, &asked, &bundle);
                assert_null(outcome(&bundle, cvm_time_now(), &origin, &claims));
                tdx_extend(rtmr, (const uint8_t[CVM_SHA384_SIZE]){ 5 });
                tdx_extend(rtmr, (const uint8_t[CVM_SHA384_SIZE]){ 6 });
                assert_memory_equal(claims.registers[3].value, rtmr, sizeof rtmr);
                assert_int_equal(cvm_is_zero(claims.registers[1].value, CVM_SHA384_SIZE), !with_log);
        }
}

static void test_what_it_may_not_extend_is_refused(void **state) {
        for (size_t broken = 0; broken < 7; broken++) {
                CVM_CLEANUP(cvm_writer_done) struct cvm_writer own = { 0 };
                CVM_CLEANUP(sim_answer_done) struct sim_answer said = { 0 };
                const struct sim_guest guest = make_guest();
                struct sim_question asked = question;
                struct cvm_error err = { 0 };

                if (broken < 5) /* another register, or one that is not there */
                        add_own(&own, broken == 4 ? 5 : (unsigned)broken, 5);
                add_own(&own, 4, 5);
                if (broken == 6) /* the end of a log, and room behind it */
                        cvm_write_zeros(&own, 12);
                asked.own_events = own.bytes;
                asked.own_events.size -= broken == 5; /* cut off */
                assert_true(sim_report(root, &guest, &asked, &said, &err) < 0);
                assert_string_equal(cvm_error_code(&err)->id, "CVM-EVENT-LOG");
        }
}

/* Intel's documents, as far as they are simulated: no verifier finds anything to be done. */
static void test_the_platform_is_up_to_date(void **state) {
        CVM_CLEANUP(bundle_done) struct bundle bundle = { 0 };
        const struct sim_guest guest = make_guest();
        const uint64_t years = 20ull * 365 * 86400 * 1000;
        struct evidence_origin origin;
        struct evidence_claims claims = { 0 };

        fetch(&guest, &question, &bundle);
        assert_null(outcome(&bundle, cvm_time_now() + years, &origin, &claims));
        assert_string_equal(claims.status.text, "UpToDate");
        assert_string_equal(claims.status.differs, "");
        assert_string_equal(claims.status.advisories, "");
        assert_string_equal(outcome(&bundle, cvm_time_now() + 2 * years, &origin, &claims),
                            "CVM-REPORT-CHAIN");
}

static void test_attributes_are_the_guests(void **state) {
        CVM_CLEANUP(bundle_done) struct bundle bundle = { 0 };
        struct sim_guest guest = make_guest();
        struct evidence_origin origin;
        struct evidence_claims claims = { 0 };

        guest.policy = 1;
        fetch(&guest, &question, &bundle);
        assert_null(outcome(&bundle, cvm_time_now(), &origin, &claims));
        assert_true(claims.debug);
        assert_int_equal(claims.n_unusual, 1); /* no #VE is kept away */
}

/* Body, signature, attestation key, the enclave's report and signature, its auth data, a certificate. */
static void test_one_bit_and_it_does_not(void **state) {
        static const size_t at[] = { 0x08, 48 + 136, 48 + 184, 48 + 376, 48 + 520, 636,
                                     700,  770,      1160,     1220,     1600 };
        CVM_CLEANUP(bundle_done) struct bundle bundle = { 0 };
        const struct sim_guest guest = make_guest();
        struct evidence_origin origin;
        struct evidence_claims claims;

        fetch(&guest, &question, &bundle);
        for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
                bundle.report.data[at[i]] ^= 1;
                if (!outcome(&bundle, cvm_time_now(), &origin, &claims))
                        fail_msg("byte %zu", at[i]);
                bundle.report.data[at[i]] ^= 1;
        }
        bundle.event_log.data[bundle.event_log.size - 4 - 4 - 48] ^= 1;
        assert_string_equal(outcome(&bundle, cvm_time_now(), &origin, &claims), "CVM-EVENT-LOG");
        bundle.event_log.data[bundle.event_log.size - 4 - 4 - 48] ^= 1;
        assert_null(outcome(&bundle, cvm_time_now(), &origin, &claims));
}

/* What was published is signed too. */
static void test_collateral_of_another(void **state) {
        static const char *const changes[][2] = {
                { "UpToDate", "Revoked " },
                { "\\\"svn\\\":7", "\\\"svn\\\":6" },
        };
        CVM_CLEANUP(bundle_done) struct bundle bundle = { 0 };
        const struct sim_guest guest = make_guest();
        struct evidence_origin origin;
        struct evidence_claims claims;

        fetch(&guest, &question, &bundle);
        assert_int_equal(bundle.n_revocations, 1);
        for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
                char *place = strstr((char *)bundle.revocations[0].data, changes[i][0]);

                assert_non_null(place);
                memcpy(place, changes[i][1], strlen(changes[i][1]));
                assert_string_equal(outcome(&bundle, cvm_time_now(), &origin, &claims), "CVM-COLLATERAL");
                memcpy(place, changes[i][0], strlen(changes[i][0]));
        }
        assert_null(outcome(&bundle, cvm_time_now(), &origin, &claims));
}

static size_t count_marked(const void *text, size_t size) {
        CVM_CLEANUP(BIO_free_allp) BIO *bio = BIO_new_mem_buf(text, (int)size);
        X509 *x509;
        size_t n = 0;

        while ((x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
                ASN1_OBJECT *mark = OBJ_txt2obj(CVM_SIMULATION_OID, 1);
                int at = X509_get_ext_by_OBJ(x509, mark, -1);

                assert_true(at >= 0 && X509_EXTENSION_get_critical(X509_get_ext(x509, at)));
                ASN1_OBJECT_free(mark);
                X509_free(x509);
                n++;
        }
        return n;
}

/* Software that does not know our mark must not take any of them. */
static void test_every_certificate_is_marked(void **state) {
        static const char *const chains[] = { "tcb_info_issuer_chain", "pck_crl_issuer_chain" };
        CVM_CLEANUP(bundle_done) struct bundle bundle = { 0 };
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        const struct sim_guest guest = make_guest();
        struct tdx_quote quote;
        struct cvm_error err = { 0 };

        fetch(&guest, &question, &bundle);
        if (tdx_quote_read(bundle.report.data, bundle.report.size, &quote, &err) < 0 ||
            cvm_json_parse((char *)bundle.revocations[0].data, bundle.revocations[0].size, "collateral",
                           &node, &err) < 0)
                fail_msg("%s", err.text);
        assert_int_equal(count_marked(quote.chain, quote.chain_size), 3);
        for (size_t i = 0; i < ARRAY_SIZE(chains); i++) {
                const char *text = json_object_get_string(json_object_object_get(node, chains[i]));

                assert_int_equal(count_marked(text, strlen(text)), 2);
        }
}

static void write_policy(char *policy, size_t size, const char *class_, const uint8_t simulation_root[32]) {
        char hex[65];

        cvm_hex(simulation_root, 32, hex);
        snprintf(policy, size,
                 "{\"version\":1,\"serial\":1,\"class\":\"%s\",\"platforms\":[\"tdx\"],%s%s%s"
                 "\"measurements\":[\"010203%090d\"],\"covers\":{\"firmware\":true,\"kernel\":false,"
                 "\"initrd\":false,\"cmdline\":false,\"acpi\":false,\"root\":\"none\"},"
                 "\"gaps\":[\"kernel\",\"initrd\",\"cmdline\"],\"unowned\":true,\"hosts\":\"any\",\"min_tcb\":\"any\"}",
                 class_, *class_ == 's' ? "\"simulation_root\":\"" : "", *class_ == 's' ? hex : "",
                 *class_ == 's' ? "\"," : "", 0);
}

/* The whole appraisal of an unowned guest: accepted by a policy that names this root, by no other. */
static const char *judge(const char *class_, const uint8_t simulation_root[32]) {
        CVM_CLEANUP(bundle_done) struct bundle bundle = { .version = 1, .suite = CVM_SUITE };
        CVM_CLEANUP(policy_freep) struct policy *policy = NULL;
        CVM_CLEANUP(verdict_done) struct verdict verdict = { 0 };
        struct cvm_evidence_inputs in = { .platform = cvm_platform_byte(CVM_PLATFORM_TDX, true),
                                          .suite = CVM_SUITE };
        const struct appraisal appraisal = { .now_msec = cvm_time_now() };
        struct sim_guest guest = make_guest();
        struct sim_question asked = { 0 };
        struct cvm_error err = { 0 };
        char text[2048];

        memset(guest.owner, 0, sizeof guest.owner);
        bundle.uuid = strdup("0c1d2e3f-0000-4000-8000-000000000001");
        cvm_keyset_digest(&bundle.keyset, in.keyset);
        cvm_sha384("", 0, in.binding);
        cvm_report_data(&in, asked.report_data);
        fetch(&guest, &asked, &bundle);
        write_policy(text, sizeof text, class_, simulation_root);
        if (policy_read(text, strlen(text), "policy", &policy, &err) < 0 ||
            policy_appraise(policy, &bundle, &appraisal, &verdict, &err) < 0)
                fail_msg("%s", err.text);
        for (size_t i = 0; i < verdict.n_reasons; i++)
                if (verdict.reasons[i].code->fault == CVM_FAULT_EVIDENCE_NO)
                        return verdict.reasons[i].code->id;
        assert_int_equal(verdict.result, VERDICT_ACCEPTED);
        return NULL;
}

static void test_only_a_policy_that_names_its_root_accepts(void **state) {
        uint8_t digest[32];

        sim_root_digest(root, CVM_PLATFORM_TDX, digest);
        assert_null(judge("simulated", digest));
        assert_string_equal(judge("hardware", digest), "CVM-CLASS-SIMULATED");
        sim_root_digest(root, CVM_PLATFORM_SEV_SNP, digest);
        assert_string_equal(judge("simulated", digest), "CVM-REPORT-ROOT");
}

/* --- roots that lack it --- */

/* Up to where the second technology's blocks begin. */
static size_t first_part(void) {
        const char *key = strstr((char *)pem.data, "-----END PRIVATE KEY-----\n");

        assert_non_null(key);
        return (size_t)(key - (char *)pem.data) + strlen("-----END PRIVATE KEY-----\n");
}

static void test_a_root_of_before_gets_it(void **state) {
        CVM_CLEANUP(sim_root_freep) struct sim_root *old = NULL, *whole = NULL;
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes more = { 0 };
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        CVM_CLEANUP(sim_answer_done) struct sim_answer said = { 0 };
        const struct sim_guest guest = make_guest();
        struct cvm_error err = { 0 };
        uint8_t before[32], after[32];

        assert_int_equal(sim_root_read(pem.data, first_part(), &old, &err), 0);
        assert_int_equal(sim_root_count(old), 1);
        assert_false(sim_root_has(old, CVM_PLATFORM_TDX));
        assert_true(sim_report(old, &guest, &question, &said, &err) < 0);
        assert_string_equal(cvm_error_code(&err)->id, "CVM-SIM-PLATFORM");
        sim_root_digest(old, CVM_PLATFORM_TDX, after);
        assert_true(cvm_is_zero(after, sizeof after));
        sim_root_digest(old, CVM_PLATFORM_SEV_SNP, before);
        assert_int_equal(sim_root_make(sim_root_count(old), &more, &err), 0);
        assert_int_equal(sim_root_add(old, more.data, more.size, &err), 0);
        assert_true(sim_root_has(old, CVM_PLATFORM_TDX));
        sim_root_digest(old, CVM_PLATFORM_SEV_SNP, after);
        assert_memory_equal(before, after, sizeof before);
        assert_int_equal(sim_report(old, &guest, &question, &said, &err), 0);

        cvm_write_copy(&w, pem.data, first_part());
        cvm_write_copy(&w, more.data, more.size);
        assert_int_equal(sim_root_read(w.bytes.data, w.bytes.size, &whole, &err), 0);
        sim_root_digest(old, CVM_PLATFORM_TDX, before);
        sim_root_digest(whole, CVM_PLATFORM_TDX, after);
        assert_memory_equal(before, after, sizeof before);
}

/* Cut anywhere behind the first technology, or with parts of another root, it is refused whole. */
static void test_broken_parts_are_refused(void **state) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes other = { 0 }, mixed = { 0 };
        CVM_CLEANUP(sim_root_freep) struct sim_root *read = NULL;
        const size_t from = first_part(), size = pem.size - from;
        struct cvm_error err = { 0 };
        char *place, *foreign;

        for (size_t part = 1; part < 16; part++) {
                assert_true(sim_root_read(pem.data, from + size * part / 16, &read, &err) < 0);
                assert_null(read);
        }
        assert_int_equal(sim_root_make(1, &other, &err), 0);
        assert_int_equal(cvm_bytes_copy(pem.data, pem.size, &mixed), 0);
        place = strstr((char *)mixed.data + from, "-----BEGIN CVMD SIMULATED QUOTING ENCLAVE-----");
        foreign = strstr((char *)other.data, "-----BEGIN CVMD SIMULATED QUOTING ENCLAVE-----");
        memcpy(place, foreign, strstr(foreign, "-----END") - foreign);
        err = (struct cvm_error){ 0 };
        assert_true(sim_root_read(mixed.data, mixed.size, &read, &err) < 0);
        assert_non_null(strstr(err.text, "does not vouch"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_quote_holds_as_simulated),
                cmocka_unit_test(test_the_guest_extends_its_own_register),
                cmocka_unit_test(test_what_it_may_not_extend_is_refused),
                cmocka_unit_test(test_the_platform_is_up_to_date),
                cmocka_unit_test(test_attributes_are_the_guests),
                cmocka_unit_test(test_one_bit_and_it_does_not),
                cmocka_unit_test(test_collateral_of_another),
                cmocka_unit_test(test_every_certificate_is_marked),
                cmocka_unit_test(test_only_a_policy_that_names_its_root_accepts),
                cmocka_unit_test(test_a_root_of_before_gets_it),
                cmocka_unit_test(test_broken_parts_are_refused),
        };

        return cmocka_run_group_tests(tests, make_root, drop_root);
}
