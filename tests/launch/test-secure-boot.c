/* Firmware with keys of the test's own, and images that are signed by them, by others, or not. */
#include "launch/secure-boot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <openssl/pkcs7.h>

#include "base/clean-openssl.h"
#include "launch/variable-store.h"
#include "tests/launch/make-variables.h"

#define SET 0x3f
#define LIST_X509 "\xa1\x59\xc0\xa5\xe4\x94\xa7\x4a\x87\xb5\xab\x15\x5c\x2b\xf0\x72"
#define LIST_SHA256 "\x26\x16\xc4\xc1\x4c\x50\x92\x40\xac\xa9\x41\xf9\x36\x93\x43\x28"
#define ENABLE "\xf0\xa3\x0b\xf3\xa8\xaf\x56\x45\x99\xc4\x00\x10\x09\xc9\x3a\x44"

struct identity {
        EVP_PKEY *key;
        X509 *certificate;
};

/* A maker of firmware keys, one it made, one that one made; the maker's name under another key. */
static struct identity ca, middle, leaf, impostor;

static struct identity identity_make(const char *name, const struct identity *by) {
        struct identity i = { EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"), X509_new() };
        X509_NAME *subject = X509_get_subject_name(i.certificate);

        by = by ? by : &i;
        assert_int_equal(X509_set_version(i.certificate, 2), 1);
        assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(i.certificate), 1), 1);
        X509_gmtime_adj(X509_getm_notBefore(i.certificate), 0);
        X509_gmtime_adj(X509_getm_notAfter(i.certificate), 86400);
        assert_int_equal(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const uint8_t *)name, -1,
                                                    -1, 0),
                         1);
        assert_int_equal(X509_set_issuer_name(i.certificate, X509_get_subject_name(by->certificate)), 1);
        assert_int_equal(X509_set_pubkey(i.certificate, i.key), 1);
        assert_true(X509_sign(i.certificate, by->key, EVP_sha256()) > 0);
        return i;
}

static int make_identities(void **state) {
        ca = identity_make("maker of keys", NULL);
        middle = identity_make("middle", &ca);
        leaf = identity_make("leaf", &middle);
        impostor = identity_make("maker of keys", NULL);
        return 0;
}

static int free_identities(void **state) {
        struct identity *all[] = { &ca, &middle, &leaf, &impostor };

        for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
                EVP_PKEY_free(all[i]->key);
                X509_free(all[i]->certificate);
        }
        return 0;
}

/* EFI_SIGNATURE_LIST of one entry. */
static void add_list(struct cvm_writer *w, const char *guid, const void *data, size_t size) {
        cvm_write_copy(w, guid, 16);
        cvm_write_u32le(w, (uint32_t)(28 + 16 + size));
        cvm_write_u32le(w, 0);
        cvm_write_u32le(w, (uint32_t)(16 + size));
        cvm_write_zeros(w, 16);
        cvm_write_copy(w, data, size);
}

static void add_key(struct cvm_writer *w, const struct identity *i) {
        uint8_t *der = NULL;
        int size = i2d_X509(i->certificate, &der);

        assert_true(size > 0);
        add_list(w, LIST_X509, der, (size_t)size);
        OPENSSL_free(der);
}

/* WIN_CERTIFICATE with a signature by this one; with: a certificate that comes along, or NULL. */
static void add_signature(struct cvm_writer *w, const struct identity *by, const struct identity *with) {
        CVM_CLEANUP(BIO_free_allp) BIO *content = BIO_new_mem_buf("digest", 6);
        STACK_OF(X509) *others = sk_X509_new_null();
        uint8_t *der = NULL;
        PKCS7 *p7;
        int size;

        if (with)
                sk_X509_push(others, with->certificate);
        p7 = PKCS7_sign(by->certificate, by->key, others, content, PKCS7_BINARY);
        size = i2d_PKCS7(p7, &der);
        assert_true(size > 0);
        cvm_write_u32le(w, 8 + (uint32_t)size);
        cvm_write_u16le(w, 0x200);
        cvm_write_u16le(w, 2);
        cvm_write_copy(w, der, (size_t)size);
        cvm_write_zeros(w, -w->bytes.size & 7);
        OPENSSL_free(der);
        PKCS7_free(p7);
        sk_X509_free(others);
}

/* A firmware with a platform key, and these others. */
static void make_store(uint8_t store[STORE_SIZE], const struct cvm_writer *db, const char *enable) {
        size_t at = store_make(store);

        at = store_add(store, at, SET, VARIABLE_GUID_GLOBAL, "PK", "key", 3);
        if (enable)
                at = store_add(store, at, SET, ENABLE, "SecureBootEnable", enable, 1);
        if (db)
                store_add(store, at, SET, VARIABLE_GUID_SECURITY, "db", db->bytes.data, db->bytes.size);
}

static const struct cvm_bytes unsigned_;

static void test_what_is_enforced(void **state) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer db = { 0 };
        uint8_t store[STORE_SIZE];

        add_key(&db, &ca);
        make_store(store, &db, NULL);
        assert_false(secure_boot_takes(store, sizeof store, &unsigned_));
        make_store(store, &db, "\1");
        assert_false(secure_boot_takes(store, sizeof store, &unsigned_));
        make_store(store, &db, "\0");
        assert_true(secure_boot_takes(store, sizeof store, &unsigned_));
        make_store(store, NULL, NULL);
        assert_true(secure_boot_takes(store, sizeof store, &unsigned_));
        store_make(store);
        assert_true(secure_boot_takes(store, sizeof store, &unsigned_));
        assert_true(secure_boot_takes(store, 10, &unsigned_)); /* no store */
}

static void expect(const struct identity *key, const struct cvm_writer *signatures, bool is_taken) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer db = { 0 };
        uint8_t store[STORE_SIZE];

        add_key(&db, &impostor); /* others stand there too */
        if (key)
                add_key(&db, key);
        make_store(store, &db, NULL);
        assert_int_equal(secure_boot_takes(store, sizeof store, &signatures->bytes), is_taken);
}

static void test_who_signed(void **state) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer by_middle = { 0 };
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer by_leaf = { 0 };
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer alone = { 0 };

        add_signature(&by_middle, &middle, NULL);
        add_signature(&by_leaf, &leaf, &middle);
        add_signature(&alone, &leaf, NULL);
        expect(&ca, &by_middle, true);
        expect(&middle, &by_middle, true); /* the very key */
        expect(&ca, &by_leaf, true);       /* the signature brings the one between */
        expect(&ca, &alone, false);
        expect(&middle, &alone, true);
        expect(&leaf, &by_middle, false);
        expect(NULL, &by_middle, false); /* its maker's name is not its maker */
}

static void test_tables(void **state) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer two = { 0 };
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer other = { 0 };

        add_signature(&two, &leaf, NULL);
        add_signature(&two, &middle, NULL);
        expect(&ca, &two, true);
        two.bytes.data[two.bytes.size - 200] ^=
                        1; /* in what nobody looks at or what cannot be read: no crash */
        two.bytes.size -= 9;
        expect(NULL, &two, false);
        add_signature(&other, &middle, NULL);
        other.bytes.data[6] = 1; /* another kind of signature */
        expect(&ca, &other, false);
}

static void test_keys_that_are_not_understood(void **state) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer hashes = { 0 };
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer cut = { 0 };
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer garbage = { 0 };
        uint8_t store[STORE_SIZE], hash[32] = { 1 };

        add_key(&hashes, &ca);
        add_list(&hashes, LIST_SHA256, hash, sizeof hash);
        make_store(store, &hashes, NULL);
        assert_true(secure_boot_takes(store, sizeof store, &unsigned_));
        add_key(&cut, &ca);
        cut.bytes.size--;
        make_store(store, &cut, NULL);
        assert_true(secure_boot_takes(store, sizeof store, &unsigned_));
        add_list(&garbage, LIST_X509, hash, sizeof hash);
        make_store(store, &garbage, NULL);
        assert_true(secure_boot_takes(store, sizeof store, &unsigned_));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_enforced),
                cmocka_unit_test(test_who_signed),
                cmocka_unit_test(test_tables),
                cmocka_unit_test(test_keys_that_are_not_understood),
        };

        return cmocka_run_group_tests(tests, make_identities, free_identities);
}
