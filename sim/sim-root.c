#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>

#include "base/digest.h"
#include "sim/platform.h"

static const struct sim_platform *const platforms[] = { &sim_snp };

/* The first technology's root stands for all: it is the one that policies name. */
struct sim_root {
        struct sim_chain *chains[ARRAY_SIZE(platforms)];
};

struct sim_root *sim_root_free(struct sim_root *root) {
        if (!root)
                return NULL;
        for (size_t i = 0; i < ARRAY_SIZE(platforms); i++)
                root->chains[i] = platforms[i]->free(root->chains[i]);
        free(root);
        return NULL;
}

int sim_root_make(struct cvm_bytes *ret_pem, struct cvm_error *err) {
        CVM_CLEANUP(BIO_free_allp) BIO *pem = BIO_new(BIO_s_secmem());
        const char *text;
        long size;
        int r = pem ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(platforms); i++)
                r = platforms[i]->make(pem, err);
        if (r < 0)
                return cvm_while(err, r, "making a simulation root");
        size = BIO_get_mem_data(pem, &text);
        return cvm_bytes_copy(text, (size_t)size, ret_pem);
}

int sim_root_read(const void *pem, size_t size, struct sim_root **ret, struct cvm_error *err) {
        CVM_CLEANUP(sim_root_freep) struct sim_root *root = calloc(1, sizeof *root);
        CVM_CLEANUP(BIO_free_allp) BIO *text = size <= INT32_MAX ? BIO_new_mem_buf(pem, (int)size) : NULL;
        int r = 0;

        if (!root || !text)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading a simulation root");
        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(platforms); i++)
                r = platforms[i]->read(text, &root->chains[i], err);
        if (r < 0)
                return cvm_while(err, r, "reading a simulation root");
        *ret = TAKE_PTR(root);
        return 0;
}

static X509 *certificate(const struct sim_root *root) {
        return platforms[0]->root(root->chains[0]);
}

int sim_root_certificate(const struct sim_root *root, char **ret_pem, struct cvm_error *err) {
        CVM_CLEANUP(BIO_free_allp) BIO *pem = BIO_new(BIO_s_mem());
        const char *text;
        long size;

        if (!pem || PEM_write_bio_X509(pem, certificate(root)) != 1)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "writing a certificate");
        size = BIO_get_mem_data(pem, &text);
        *ret_pem = strndup(text, (size_t)size);
        return *ret_pem ? 0 : cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "writing a certificate");
}

void sim_root_digest(const struct sim_root *root, uint8_t ret[32]) {
        uint8_t *spki = NULL;
        int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate(root)), &spki);

        cvm_sha256(spki, length > 0 ? (size_t)length : 0, ret);
        OPENSSL_free(spki);
}

void sim_answer_done(struct sim_answer *answer) {
        cvm_bytes_done(&answer->report);
        cvm_bytes_done(&answer->certificates);
        cvm_bytes_done(&answer->event_log);
}

int sim_report(const struct sim_root *root, const struct sim_guest *guest,
               const struct sim_question *question, struct sim_answer *ret, struct cvm_error *err) {
        for (size_t i = 0; i < ARRAY_SIZE(platforms); i++)
                if (platforms[i]->id == guest->platform)
                        return platforms[i]->report(root->chains[i], guest, question, ret, err);
        return cvm_fail(err, &CVM_CODE_SIM_PLATFORM, EOPNOTSUPP,
                        "evidence of that platform is not simulated");
}
