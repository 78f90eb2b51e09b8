/*
 * The simulated TDX platform: a PCK certificate in Intel's profile, a quoting enclave that it vouches for,
 * and version-4 quotes signed by that enclave's attestation key; beside them what Intel would publish of the
 * platform, so that verification takes its whole way. All keys but the attestation key are forgotten once
 * they have signed: a root issues one platform, for ever, and what was published of it is never renewed.
 */
#include "sim/sim-tdx.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>

#include "attest/event-log-tdx.h"
#include "base/names.h"
#include "sim/certificate.h"
#include "sim/collateral-tdx.h"
#include "sim/pck-tdx.h"
#include "sim/platform.h"

#define VERSION 4
#define KEY_ECDSA_P256 2
#define TEE_TDX 0x81
#define CERTIFICATION_QE 6
#define CERTIFICATION_CHAIN 5
#define AUTH_SIZE 32
#define XFAM 0x602e7 /* what a Sapphire Rapids gives to its guests */
#define BLOCK_QE "CVMD SIMULATED QUOTING ENCLAVE"
#define BLOCK_COLLATERAL "CVMD SIMULATED COLLATERAL"

/* FMSPC "cvmd" and two bytes: no processor has it. */
static const struct tdx_platform platform = {
        .cpu = { 7, 7, 2, 2, 4, 1, 0, 5 },
        .pce_svn = 13,
        .fmspc = { 'c', 'v', 'm', 'd', 0, 1 },
        .has_instance = true,
};
static const uint8_t module_svn[TDX_COMPONENTS] = { 5, 1, 6 };
static const struct tdx_qe_report quoting_enclave = {
        .attributes = { 0x11 }, /* initialised, 64 bits; no debug */
        .mr_signer = "cvmd simulated quoting enclave",
        .isv_prod_id = 2,
        .isv_svn = 4,
};

/* The certificates of a root; the first three are the chain in a quote. */
enum { PCK, CA, ROOT, SIGNING, LINKS };
static const struct {
        enum tdx_role role;
        int issuer;
} links[LINKS] = {
        [PCK] = { TDX_ROLE_PCK, CA },
        [CA] = { TDX_ROLE_PLATFORM_CA, ROOT },
        [ROOT] = { TDX_ROLE_ROOT, ROOT },
        [SIGNING] = { TDX_ROLE_TCB_SIGNING, ROOT },
};

struct sim_chain {
        struct cvm_bytes pem; /* PCK, its CA, the root */
        X509 *root;
        EVP_PKEY *key;       /* the attestation key */
        struct cvm_bytes qe; /* report of the quoting enclave on that key, and the PCK's signature */
        struct cvm_bytes collateral;
};

static struct sim_chain *chain_free(struct sim_chain *chain) {
        if (!chain)
                return NULL;
        cvm_bytes_done(&chain->pem);
        cvm_bytes_done(&chain->qe);
        cvm_bytes_done(&chain->collateral);
        X509_free(chain->root);
        EVP_PKEY_free(chain->key);
        free(chain);
        return NULL;
}
CVM_DEFINE_CLEANUP(struct sim_chain, chain_free);

/* --- the enclave --- */

/* Key and auth data, as the enclave's report vouches for them. */
static int bound_data(EVP_PKEY *key, uint8_t ret[P256_SIZE + AUTH_SIZE]) {
        memset(ret + P256_SIZE, 0, AUTH_SIZE);
        return p256_point(key, ret);
}

static int write_enclave(EVP_PKEY *key, struct cvm_writer *w) {
        uint8_t bound[P256_SIZE + AUTH_SIZE], digest[CVM_SHA256_SIZE];

        if (bound_data(key, bound) < 0)
                return -EIO;
        cvm_sha256(bound, sizeof bound, digest);
        cvm_write_copy(w, platform.cpu, sizeof platform.cpu); /* CPUSVN */
        cvm_write_u32le(w, quoting_enclave.misc_select);
        cvm_write_zeros(w, 28);
        cvm_write_copy(w, quoting_enclave.attributes, sizeof quoting_enclave.attributes);
        cvm_write_zeros(w, 32 + 32); /* MRENCLAVE */
        cvm_write_copy(w, quoting_enclave.mr_signer, sizeof quoting_enclave.mr_signer);
        cvm_write_zeros(w, 96);
        cvm_write_u16le(w, quoting_enclave.isv_prod_id);
        cvm_write_u16le(w, quoting_enclave.isv_svn);
        cvm_write_zeros(w, 60);
        cvm_write_copy(w, digest, sizeof digest);
        cvm_write_zeros(w, 32);
        return w->failed ? -ENOMEM : 0;
}

static int make_enclave(BIO *pem, EVP_PKEY *pck) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        uint8_t signature[P256_SIZE];

        if (!key || write_enclave(key, &w) < 0 || p256_sign(pck, w.bytes.data, w.bytes.size, signature) < 0)
                return -EIO;
        cvm_write_copy(&w, signature, sizeof signature);
        return !w.failed && PEM_write_bio_PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL) == 1 &&
                                               PEM_write_bio(pem, BLOCK_QE, "", w.bytes.data,
                                                             (long)w.bytes.size) > 0
                               ? 0
                               : -ENOMEM;
}

/* --- a new root --- */

struct making {
        struct tdx_platform platform;
        EVP_PKEY *keys[LINKS];
        X509 *x509[LINKS];
};

static void making_done(struct making *m) {
        for (size_t i = 0; i < LINKS; i++) {
                EVP_PKEY_free(m->keys[i]);
                X509_free(m->x509[i]);
        }
}

static int make_certificates(struct making *m, struct cvm_error *err) {
        int r = 0;

        for (size_t i = 0; i < LINKS; i++) {
                m->keys[i] = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
                if (!m->keys[i])
                        return cvm_fail(err, &CVM_CODE_INTERNAL, EIO, "keys cannot be made");
        }
        for (size_t i = 0; r >= 0 && i < LINKS; i++) {
                const struct sim_certificate spec = {
                        .name = tdx_role_texts[links[i].role],
                        .issuer = tdx_role_texts[links[links[i].issuer].role],
                        .key = m->keys[i],
                        .signer = m->keys[links[i].issuer],
                        .is_ca = i == CA || i == ROOT,
                        .extend = i == PCK ? sim_pck_extend : NULL,
                        .ctx = &m->platform,
                };

                r = sim_certificate_make(&spec, &m->x509[i], err);
        }
        return r;
}

static int make_collateral(const struct making *m, struct cvm_bytes *ret, struct cvm_error *err) {
        struct tdx_body body = { 0 };
        const struct sim_publisher publisher = {
                .platform = &m->platform,
                .body = &body,
                .qe = &quoting_enclave,
                .signing_key = m->keys[SIGNING],
                .signing = m->x509[SIGNING],
                .root = m->x509[ROOT],
                .ca = m->x509[CA],
                .root_key = m->keys[ROOT],
                .ca_key = m->keys[CA],
        };

        memcpy(body.tee_tcb_svn, module_svn, sizeof module_svn);
        return sim_collateral_make(&publisher, ret, err);
}

static int make(BIO *pem, struct cvm_error *err) {
        CVM_CLEANUP(making_done) struct making m = { .platform = platform };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes collateral = { 0 };
        int r;

        cvm_random(m.platform.ppid, sizeof m.platform.ppid);
        cvm_random(m.platform.instance, sizeof m.platform.instance);
        r = make_certificates(&m, err);
        if (r >= 0)
                r = make_collateral(&m, &collateral, err);
        for (size_t i = 0; r >= 0 && i <= ROOT; i++)
                r = PEM_write_bio_X509(pem, m.x509[i]) == 1 ? 0 : -ENOMEM;
        if (r >= 0)
                r = make_enclave(pem, m.keys[PCK]);
        return r >= 0 && PEM_write_bio(pem, BLOCK_COLLATERAL, "", collateral.data, (long)collateral.size) <=
                                                               0
                               ? -ENOMEM
                               : r;
}

/* --- a root that was kept --- */

static int copy_chain(BIO *pem, struct sim_chain *chain, struct cvm_error *err) {
        CVM_CLEANUP(BIO_free_allp) BIO *copy = BIO_new(BIO_s_mem());
        const char *text;
        long size;

        for (size_t i = 0; i <= ROOT; i++) {
                CVM_CLEANUP(X509_freep) X509 *x509 = PEM_read_bio_X509(pem, NULL, NULL, NULL);

                if (!x509)
                        return cvm_fail(err, &CVM_CODE_KEY, EINVAL, "a certificate is missing or malformed");
                if (!copy || PEM_write_bio_X509(copy, x509) != 1)
                        return -ENOMEM;
        }
        size = BIO_get_mem_data(copy, &text);
        return cvm_bytes_copy(text, (size_t)size, &chain->pem);
}

static int read_block(BIO *pem, const char *wanted, struct cvm_bytes *ret, struct cvm_error *err) {
        char *name = NULL, *header = NULL;
        uint8_t *data = NULL;
        long size = 0;
        int r = PEM_read_bio(pem, &name, &header, &data, &size);

        if (r == 1 && strcmp(name, wanted) == 0)
                r = cvm_bytes_copy(data, (size_t)size, ret);
        else
                r = cvm_fail(err, &CVM_CODE_KEY, EINVAL, "'%s' is missing or malformed", wanted);
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_free(data);
        return r;
}

/* As a verifier would see it: a broken file is noticed here, not by the first owner. */
static int check_chain(struct sim_chain *chain, struct cvm_error *err) {
        CVM_CLEANUP(tdx_chain_done) struct tdx_chain facts = { 0 };
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        int r = tdx_chain_read(chain->pem.data, chain->pem.size, &facts, err);

        if (r < 0)
                return r;
        for (size_t i = 0; i < facts.n; i++)
                if (!facts.links[i].simulated)
                        return cvm_fail(err, &CVM_CODE_KEY, EINVAL, "it is not a chain of the simulation");
        if (write_enclave(chain->key, &w) < 0 || chain->qe.size != w.bytes.size + P256_SIZE ||
            memcmp(chain->qe.data, w.bytes.data, w.bytes.size) != 0 ||
            p256_verify(X509_get0_pubkey(facts.links[PCK].x509), chain->qe.data + w.bytes.size, w.bytes.data,
                        w.bytes.size) < 0)
                return cvm_fail(err, &CVM_CODE_KEY, EINVAL,
                                "its quoting enclave does not vouch for its attestation key");
        chain->root = X509_dup(facts.links[ROOT].x509);
        return chain->root ? 0 : -ENOMEM;
}

static int read(BIO *pem, struct sim_chain **ret, struct cvm_error *err) {
        CVM_CLEANUP(chain_freep) struct sim_chain *chain = calloc(1, sizeof *chain);
        int r = chain ? copy_chain(pem, chain, err) : -ENOMEM;

        if (r < 0)
                return r;
        chain->key = PEM_read_bio_PrivateKey(pem, NULL, NULL, NULL);
        if (!p256_is_key(chain->key))
                return cvm_fail(err, &CVM_CODE_KEY, EINVAL, "the private key is missing or malformed");
        r = read_block(pem, BLOCK_QE, &chain->qe, err);
        if (r >= 0)
                r = read_block(pem, BLOCK_COLLATERAL, &chain->collateral, err);
        if (r >= 0)
                r = check_chain(chain, err);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(chain);
        return 0;
}

static X509 *root(const struct sim_chain *chain) {
        return chain->root;
}

/* --- quotes --- */

static size_t count_events(const struct cvm_bytes *bytes) {
        CVM_CLEANUP(tdx_event_log_done) struct tdx_event_log log = { 0 };

        return bytes->size && tdx_event_log_read(bytes->data, bytes->size, &log, NULL) >= 0 ? log.n_events
                                                                                            : 0;
}

/* What its firmware and kernel extended, and behind it what the guest says that it did since: into the one
 * register that is left to it. */
static int whole_log(const struct sim_guest *guest, const struct sim_question *question,
                     struct cvm_bytes *ret_bytes, struct tdx_event_log *ret, struct cvm_error *err) {
        int r = tdx_event_log_join(&guest->event_log, &question->own_events, ret_bytes);

        if (r >= 0 && ret_bytes->size)
                r = tdx_event_log_read(ret_bytes->data, ret_bytes->size, ret, err);
        if (r < 0)
                return r;
        if (ret->size != ret_bytes->size)
                return cvm_fail(err, &CVM_CODE_EVENT_LOG, EBADMSG,
                                "what the guest extended does not end with a record");
        for (size_t i = count_events(&guest->event_log); i < ret->n_events; i++)
                if (ret->events[i].index != TDX_OWN_INDEX)
                        return cvm_fail(err, &CVM_CODE_EVENT_LOG, EACCES,
                                        "a register that is not the guest's own was to be extended");
        return 0;
}

/* The registers are what that log extends, and nothing else. */
static int describe(const struct sim_guest *guest, const struct sim_question *question, struct tdx_body *ret,
                    struct cvm_bytes *ret_log, struct cvm_error *err) {
        CVM_CLEANUP(tdx_event_log_done) struct tdx_event_log log = { 0 };
        struct tdx_body body = { .attributes = guest->policy, .xfam = XFAM };
        int r = whole_log(guest, question, ret_log, &log, err);

        if (r < 0)
                return r;
        tdx_event_log_replay(&log, body.rtmr);
        memcpy(body.tee_tcb_svn, module_svn, sizeof module_svn);
        cvm_sha384("cvmd simulated module", 21, body.mr_seam);
        memcpy(body.mr_td, guest->measurement, sizeof body.mr_td);
        memcpy(body.mr_config_id, guest->host_data, sizeof body.mr_config_id);
        memcpy(body.mr_owner, guest->owner, sizeof body.mr_owner);
        memcpy(body.report_data, question->report_data, sizeof body.report_data);
        *ret = body;
        return 0;
}

static int write_signature(const struct sim_chain *chain, const struct cvm_bytes *is_signed,
                           struct cvm_writer *w) {
        uint8_t signature[P256_SIZE], bound[P256_SIZE + AUTH_SIZE];
        const size_t inner = chain->qe.size + 2 + AUTH_SIZE + 2 + 4 + chain->pem.size;

        if (bound_data(chain->key, bound) < 0 ||
            p256_sign(chain->key, is_signed->data, is_signed->size, signature) < 0)
                return -EIO;
        cvm_write_u32le(w, (uint32_t)(P256_SIZE + P256_SIZE + 2 + 4 + inner));
        cvm_write_copy(w, signature, sizeof signature);
        cvm_write_copy(w, bound, P256_SIZE);
        cvm_write_u16le(w, CERTIFICATION_QE);
        cvm_write_u32le(w, (uint32_t)inner);
        cvm_write_copy(w, chain->qe.data, chain->qe.size);
        cvm_write_u16le(w, AUTH_SIZE);
        cvm_write_copy(w, bound + P256_SIZE, AUTH_SIZE);
        cvm_write_u16le(w, CERTIFICATION_CHAIN);
        cvm_write_u32le(w, (uint32_t)chain->pem.size);
        cvm_write_copy(w, chain->pem.data, chain->pem.size);
        return 0;
}

static int make_quote(const struct sim_chain *chain, const struct tdx_body *body, struct cvm_bytes *ret) {
        static const uint8_t vendor[16] = { 0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                            0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07 };
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        uint8_t bytes[TDX_BODY_15_SIZE];
        int r;

        cvm_write_u16le(&w, VERSION);
        cvm_write_u16le(&w, KEY_ECDSA_P256);
        cvm_write_u32le(&w, TEE_TDX);
        cvm_write_zeros(&w, 4);
        cvm_write_copy(&w, vendor, sizeof vendor);
        cvm_write_zeros(&w, 20); /* the user's */
        cvm_write_copy(&w, bytes, tdx_body_write(body, bytes));
        r = w.failed ? -ENOMEM : write_signature(chain, &w.bytes, &w);
        return r < 0 ? r : cvm_writer_take(&w, ret);
}

static int report(const struct sim_chain *chain, const struct sim_guest *guest,
                  const struct sim_question *question, struct sim_answer *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes log = { 0 };
        struct tdx_body body;
        int r = describe(guest, question, &body, &log, err);

        if (r < 0)
                return r;
        if (make_quote(chain, &body, &ret->report) < 0)
                return cvm_fail(err, &CVM_CODE_INTERNAL, EIO, "making a simulated quote failed");
        if (cvm_bytes_copy(chain->collateral.data, chain->collateral.size, &ret->certificates) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a simulated quote");
        ret->event_log = cvm_bytes_take(&log);
        return 0;
}

int sim_tdx_quote(const struct sim_root *of, const struct tdx_body *body, struct cvm_bytes *ret,
                  struct cvm_error *err) {
        const struct sim_chain *chain = sim_root_chain(of, CVM_PLATFORM_TDX);

        if (!chain)
                return cvm_fail(err, &CVM_CODE_SIM_PLATFORM, EOPNOTSUPP,
                                "the simulation root was made before trust domains were simulated");
        return make_quote(chain, body, ret) < 0
                               ? cvm_fail(err, &CVM_CODE_INTERNAL, EIO, "making a simulated quote failed")
                               : 0;
}

const struct sim_platform sim_tdx = {
        .id = CVM_PLATFORM_TDX,
        .make = make,
        .read = read,
        .free = chain_free,
        .root = root,
        .report = report,
};
