/* Every outcome that is stated for the published host-key documents, certificates and revocation lists. */
#include "attest/hkd-se.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>

#include "base/fd.h"
#include "base/time.h"
#include "tests/shared.h"

#define NOW "2026-01-01T00:00:00Z"

static struct cvm_bytes load(const char *name) {
        struct cvm_bytes bytes = { 0 };
        struct cvm_error err = { 0 };
        char path[256];

        snprintf(path, sizeof path, "vectors/se/cert/%s", name);
        if (cvm_read_file(shared_path(path), 1 << 20, &bytes, &err) < 0)
                fail_msg("%s", err.text);
        return bytes;
}

struct given {
        const char *certificates[4], *lists[5], *root, *host, *at;
};

static int add_files(struct se_trust *trust, enum se_trust_kind kind, const char *const *names,
                     struct cvm_error *err) {
        int r = 0;

        for (; r >= 0 && *names; names++) {
                CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = load(*names);

                r = se_trust_add(trust, kind, bytes.data, bytes.size, *names, err);
        }
        return r;
}

static int judge(const struct given *g, struct cvm_error *err) {
        CVM_CLEANUP(se_trust_done) struct se_trust trust = { 0 };
        CVM_CLEANUP(se_host_done) struct se_host host = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes document = load(g->host);
        const char *const roots[] = { g->root, NULL };
        uint64_t now;
        int r = add_files(&trust, SE_TRUST_CERTIFICATES, g->certificates, err);

        assert_int_equal(cvm_time_parse(g->at ? g->at : NOW, &now), 0);
        if (r >= 0)
                r = add_files(&trust, SE_TRUST_LISTS, g->lists, err);
        if (r >= 0)
                r = add_files(&trust, SE_TRUST_ROOTS, roots, err);
        if (r >= 0)
                r = se_trust_verify(&trust, now, err);
        if (r >= 0)
                r = se_host_read(document.data, document.size, g->host, &host, err);
        return r < 0 ? r : se_host_check(&host, &trust, now, g->host, err);
}

#define CERTS \
        { "ibm.crt", "inter_ca.crt" }
#define LISTS \
        { "ibm.crl", "inter_ca.crl", "root_ca.crl" }
#define ROOT "root_ca.crt"
#define HOST "host.crt"
#define SIGNER "CVM-HOST-KEY-SIGNER"
#define UNCHECKED "CVM-HOST-KEY-UNCHECKED"

/* Numbers as in the index; code NULL: accepted. */
static const struct {
        const char *number;
        struct given given;
        const char *code, *words;
} rows[] = {
        { "C1", { CERTS, LISTS, ROOT, HOST }, NULL, "" },
        { "C1 first day", { CERTS, LISTS, ROOT, HOST, "2024-03-22T00:00:00Z" }, NULL, "" },
        { "C1 last day", { CERTS, LISTS, ROOT, HOST, "2388-12-22T00:00:00Z" }, NULL, "" },
        { "C2", { { "ibm_armonk.crt", "inter_ca.crt" }, LISTS, ROOT, HOST }, NULL, "" },
        { "C3",
          { { "der.crt", "inter_ca.crt" }, { "der.crl", "inter_ca.crl", "root_ca.crl" }, ROOT, HOST },
          NULL,
          "" },
        { "C4",
          { { "ibm.chained.crt", "inter_ca.chained.crt" }, { NULL }, "root_ca.chained.crt", HOST },
          NULL,
          "" },
        { "C5", { CERTS, LISTS, ROOT, "host_rev.crt" }, "CVM-REVOKED", "'host_rev.crt' is revoked" },
        { "C6", { CERTS, LISTS, ROOT, "host_crt_expired.crt" }, "CVM-HOST-KEY", "not valid any more" },
        { "C6 in its time",
          { CERTS, LISTS, ROOT, "host_crt_expired.crt", "2023-01-01T00:00:00Z" },
          SIGNER,
          "error 9" },
        { "C7", { CERTS, { "inter_ca.crl", "root_ca.crl" }, ROOT, HOST }, UNCHECKED, "whether 'host.crt'" },
        { "C8", { CERTS, LISTS, ROOT, "host_uri_na.crt" }, NULL, "" },
        { "C8 without",
          { CERTS, { "inter_ca.crl", "root_ca.crl" }, ROOT, "host_uri_na.crt" },
          UNCHECKED,
          "whether 'host_uri_na.crt'" },
        { "C9",
          { CERTS, { "ibm_outdated_late.crl", "inter_ca.crl", "root_ca.crl" }, ROOT, HOST },
          UNCHECKED,
          "whether 'host.crt'" },
        { "C10",
          { CERTS, { "ibm.crl", "ibm_wrong_issuer.crl", "inter_ca.crl", "root_ca.crl" }, ROOT, HOST },
          UNCHECKED,
          "error 8" },
        { "C10 in the other order",
          { CERTS, { "ibm.crl", "inter_ca.crl", "ibm_wrong_issuer.crl", "root_ca.crl" }, ROOT, HOST },
          UNCHECKED,
          "error 8" },
        { "C11",
          { { "ibm.crt", "ibm_rev.crt", "inter_ca.crt" }, LISTS, ROOT, HOST },
          SIGNER,
          "two different" },
        { "C12",
          { { "ibm_rev.crt", "inter_ca.crt" }, LISTS, ROOT, HOST },
          "CVM-REVOKED",
          "error 23 at depth 0" },
        { "C13", { { "ibm_expired.crt", "inter_ca.crt" }, LISTS, ROOT, HOST }, SIGNER, "error 10" },
        { "C14", { { "ibm.crt" }, LISTS, ROOT, HOST }, UNCHECKED, "error 20" },
        { "C15", { CERTS, LISTS, NULL, HOST }, UNCHECKED, "for its issuer (error 20" },
        { "C16",
          { { "ibm.crt", "fake_inter_ca.crt" },
            { "ibm.crl", "fake_inter_ca.crl", "root_ca.crl" },
            ROOT,
            HOST },
          UNCHECKED,
          "error 20" },
        { "C17 without the root's",
          { CERTS, { "ibm.crl", "inter_ca.crl" }, ROOT, HOST },
          UNCHECKED,
          "error 3" },
        { "C17 without the other",
          { CERTS, { "ibm.crl", "root_ca.crl" }, ROOT, HOST },
          UNCHECKED,
          "error 3" },
        { "C18",
          { CERTS, { "ibm.crl", "inter_ca.invalid_date.crl", "root_ca.crl" }, ROOT, HOST },
          UNCHECKED,
          "error 12" },
        { "C19", { { "ibm_wrong_subject.crt", "inter_ca.crt" }, LISTS, ROOT, HOST }, SIGNER, "none of the" },
        { "C19 without", { { "inter_ca.crt" }, LISTS, ROOT, HOST }, UNCHECKED, "was not given" },
        { "C20",
          { CERTS, LISTS, ROOT, "host_invalid_signing_key.crt" },
          "CVM-HOST-KEY",
          "names another signing key" },
        { "C21",
          { { "ibm_outdated_late.crl", "inter_ca.crt" }, LISTS, ROOT, HOST },
          UNCHECKED,
          "was not given" },
        { "C22",
          { CERTS, { "ibm.crl", "inter_ca.crl", "fake_root_ca.crl" }, ROOT, HOST },
          UNCHECKED,
          "error 3" },
        { "C22 signed",
          { CERTS, { "ibm.crl", "inter_ca.crl", "fake_root_ca_valid.crl" }, ROOT, HOST },
          NULL,
          "" },
};

static void test_outcomes(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct cvm_error err = { 0 };
                int r = judge(&rows[i].given, &err);

                if ((r < 0) != (rows[i].code != NULL))
                        fail_msg("%s: %s", rows[i].number, r < 0 ? err.text : "accepted");
                if (r < 0 && (strcmp(cvm_error_code(&err)->id, rows[i].code) != 0 ||
                              !strstr(err.text, rows[i].words)))
                        fail_msg("%s: %s: %s", rows[i].number, cvm_error_code(&err)->id, err.text);
        }
}

static X509 *load_x509(const char *name) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = load(name);
        CVM_CLEANUP(BIO_free_allp) BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.size);

        return PEM_read_bio_X509(bio, NULL, NULL, NULL);
}

static int openssl_says(const char *second) {
        CVM_CLEANUP(X509_STORE_freep) X509_STORE *store = X509_STORE_new();
        CVM_CLEANUP(X509_STORE_CTX_freep) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
        CVM_CLEANUP(X509_freep) X509 *root = load_x509("root_ca.crt");
        CVM_CLEANUP(X509_freep) X509 *host = load_x509("host.crt");
        STACK_OF(X509) *between = sk_X509_new_null();
        int error = 0;

        sk_X509_push(between, load_x509("ibm.crt"));
        if (second)
                sk_X509_push(between, load_x509(second));
        X509_STORE_add_cert(store, root);
        X509_STORE_CTX_init(ctx, store, host, between);
        if (X509_verify_cert(ctx) != 1)
                error = X509_STORE_CTX_get_error(ctx);
        sk_X509_pop_free(between, X509_free);
        return error;
}

/* C23, why documents are checked by hand: the signing certificate is no CA. */
static void test_openssl_takes_no_document(void **state) {
        assert_int_equal(openssl_says(NULL), 20);
        assert_int_not_equal(openssl_says("inter_ca.crt"), 0);
}

static void test_hash(void **state) {
        CVM_CLEANUP(se_host_done) struct se_host host = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes pem = load("../keys/host.pem.crt");
        uint8_t expected[32];

        assert_int_equal(se_host_read(pem.data, pem.size, "it", &host, NULL), 0);
        cvm_unhex("415c25a5d19c381e619733e1c1b7fbd88bdd1c31d882d5ade04b97043c5010f0", expected,
                  sizeof expected);
        assert_memory_equal(host.hash, expected, sizeof expected);
        assert_false(host.simulated);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_outcomes),
                cmocka_unit_test(test_openssl_takes_no_document),
                cmocka_unit_test(test_hash),
        };

        if (shared_is_absent("vectors/se/INDEX.md"))
                return 77;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
