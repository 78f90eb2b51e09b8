/*
 * The simulated host of Secure Execution: a key on P-521 whose document leads to a root of the simulation in
 * the shape of IBM's (root, intermediate, signing certificate that is no CA, revocation lists), and what its
 * ultravisor does with that key: it opens images, and answers the owners' requests. As with the other
 * technologies the keys of the issuers are forgotten once they have signed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "attest/exchange-se.h"
#include "attest/hkd-se.h"
#include "base/time.h"
#include "sim/certificate.h"
#include "sim/platform.h"
#include "sim/ultravisor-se.h"

#define IBM "International Business Machines Corporation"

enum { ROOT, INTERMEDIATE, SIGNER, HOST, CERTIFICATES };

struct sim_chain {
        X509 *root;
        EVP_PKEY *key; /* the host's private one */
        struct cvm_bytes documents;
        uint8_t hash[CVM_SHA256_SIZE]; /* of the key: as slots name it */
};

static struct sim_chain *chain_free(struct sim_chain *chain) {
        if (!chain)
                return NULL;
        X509_free(chain->root);
        EVP_PKEY_free(chain->key);
        cvm_bytes_done(&chain->documents);
        free(chain);
        return NULL;
}
CVM_DEFINE_CLEANUP(struct sim_chain, chain_free);

/* --- certificates --- */

struct issuing {
        X509 *issuer; /* NULL: its own */
        const char *usage;
        bool is_signer; /* IBM's names, by which it is known */
};

static int add(X509 *x509, X509 *issuer, int nid, const char *value) {
        CVM_CLEANUP(X509_EXTENSION_freep) X509_EXTENSION *extension = NULL;
        X509V3_CTX ctx;

        X509V3_set_ctx(&ctx, issuer ? issuer : x509, x509, NULL, NULL, 0);
        extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
        return extension && X509_add_ext(x509, extension, -1) ? 0 : -ENOMEM;
}

static int name_signer(X509 *x509) {
        static const struct {
                const char *field, *value;
        } entries[] = { { "C", "US" }, { "ST", "New York" }, { "L", "Armonk" },
                        { "O", IBM },  { "CN", IBM },        { "OU", "Simulated Key Signing Service" } };
        CVM_CLEANUP(X509_NAME_freep) X509_NAME *name = X509_NAME_new();

        for (size_t i = 0; name && i < ARRAY_SIZE(entries); i++)
                if (X509_NAME_add_entry_by_txt(name, entries[i].field, MBSTRING_UTF8,
                                               (const uint8_t *)entries[i].value, -1, -1, 0) != 1)
                        return -ENOMEM;
        return name && X509_set_subject_name(x509, name) == 1 ? 0 : -ENOMEM;
}

static int extend(X509 *x509, const void *ctx) {
        const struct issuing *how = ctx;
        int r = how->is_signer ? name_signer(x509) : 0;

        if (r >= 0 && how->issuer && X509_set_issuer_name(x509, X509_get_subject_name(how->issuer)) != 1)
                r = -ENOMEM;
        if (r >= 0)
                r = add(x509, how->issuer, NID_key_usage, how->usage);
        if (r >= 0)
                r = add(x509, how->issuer, NID_subject_key_identifier, "hash");
        return r < 0 || !how->issuer ? r : add(x509, how->issuer, NID_authority_key_identifier, "keyid");
}

static int make_certificates(EVP_PKEY *const keys[CERTIFICATES], X509 *ret[CERTIFICATES],
                             struct cvm_error *err) {
        static const struct {
                const char *name, *usage;
                bool is_ca;
        } rows[CERTIFICATES] = {
                [ROOT] = { "Root of simulated host keys", "critical,keyCertSign,cRLSign", true },
                [INTERMEDIATE] = { "Issuer of simulated host keys", "critical,keyCertSign,cRLSign", true },
                [SIGNER] = { "Signer of simulated host keys", "critical,digitalSignature,cRLSign", false },
                [HOST] = { "Simulated host key", "critical,keyAgreement", false },
        };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < CERTIFICATES; i++) {
                const struct issuing how = { i > ROOT ? ret[i - 1] : NULL, rows[i].usage, i == SIGNER };
                const struct sim_certificate spec = { .name = rows[i].name,
                                                      .issuer = rows[i > ROOT ? i - 1 : ROOT].name,
                                                      .key = keys[i],
                                                      .signer = keys[i > ROOT ? i - 1 : ROOT],
                                                      .is_ca = rows[i].is_ca,
                                                      .extend = extend,
                                                      .ctx = &how };

                r = sim_certificate_make(&spec, &ret[i], err);
        }
        return r;
}

/* Nothing is revoked; without a list nobody could tell. */
static int write_list(BIO *pem, X509 *issuer, EVP_PKEY *key) {
        CVM_CLEANUP(X509_CRL_freep) X509_CRL *list = X509_CRL_new();
        CVM_CLEANUP(ASN1_TIME_freep) ASN1_TIME *from = X509_gmtime_adj(NULL, SIM_VALID_FROM);
        CVM_CLEANUP(ASN1_TIME_freep) ASN1_TIME *until = X509_gmtime_adj(NULL, SIM_VALID_UNTIL);
        CVM_CLEANUP(X509_EXTENSION_freep) X509_EXTENSION *akid = NULL;
        X509V3_CTX ctx;

        X509V3_set_ctx(&ctx, issuer, NULL, NULL, NULL, 0);
        akid = X509V3_EXT_conf_nid(NULL, &ctx, NID_authority_key_identifier, "keyid");
        return list && from && until && akid && X509_CRL_set_version(list, X509_CRL_VERSION_2) == 1 &&
                                               X509_CRL_set_issuer_name(list,
                                                                        X509_get_subject_name(issuer)) ==
                                                               1 &&
                                               X509_CRL_set1_lastUpdate(list, from) == 1 &&
                                               X509_CRL_set1_nextUpdate(list, until) == 1 &&
                                               X509_CRL_add_ext(list, akid, -1) == 1 &&
                                               X509_CRL_sign(list, key, EVP_sha384()) > 0 &&
                                               PEM_write_bio_X509_CRL(pem, list) == 1
                               ? 0
                               : -ENOMEM;
}

/* The root, the host's document and its signers, the lists, the private key: in this order. */
static int write_all(BIO *pem, X509 *const certificates[CERTIFICATES], EVP_PKEY *const keys[CERTIFICATES]) {
        static const size_t order[CERTIFICATES] = { ROOT, HOST, SIGNER, INTERMEDIATE };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < CERTIFICATES; i++)
                r = PEM_write_bio_X509(pem, certificates[order[i]]) == 1 ? 0 : -ENOMEM;
        for (size_t i = ROOT; r >= 0 && i < HOST; i++)
                r = write_list(pem, certificates[i], keys[i]);
        return r < 0 || PEM_write_bio_PrivateKey(pem, keys[HOST], NULL, NULL, 0, NULL, NULL) == 1 ? r
                                                                                                  : -ENOMEM;
}

static int make(BIO *pem, struct cvm_error *err) {
        EVP_PKEY *keys[CERTIFICATES] = { NULL };
        X509 *certificates[CERTIFICATES] = { NULL };
        bool good = true;
        int r;

        for (size_t i = 0; i < CERTIFICATES; i++) {
                keys[i] = EVP_PKEY_Q_keygen(NULL, NULL, "EC", i == HOST ? "P-521" : "P-384");
                good &= keys[i] != NULL;
        }
        r = good ? make_certificates(keys, certificates, err)
                 : cvm_fail(err, &CVM_CODE_INTERNAL, EIO, "keys cannot be made");
        if (r >= 0 && write_all(pem, certificates, keys) < 0)
                r = cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "writing a simulated host's documents");
        for (size_t i = 0; i < CERTIFICATES; i++) {
                X509_free(certificates[i]);
                EVP_PKEY_free(keys[i]);
        }
        return r;
}

/* --- reading --- */

/* The blocks between root and private key, as they are published. */
static int read_documents(BIO *pem, struct cvm_bytes *ret) {
        CVM_CLEANUP(BIO_free_allp) BIO *out = BIO_new(BIO_s_mem());
        const char *text;
        long size;

        for (size_t i = ROOT + 1; out && i < CERTIFICATES; i++) {
                CVM_CLEANUP(X509_freep) X509 *x509 = PEM_read_bio_X509(pem, NULL, NULL, NULL);

                if (!x509 || PEM_write_bio_X509(out, x509) != 1)
                        return -EINVAL;
        }
        for (size_t i = ROOT; out && i < HOST; i++) {
                CVM_CLEANUP(X509_CRL_freep) X509_CRL *list = PEM_read_bio_X509_CRL(pem, NULL, NULL, NULL);

                if (!list || PEM_write_bio_X509_CRL(out, list) != 1)
                        return -EINVAL;
        }
        size = out ? BIO_get_mem_data(out, &text) : 0;
        return size > 0 ? cvm_bytes_copy(text, (size_t)size, ret) : -ENOMEM;
}

/* As an owner would see it: a broken file is noticed here, not by the first of them. */
static int check_chain(struct sim_chain *chain, struct cvm_error *err) {
        static const char name[] = "the simulated host's documents";
        CVM_CLEANUP(se_trust_done) struct se_trust trust = { 0 };
        CVM_CLEANUP(se_host_done) struct se_host host = { 0 };
        CVM_CLEANUP(BIO_free_allp) BIO *root = BIO_new(BIO_s_mem());
        const char *text = NULL;
        long size = root && PEM_write_bio_X509(root, chain->root) == 1 ? BIO_get_mem_data(root, &text) : 0;
        int r = se_trust_add(&trust, SE_TRUST_ROOTS, text, (size_t)size, name, err);

        if (r >= 0)
                r = se_trust_add(&trust, SE_TRUST_CERTIFICATES, chain->documents.data, chain->documents.size,
                                 name, err);
        if (r >= 0)
                r = se_trust_verify(&trust, cvm_time_now(), err);
        if (r >= 0)
                r = se_host_read(chain->documents.data, chain->documents.size, name, &host, err);
        if (r >= 0)
                r = se_host_check(&host, &trust, cvm_time_now(), name, err);
        if (r < 0)
                return r;
        if (!trust.simulated || !host.simulated || EVP_PKEY_eq(host.key, chain->key) != 1)
                return cvm_fail(err, &CVM_CODE_KEY, EINVAL, "it is not a host of the simulation");
        memcpy(chain->hash, host.hash, sizeof chain->hash);
        return 0;
}

static int read_chain(BIO *pem, struct sim_chain **ret, struct cvm_error *err) {
        CVM_CLEANUP(chain_freep) struct sim_chain *chain = calloc(1, sizeof *chain);
        int r;

        if (!chain)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading a simulation root");
        chain->root = PEM_read_bio_X509(pem, NULL, NULL, NULL);
        if (!chain->root || read_documents(pem, &chain->documents) < 0)
                return cvm_fail(err, &CVM_CODE_KEY, EINVAL,
                                "a certificate or a list is missing or malformed");
        chain->key = PEM_read_bio_PrivateKey(pem, NULL, NULL, NULL);
        if (!chain->key)
                return cvm_fail(err, &CVM_CODE_KEY, EINVAL, "the private key is missing or malformed");
        r = check_chain(chain, err);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(chain);
        return 0;
}

static X509 *root(const struct sim_chain *chain) {
        return chain->root;
}

static const struct cvm_bytes *documents(const struct sim_chain *chain) {
        return &chain->documents;
}

/* --- what the ultravisor does --- */

static int run_of(const struct sim_chain *chain, const struct sim_guest *guest, struct ultravisor_guest *ret,
                  struct cvm_error *err) {
        if (guest->image_size != SE_BOOT_TAGS_SIZE)
                return cvm_fail(err, &CVM_CODE_SIM_PLATFORM, EINVAL,
                                "the image of this guest is not known: create it anew");
        *ret = (struct ultravisor_guest){ .host_hash = chain->hash,
                                          .boot_tags = guest->image,
                                          .cuid = guest->report_id,
                                          .store = &guest->store };
        return 0;
}

static int report(const struct sim_chain *chain, const struct sim_guest *guest,
                  const struct sim_question *question, struct sim_answer *ret, struct cvm_error *err) {
        CVM_CLEANUP(se_exchange_done) struct se_exchange answer = { 0 };
        struct ultravisor_guest run;
        int r;

        if (!question->request.size)
                return cvm_fail(err, &CVM_CODE_EVIDENCE_REQUEST, EINVAL,
                                "the ultravisor answers the owner's request, and there is none");
        r = run_of(chain, guest, &run, err);
        if (r < 0)
                return r;
        run.user_data = question->report_data;
        run.user_data_size = sizeof question->report_data;
        r = ultravisor_attest(chain->key, &question->request, &run, &answer, err);
        if (r >= 0 && se_exchange_write(&answer, &ret->report) < 0)
                r = cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "writing a simulated answer");
        return r;
}

/* 0: done, 1: not, and why. */
static int tell(const struct ultravisor_result *result, const char *when_done, const char *when_not,
                char ret_words[SIM_WORDS_MAX]) {
        char number[16] = "";

        if (result->why && result->rc)
                snprintf(number, sizeof number, " (rc 0x%x)", result->rc);
        snprintf(ret_words, SIM_WORDS_MAX, "the simulated ultravisor %s%s%s",
                 result->why ? when_not : when_done, result->why ? result->why : "", number);
        return result->why != NULL;
}

static int keep(const struct sim_chain *chain, struct sim_guest *guest, const struct cvm_bytes *request,
                char ret_words[SIM_WORDS_MAX], struct cvm_error *err) {
        struct ultravisor_guest run;
        struct ultravisor_result result;
        int r = run_of(chain, guest, &run, err);

        if (r < 0)
                return r;
        result = ultravisor_add(chain->key, request, &run, &guest->store);
        return tell(&result, "has added it", "did not add it: ", ret_words);
}

static int lock(struct sim_guest *guest, char ret_words[SIM_WORDS_MAX]) {
        struct ultravisor_result result = ultravisor_lock(&guest->store);

        return tell(&result, "has locked the secret store", "did not lock the secret store: ", ret_words);
}

static int list(const struct sim_guest *guest, struct cvm_bytes *ret) {
        return ultravisor_list(&guest->store, ret);
}

static int open_image(const struct sim_chain *chain, int image, int flat, struct sim_store *ret,
                      struct cvm_error *err) {
        return ultravisor_open(chain->key, image, flat, ret, err);
}

const struct sim_platform sim_se = {
        .id = CVM_PLATFORM_SECURE_EXECUTION,
        .make = make,
        .read = read_chain,
        .free = chain_free,
        .root = root,
        .documents = documents,
        .report = report,
        .keep = keep,
        .lock = lock,
        .list = list,
        .open_image = open_image,
};
