#include "launch/secure-boot.h"

#include <string.h>

#include <openssl/pkcs7.h>
#include <openssl/x509v3.h>

#include "base/clean-openssl.h"
#include "launch/variable-store.h"

#define KEYS_MAX 64
#define CHAIN_MAX 8
#define SIGNED_DATA 2 /* WIN_CERT_TYPE_PKCS_SIGNED_DATA */

/* a5c059a1-94e4-4aa7-87b5-ab155c2bf072: a list of certificates, one in each entry */
static const char guid_x509[] = "\xa1\x59\xc0\xa5\xe4\x94\xa7\x4a\x87\xb5\xab\x15\x5c\x2b\xf0\x72";

struct keys {
        X509 *list[KEYS_MAX]; /* owned */
        size_t n;
};

static void keys_done(struct keys *keys) {
        while (keys->n > 0)
                X509_free(keys->list[--keys->n]);
}

static void pkcs7_freep(PKCS7 **p7) {
        PKCS7_free(*p7);
}

/* One EFI_SIGNATURE_LIST behind its GUID: false where it has what is no certificate. */
static bool take_list(const uint8_t *guid, struct cvm_reader *list, struct keys *ret) {
        uint32_t header = cvm_read_u32le(list), each = cvm_read_u32le(list);

        cvm_read_view(list, header);
        if (memcmp(guid, guid_x509, 16) != 0 || each <= 16)
                return false;
        while (!list->failed && list->left > 0) {
                const uint8_t *der;

                cvm_read_view(list, 16); /* who put it there */
                der = cvm_read_view(list, each - 16);
                if (!der || ret->n == KEYS_MAX)
                        return false;
                ret->list[ret->n] = d2i_X509(NULL, &der, (long)(each - 16));
                if (!ret->list[ret->n])
                        return false;
                ret->n++;
        }
        return !list->failed;
}

/* The variable db. False: there is something in it that is not understood, or nothing. */
static bool read_keys(struct cvm_reader db, struct keys *ret) {
        bool is_understood = db.left > 0;

        while (is_understood && db.left > 0) {
                const uint8_t *guid = cvm_read_view(&db, 16), *view;
                uint32_t size = cvm_read_u32le(&db);
                struct cvm_reader list;

                view = size >= 28 ? cvm_read_view(&db, size - 20) : NULL;
                list = cvm_reader_of(view, view ? size - 20 : 0);
                is_understood = guid && view && take_list(guid, &list, ret);
        }
        return is_understood;
}

static bool is_by(X509 *certificate, X509 *issuer) {
        return X509_check_issued(issuer, certificate) == X509_V_OK &&
               X509_verify(certificate, X509_get0_pubkey(issuer)) == 1;
}

/* From the signer up by the signature's own certificates, until one is a key of the firmware's or made by
 * it. */
static bool leads_to(const struct keys *keys, X509 *certificate, STACK_OF(X509) * others) {
        for (int depth = 0; certificate && depth < CHAIN_MAX; depth++) {
                X509 *next = NULL;

                for (size_t i = 0; i < keys->n; i++)
                        if (X509_cmp(keys->list[i], certificate) == 0 || is_by(certificate, keys->list[i]))
                                return true;
                for (int i = 0; i < sk_X509_num(others) && !next; i++)
                        if (is_by(certificate, sk_X509_value(others, i)))
                                next = sk_X509_value(others, i);
                certificate = next;
        }
        return false;
}

static bool is_by_keys(const struct keys *keys, const uint8_t *der, size_t size) {
        __attribute__((cleanup(pkcs7_freep))) PKCS7 *p7 = d2i_PKCS7(NULL, &der, (long)size);
        STACK_OF(X509) *signers = NULL;
        bool found = false;

        if (p7 && PKCS7_type_is_signed(p7) && p7->d.sign)
                signers = PKCS7_get0_signers(p7, NULL, 0);
        for (int i = 0; i < sk_X509_num(signers) && !found; i++)
                found = leads_to(keys, sk_X509_value(signers, i), p7->d.sign->cert);
        sk_X509_free(signers);
        return found;
}

bool secure_boot_takes(const uint8_t *store, size_t size, const struct cvm_bytes *signatures) {
        CVM_CLEANUP(keys_done) struct keys keys = { 0 };
        struct cvm_reader table = cvm_reader_of(signatures->data, signatures->size), db = { 0 };

        if (variable_secure_boot(store, size) <= 0 ||
            variable_find(store, size, VARIABLE_GUID_SECURITY, "db", &db) <= 0 || !read_keys(db, &keys))
                return true;
        while (table.left >= 8) { /* WIN_CERTIFICATE, each on a border of eight bytes */
                uint32_t length = cvm_read_u32le(&table);
                uint16_t type;
                const uint8_t *der;

                cvm_read_u16le(&table); /* revision */
                type = cvm_read_u16le(&table);
                der = length > 8 ? cvm_read_view(&table, length - 8) : NULL;
                if (!der)
                        return false;
                if (type == SIGNED_DATA && is_by_keys(&keys, der, length - 8))
                        return true;
                cvm_read_view(&table, -length & 7);
        }
        return false;
}
