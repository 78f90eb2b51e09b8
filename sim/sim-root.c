#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>

#include "base/digest.h"
#include "sim/platform.h"

static const struct sim_platform *const platforms[] = { &sim_snp, &sim_tdx, &sim_se };

/* In the order of the table; those behind `count` were not known when it was made. */
struct sim_root {
        struct sim_chain *chains[ARRAY_SIZE(platforms)];
        size_t count;
};

struct sim_root *sim_root_free(struct sim_root *root) {
        if (!root)
                return NULL;
        for (size_t i = 0; i < ARRAY_SIZE(platforms); i++)
                root->chains[i] = platforms[i]->free(root->chains[i]);
        free(root);
        return NULL;
}

int sim_root_make(size_t have, struct cvm_bytes *ret_pem, struct cvm_error *err) {
        CVM_CLEANUP(BIO_free_allp) BIO *pem = BIO_new(BIO_s_secmem());
        const char *text;
        long size;
        int r = pem ? 0 : -ENOMEM;

        for (size_t i = have; r >= 0 && i < ARRAY_SIZE(platforms); i++)
                r = platforms[i]->make(pem, err);
        if (r < 0)
                return cvm_while(err, r, "making a simulation root");
        size = BIO_get_mem_data(pem, &text);
        return cvm_bytes_copy(text, (size_t)size, ret_pem);
}

int sim_root_add(struct sim_root *root, const void *pem, size_t size, struct cvm_error *err) {
        CVM_CLEANUP(BIO_free_allp) BIO *text = size <= INT32_MAX ? BIO_new_mem_buf(pem, (int)size) : NULL;
        const size_t before = root->count;
        int r = text ? 0 : -ENOMEM;

        while (r >= 0 && root->count < ARRAY_SIZE(platforms) && BIO_pending(text) > 0) {
                r = platforms[root->count]->read(text, &root->chains[root->count], err);
                root->count += r >= 0;
        }
        if (r >= 0 && root->count > before)
                return 0;
        while (root->count > before) {
                root->count--;
                root->chains[root->count] = platforms[root->count]->free(root->chains[root->count]);
        }
        return cvm_while(err, r < 0 ? r : cvm_fail(err, &CVM_CODE_KEY, EINVAL, "there is nothing in it"),
                         "reading a simulation root");
}

int sim_root_read(const void *pem, size_t size, struct sim_root **ret, struct cvm_error *err) {
        CVM_CLEANUP(sim_root_freep) struct sim_root *root = calloc(1, sizeof *root);
        int r = root ? sim_root_add(root, pem, size, err) : -ENOMEM;

        if (r >= 0)
                *ret = TAKE_PTR(root);
        return r;
}

size_t sim_root_count(const struct sim_root *root) {
        return root->count;
}

bool sim_root_is_complete(const struct sim_root *root) {
        return root->count == ARRAY_SIZE(platforms);
}

/* Its row; count: there is none in this root. */
static size_t find(const struct sim_root *root, enum cvm_platform_id platform) {
        size_t i = 0;

        while (i < root->count && platforms[i]->id != platform)
                i++;
        return i;
}

const struct sim_chain *sim_root_chain(const struct sim_root *root, enum cvm_platform_id platform) {
        const size_t i = find(root, platform);

        return i < root->count ? root->chains[i] : NULL;
}

bool sim_root_has(const struct sim_root *root, enum cvm_platform_id platform) {
        return find(root, platform) < root->count;
}

int sim_root_certificates(const struct sim_root *root, char **ret_pem, struct cvm_error *err) {
        CVM_CLEANUP(BIO_free_allp) BIO *pem = BIO_new(BIO_s_mem());
        const char *text;
        long size;
        int r = pem ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < root->count; i++)
                r = PEM_write_bio_X509(pem, platforms[i]->root(root->chains[i])) == 1 ? 0 : -ENOMEM;
        if (r < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "writing certificates");
        size = BIO_get_mem_data(pem, &text);
        *ret_pem = strndup(text, (size_t)size);
        return *ret_pem ? 0 : cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "writing certificates");
}

void sim_root_digest(const struct sim_root *root, enum cvm_platform_id platform, uint8_t ret[32]) {
        const size_t i = find(root, platform);
        uint8_t *spki = NULL;
        int length;

        memset(ret, 0, 32);
        if (i == root->count)
                return;
        length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(platforms[i]->root(root->chains[i])), &spki);
        cvm_sha256(spki, length > 0 ? (size_t)length : 0, ret);
        OPENSSL_free(spki);
}

void sim_answer_done(struct sim_answer *answer) {
        cvm_bytes_done(&answer->report);
        cvm_bytes_done(&answer->certificates);
        cvm_bytes_done(&answer->event_log);
}

int sim_root_documents(const struct sim_root *root, char **ret_pem, struct cvm_error *err) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };

        for (size_t i = 0; i < root->count; i++)
                if (platforms[i]->documents) {
                        const struct cvm_bytes *documents = platforms[i]->documents(root->chains[i]);

                        cvm_write_copy(&w, documents->data, documents->size);
                }
        cvm_write_u8(&w, 0);
        if (cvm_writer_take(&w, &bytes) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "writing documents");
        *ret_pem = (char *)TAKE_PTR(bytes.data);
        return 0;
}

int sim_image_open(const struct sim_root *root, enum cvm_platform_id platform, int image, int flat,
                   struct sim_store *ret, struct cvm_error *err) {
        const size_t i = find(root, platform);

        return i < root->count && platforms[i]->open_image
                               ? platforms[i]->open_image(root->chains[i], image, flat, ret, err)
                               : cvm_fail(err, &CVM_CODE_SIM_PLATFORM, EOPNOTSUPP,
                                          "this simulation root opens no images of that platform");
}

int sim_report(const struct sim_root *root, const struct sim_guest *guest,
               const struct sim_question *question, struct sim_answer *ret, struct cvm_error *err) {
        const size_t i = find(root, guest->platform);

        if (i == root->count)
                return cvm_fail(err, &CVM_CODE_SIM_PLATFORM, EOPNOTSUPP,
                                "evidence of that platform is not simulated");
        return platforms[i]->report(root->chains[i], guest, question, ret, err);
}

static int refuse_store(struct cvm_error *err) {
        return cvm_fail(err, &CVM_CODE_SIM_PLATFORM, EOPNOTSUPP,
                        "that platform has no store of its own, or none that is simulated");
}

int sim_keep(const struct sim_root *root, struct sim_guest *guest, const struct cvm_bytes *request,
             char ret_words[SIM_WORDS_MAX], struct cvm_error *err) {
        const size_t i = find(root, guest->platform);

        return i < root->count && platforms[i]->keep
                               ? platforms[i]->keep(root->chains[i], guest, request, ret_words, err)
                               : refuse_store(err);
}

int sim_lock(const struct sim_root *root, struct sim_guest *guest, char ret_words[SIM_WORDS_MAX],
             struct cvm_error *err) {
        const size_t i = find(root, guest->platform);

        return i < root->count && platforms[i]->keep ? platforms[i]->lock(guest, ret_words)
                                                     : refuse_store(err);
}

int sim_list(const struct sim_root *root, const struct sim_guest *guest, struct cvm_bytes *ret,
             struct cvm_error *err) {
        const size_t i = find(root, guest->platform);

        if (i >= root->count || !platforms[i]->keep)
                return refuse_store(err);
        return platforms[i]->list(guest, ret) < 0
                               ? cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "listing a simulated store")
                               : 0;
}

void sim_guest_boot(struct sim_guest *guest, const char *boot) {
        uint8_t id[sizeof guest->report_id];

        cvm_sha256(boot, strlen(boot), id);
        if (memcmp(id, guest->report_id, sizeof id) != 0)
                sim_store_clear(&guest->store);
        memcpy(guest->report_id, id, sizeof id);
}
