/* Host-key documents of our own making: what must hold does, and each way in which one can be wrong. */
#include "attest/hkd-se.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/attest/make-se.h"

static void add(struct se_trust *trust, enum se_trust_kind kind, const struct cvm_bytes *bytes) {
        struct cvm_error err = { 0 };

        if (se_trust_add(trust, kind, bytes->data, bytes->size, "file", &err) < 0)
                fail_msg("%s", err.text);
}

static void add_all(struct se_trust *trust, const struct se_scene *s) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes roots = se_pem(s->x509, 1, NULL, 0);
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes certificates = se_pem(s->x509 + 1, 2, NULL, 0);
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes lists = se_pem(NULL, 0, s->lists, 3);

        add(trust, SE_TRUST_ROOTS, &roots);
        add(trust, SE_TRUST_CERTIFICATES, &certificates);
        add(trust, SE_TRUST_LISTS, &lists);
}

static int check(struct se_scene *s, uint64_t now, struct cvm_error *err) {
        CVM_CLEANUP(se_trust_done) struct se_trust trust = { 0 };
        CVM_CLEANUP(se_host_done) struct se_host host = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes document = { 0 };
        int r;

        se_scene_make(s);
        document = se_pem(s->x509 + 3, 1, NULL, 0);
        add_all(&trust, s);
        r = se_trust_verify(&trust, now, err);
        if (r >= 0)
                r = se_host_read(document.data, document.size, "host.pem", &host, err);
        if (r >= 0)
                r = se_host_check(&host, &trust, now, "host.pem", err);
        if (r >= 0)
                assert_int_equal(host.simulated, s->root.simulated);
        return r;
}

/* code NULL: accepted. */
static void expect(struct se_scene *s, uint64_t now, const char *code, const char *words) {
        struct cvm_error err = { 0 };
        int r = check(s, now, &err);

        if (r < 0 && (!code || strcmp(cvm_error_code(&err)->id, code) != 0 || !strstr(err.text, words)))
                fail_msg("%s: %s", cvm_error_code(&err)->id, err.text);
        if (r >= 0 && code)
                fail_msg("accepted, not %s '%s'", code, words);
        se_scene_done(s);
}

static void test_accepted(void **state) {
        struct se_scene s;

        for (int simulated = 0; simulated < 2; simulated++) {
                se_scene_begin(&s, simulated);
                expect(&s, TEST_NOW, NULL, "");
        }
}

/* By name: in a chain as it is moved, with lists of before and after, in IBM's order of entries. */
static void test_names(void **state) {
        static const struct {
                const char *signer, *list, *code;
        } rows[] = {
                { SE_SIGNER_OF("Armonk"), SE_SIGNER_OF("Armonk"), NULL },
                { SE_SIGNER_OF("Armonk"), SE_SIGNER_OF("Poughkeepsie"), NULL },
                { SE_SIGNER_OF("Armonk"),
                  "C=US/O=" SE_IBM
                  "/OU=IBM Z Host Key Signing Service/L=Poughkeepsie/ST=New York/CN=" SE_IBM,
                  NULL },
                { SE_SIGNER_OF("Armonk"),
                  "C=US/O=" SE_IBM "/OU=IBM Z Host Key Signing Service/L=Armonk/ST=New York/CN=" SE_IBM,
                  NULL },
                { SE_SIGNER_OF("Poughkeepsie"),
                  "C=US/O=" SE_IBM
                  "/OU=IBM Z Host Key Signing Service/L=Poughkeepsie/ST=New York/CN=" SE_IBM,
                  NULL },
                { SE_SIGNER_OF("Poughkeepsie"),
                  "O=" SE_IBM
                  "/C=US/OU=IBM Z Host Key Signing Service/L=Poughkeepsie/ST=New York/CN=" SE_IBM,
                  "CVM-HOST-KEY-UNCHECKED" },
                { SE_SIGNER_OF("Poughkeepsie"), SE_SIGNER_OF("Armonk"), "CVM-HOST-KEY-UNCHECKED" },
                { SE_SIGNER_OF("Endicott"), SE_SIGNER_OF("Endicott"), "CVM-HOST-KEY-SIGNER" },
                { SE_SIGNER_NAME " Invalid", SE_SIGNER_NAME " Invalid", "CVM-HOST-KEY-SIGNER" },
                { SE_SIGNER_NAME "/OU=Another", SE_SIGNER_NAME, "CVM-HOST-KEY-SIGNER" },
                { "OU=Key Signing Service/C=US/ST=New York/O=" SE_IBM "/CN=" SE_IBM "/L=Armonk",
                  "OU=Key Signing Service/C=US/ST=New York/O=" SE_IBM "/CN=" SE_IBM "/L=Armonk", NULL },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct se_scene s;

                se_scene_begin(&s, false);
                s.signer.subject = rows[i].signer;
                s.signer_list.issuer = rows[i].list;
                expect(&s, TEST_NOW, rows[i].code, "");
        }
}

static void test_revoked(void **state) {
        struct se_scene s;

        se_scene_begin(&s, false);
        s.signer_list.serial = s.host.serial;
        expect(&s, TEST_NOW, "CVM-REVOKED", "'host.pem' is revoked");
        se_scene_begin(&s, false);
        s.inter_list.serial = s.signer.serial;
        expect(&s, TEST_NOW, "CVM-REVOKED", "error 23 at depth 0");
        se_scene_begin(&s, false);
        s.root_list.serial = s.inter.serial;
        expect(&s, TEST_NOW, "CVM-REVOKED", "error 23 at depth 1");
        /* The document's issuer has the old name, signer and list the new one: still revoked. */
        se_scene_begin(&s, false);
        s.signer.subject = s.signer_list.issuer = SE_SIGNER_OF("Armonk");
        s.signer_list.serial = s.host.serial;
        expect(&s, TEST_NOW, "CVM-REVOKED", "is revoked");
}

/* A list that does not count clears nothing, and revokes nothing. */
static void test_lists_that_do_not_count(void **state) {
        struct se_scene s;

        for (int i = 0; i < 6; i++) {
                se_scene_begin(&s, false);
                s.signer_list.serial = s.host.serial;
                s.signer_list.until = i == 0 ? 0 : SE_DAY;
                s.signer_list.from = i == 1 ? 1 : -SE_DAY;
                s.signer_list.only_ca = i == 2;
                s.signer_list.unknown_critical = i == 3;
                s.signer_list.signer = i == 4 ? s.inter_key : s.signer_key;
                s.signer_list.issuer = i == 5 ? SE_HOST_NAME : SE_SIGNER_NAME;
                expect(&s, TEST_NOW, "CVM-HOST-KEY-UNCHECKED", "whether 'host.pem' is revoked");
        }
        se_scene_begin(&s, false);
        s.root_list.until = -1;
        expect(&s, TEST_NOW, "CVM-HOST-KEY-UNCHECKED", "error 12");
        se_scene_begin(&s, false);
        s.inter_list.issuer = SE_ROOT_NAME;
        expect(&s, TEST_NOW, "CVM-HOST-KEY-UNCHECKED", "error 3");
}

static void test_dates(void **state) {
        static const struct {
                int from, until;
                const char *code, *words;
        } rows[] = {
                { 0, 1, NULL, "" },
                { 1, 2, "CVM-HOST-KEY", "not valid yet" },
                { -1, 0, "CVM-HOST-KEY", "not valid any more" },
        };
        struct se_scene s;

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                se_scene_begin(&s, false);
                s.host.from = rows[i].from;
                s.host.until = rows[i].until;
                expect(&s, TEST_NOW, rows[i].code, rows[i].words);
        }
        se_scene_begin(&s, false);
        expect(&s, TEST_NOW + 2 * SE_DAY * 1000ull, "CVM-HOST-KEY-SIGNER", "error 10");
        se_scene_begin(&s, false);
        expect(&s, TEST_NOW - 2 * SE_DAY * 1000ull, "CVM-HOST-KEY-SIGNER", "error 9");
}

static void test_signed_by_others(void **state) {
        struct se_scene s;

        se_scene_begin(&s, false);
        s.host.signer = s.inter_key;
        expect(&s, TEST_NOW, "CVM-HOST-KEY", "not signed by");
        se_scene_begin(&s, false);
        s.signer.signer = s.root_key;
        expect(&s, TEST_NOW, "CVM-HOST-KEY-SIGNER", "does not verify");
        se_scene_begin(&s, false);
        s.signer.issuer = SE_ROOT_NAME;
        s.signer.signer = s.root_key;
        expect(&s, TEST_NOW, "CVM-HOST-KEY-UNCHECKED", "for the signing certificate (error 20");
}

/* The key identifier alone: signed by the right key, naming another. */
static void test_key_identifier(void **state) {
        CVM_CLEANUP(se_trust_done) struct se_trust trust = { 0 };
        CVM_CLEANUP(se_host_done) struct se_host host = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = { 0 };
        struct cvm_error err = { 0 };
        struct se_scene s;
        X509 *wrong;

        se_scene_begin(&s, false);
        se_scene_make(&s);
        add_all(&trust, &s);
        s.host.issuer_cert = s.x509[1];
        wrong = se_make_certificate(&s.host);
        pem = se_pem(&wrong, 1, NULL, 0);
        assert_int_equal(se_trust_verify(&trust, TEST_NOW, &err), 0);
        assert_int_equal(se_host_read(pem.data, pem.size, "it", &host, &err), 0);
        assert_true(se_host_check(&host, &trust, TEST_NOW, "it", &err) < 0);
        assert_non_null(strstr(err.text, "names another signing key"));
        X509_free(wrong);
        se_scene_done(&s);
}

static void test_curves(void **state) {
        struct se_scene s;

        se_scene_begin(&s, false);
        EVP_PKEY_free(s.host_key);
        s.host.key = s.host_key = EVP_EC_gen("P-384");
        expect(&s, TEST_NOW, "CVM-HOST-KEY", "not on P-521");
        se_scene_begin(&s, false);
        s.host.key = s.inter_key;
        expect(&s, TEST_NOW, "CVM-HOST-KEY", "not on P-521");
}

static void test_classes(void **state) {
        struct se_scene s;

        se_scene_begin(&s, true);
        s.host.simulated = false;
        expect(&s, TEST_NOW, "CVM-HOST-KEY", "not marked as simulated");
        se_scene_begin(&s, false);
        s.host.simulated = true;
        expect(&s, TEST_NOW, "CVM-HOST-KEY", "is of a simulated host");
        se_scene_begin(&s, true);
        s.inter.simulated = false;
        expect(&s, TEST_NOW, "CVM-HOST-KEY-SIGNER", "some certificates are of a simulation");
        se_scene_begin(&s, true);
        s.host.simulated = false;
        s.host.simulated_not_critical = true;
        expect(&s, TEST_NOW, "CVM-HOST-KEY", "critical extension");
        se_scene_begin(&s, false);
        s.host.unknown_critical = true;
        expect(&s, TEST_NOW, "CVM-HOST-KEY", "critical extension");
        se_scene_begin(&s, true);
        s.signer.unknown_critical = true;
        expect(&s, TEST_NOW, "CVM-HOST-KEY-SIGNER", "error 34");
}

/* A root that signs the signing certificate itself, and whoever is not the root that was named. */
static void test_chains(void **state) {
        CVM_CLEANUP(se_trust_done) struct se_trust trust = { 0 };
        CVM_CLEANUP(se_trust_done) struct se_trust none = { 0 };
        CVM_CLEANUP(se_trust_done) struct se_trust two = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes chain = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes root = { 0 };
        struct cvm_error err = { 0 };
        struct se_scene s;

        se_scene_begin(&s, false);
        s.signer.issuer = SE_ROOT_NAME;
        s.signer.signer = s.root_key;
        se_scene_make(&s);
        X509_free(s.x509[2]);
        s.signer.issuer_cert = s.x509[0];
        s.x509[2] = se_make_certificate(&s.signer);
        add_all(&trust, &s);
        assert_true(se_trust_verify(&trust, TEST_NOW, &err) < 0);
        assert_non_null(strstr(err.text, "not issued by one intermediate"));
        assert_null(trust.signer);
        se_scene_done(&s);

        assert_true(se_trust_verify(&none, TEST_NOW, &err) < 0);
        assert_string_equal(cvm_error_code(&err)->id, "CVM-HOST-KEY-UNCHECKED"); /* refused is nothing */

        se_scene_begin(&s, false);
        se_scene_make(&s);
        chain = se_pem(s.x509, 3, s.lists, 3);
        add(&two, SE_TRUST_CERTIFICATES, &chain); /* its root is in it, and nobody named it */
        assert_true(se_trust_verify(&two, TEST_NOW, &err) < 0);
        root = se_pem(s.x509, 1, NULL, 0);
        add(&two, SE_TRUST_ROOTS, &root);
        assert_int_equal(se_trust_verify(&two, TEST_NOW, &err), 0);
        se_scene_done(&s);
}

static void test_files(void **state) {
        CVM_CLEANUP(se_trust_done) struct se_trust trust = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes certificates = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes lists = { 0 };
        struct se_scene s;

        se_scene_begin(&s, false);
        se_scene_make(&s);
        certificates = se_pem(s.x509, 4, NULL, 0);
        lists = se_pem(NULL, 0, s.lists, 3);
        assert_true(se_trust_add(&trust, SE_TRUST_LISTS, certificates.data, certificates.size, "f", NULL) <
                    0);
        assert_true(se_trust_add(&trust, SE_TRUST_ROOTS, lists.data, lists.size, "f", NULL) < 0);
        assert_true(se_trust_add(&trust, SE_TRUST_CERTIFICATES, "x", 1, "f", NULL) < 0);
        assert_true(se_trust_add(&trust, SE_TRUST_CERTIFICATES, "", 0, "f", NULL) < 0);
        assert_int_equal(se_trust_add(&trust, SE_TRUST_CERTIFICATES, lists.data, lists.size, "f", NULL), 0);
        se_scene_done(&s);
}

static void test_many_hosts(void **state) {
        CVM_CLEANUP(se_hosts_done) struct se_hosts hosts = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes one = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes two = { 0 };
        struct cvm_error err = { 0 };
        struct se_scene s, simulated;

        se_scene_begin(&s, false);
        se_scene_make(&s);
        se_scene_begin(&simulated, true);
        se_scene_make(&simulated);
        one = se_pem(s.x509 + 3, 1, NULL, 0);
        two = se_pem(simulated.x509 + 3, 1, NULL, 0);
        assert_int_equal(se_hosts_add(&hosts, one.data, one.size, "one", &err), 0);
        assert_true(se_hosts_add(&hosts, one.data, one.size, "again", &err) < 0);
        assert_string_equal(err.text, "'one' and 'again' are of the same host key");
        assert_true(se_hosts_add(&hosts, two.data, two.size, "two", &err) < 0);
        assert_string_equal(cvm_error_code(&err)->id, "CVM-HOST-KEYS");
        assert_non_null(strstr(err.text, "one is of a simulated host"));
        assert_int_equal(hosts.n, 1);
        se_scene_done(&s);
        se_scene_done(&simulated);
}

static void test_several_certificates_in_a_document(void **state) {
        CVM_CLEANUP(se_host_done) struct se_host host = { 0 };
        CVM_CLEANUP(se_host_done) struct se_host same = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = { 0 };
        CVM_CLEANUP(cvm_freep) uint8_t *der = NULL;
        EVP_PKEY *second = EVP_EC_gen("P-521");
        struct se_scene s;
        X509 *both[2];
        int size;

        se_scene_begin(&s, false);
        se_scene_make(&s);
        both[0] = s.x509[3];
        both[1] = s.x509[2];
        pem = se_pem(both, 2, NULL, 0);
        assert_int_equal(se_host_read(pem.data, pem.size, "it", &host, NULL), 0);
        assert_false(host.has_more); /* its signer is no host */
        se_host_done(&host);
        cvm_bytes_done(&pem);
        s.host.key = second;
        both[1] = se_make_certificate(&s.host);
        pem = se_pem(both, 2, NULL, 0);
        assert_int_equal(se_host_read(pem.data, pem.size, "it", &host, NULL), 0);
        assert_true(host.has_more);
        X509_free(both[1]);
        EVP_PKEY_free(second);
        size = i2d_X509(s.x509[3], &der);
        assert_int_equal(se_host_read(der, (size_t)size, "it", &same, NULL), 0);
        assert_false(same.has_more);
        assert_memory_equal(same.hash, host.hash, sizeof host.hash);
        assert_true(se_host_read(der, (size_t)size - 1, "it", &same, NULL) < 0);
        se_scene_done(&s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_accepted),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_revoked),
                cmocka_unit_test(test_lists_that_do_not_count),
                cmocka_unit_test(test_dates),
                cmocka_unit_test(test_signed_by_others),
                cmocka_unit_test(test_key_identifier),
                cmocka_unit_test(test_curves),
                cmocka_unit_test(test_classes),
                cmocka_unit_test(test_chains),
                cmocka_unit_test(test_files),
                cmocka_unit_test(test_many_hosts),
                cmocka_unit_test(test_several_certificates_in_a_document),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
