#include "attest/request-se.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/hmac.h>

#define VERSION 0x100
#define HEAD_SIZE 48
#define SLOTS_MAX 95
#define ALGORITHM_HMAC_SHA512 1
#define FLAGS_ALL                                                                            \
        (SE_ATTEST_NONCE | SE_ATTEST_IMAGE_KEY | SE_ATTEST_REQUEST_KEY | SE_ATTEST_SECRETS | \
         SE_ATTEST_FIRMWARE)

static int refuse(struct cvm_error *err, const char *what) {
        return cvm_fail(err, &CVM_CODE_REQUEST_FORMAT, EBADMSG, "%s", what);
}

/* --- what all requests share --- */

int se_request_head_read(struct cvm_reader *r, struct se_request_head *ret, struct cvm_error *err) {
        struct se_request_head head = { 0 };
        size_t size = r->left;
        uint32_t version, total;

        cvm_read_copy(r, head.magic, sizeof head.magic);
        version = cvm_read_u32be(r);
        total = cvm_read_u32be(r);
        cvm_read_copy(r, head.iv, sizeof head.iv);
        cvm_read_view(r, 4 + 7);
        head.n_slots = cvm_read_u8(r);
        cvm_read_view(r, 4);
        head.sealed_size = cvm_read_u32be(r);
        if (r->failed || size > SE_REQUEST_MAX || version != VERSION || total != size)
                return refuse(err, "the request is of another version or length than it says");
        if (head.n_slots == 0 || head.sealed_size > r->left || r->left - head.sealed_size < SE_TAG_SIZE)
                return refuse(err, "the request has no slots, or is too short for what is sealed in it");
        *ret = head;
        return 0;
}

static void write_head(const struct se_request_parts *p, const struct se_recipients *to,
                       struct cvm_writer *w) {
        size_t total = HEAD_SIZE + p->front->size + SE_COORDINATES_SIZE + to->n_hosts * SE_SLOT_SIZE +
                       p->between_size + p->plain_size + SE_TAG_SIZE;

        cvm_write_copy(w, p->magic, sizeof p->magic);
        cvm_write_u32be(w, VERSION);
        cvm_write_u32be(w, (uint32_t)total);
        cvm_write_copy(w, to->iv, SE_IV_SIZE);
        cvm_write_zeros(w, 4 + 7);
        cvm_write_u8(w, (uint8_t)to->n_hosts);
        cvm_write_zeros(w, 4);
        cvm_write_u32be(w, (uint32_t)p->plain_size);
}

int se_request_seal(const struct se_request_parts *parts, const struct se_recipients *to,
                    struct cvm_bytes *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        struct se_gcm gcm = {
                .key = to->key, .iv = to->iv, .data = parts->plain, .size = parts->plain_size
        };
        uint8_t customer[SE_COORDINATES_SIZE], slot[SE_SLOT_SIZE];
        int r = se_coordinates(to->customer, "the customer", customer, err);

        if (r >= 0 && (to->n_hosts < 1 || to->n_hosts > SLOTS_MAX))
                return cvm_fail(err, &CVM_CODE_HOST_KEYS, EINVAL,
                                "a request is made for 1 to %d hosts, not for %zu", SLOTS_MAX, to->n_hosts);
        write_head(parts, to, &w);
        cvm_write_copy(&w, parts->front->data, parts->front->size);
        cvm_write_copy(&w, customer, sizeof customer);
        for (size_t i = 0; r >= 0 && i < to->n_hosts; i++) {
                r = se_slot_make(to->customer, to->hosts[i], to->key, slot, err);
                cvm_write_copy(&w, slot, sizeof slot);
        }
        cvm_write_copy(&w, parts->between, parts->between_size);
        gcm.aad_size = w.bytes.size;
        cvm_write_zeros(&w, parts->plain_size + SE_TAG_SIZE);
        if (r < 0)
                return r;
        if (cvm_writer_take(&w, &bytes) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a request");
        gcm.aad = bytes.data;
        r = se_gcm_seal(&gcm, bytes.data + gcm.aad_size, bytes.data + gcm.aad_size + gcm.size);
        if (r < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a request");
        *ret = cvm_bytes_take(&bytes);
        return 0;
}

int se_request_unseal(const uint8_t *bytes, size_t size, const struct se_request_head *head,
                      const uint8_t key[SE_KEY_SIZE], struct cvm_secret *ret, struct cvm_error *err) {
        size_t at = size - head->sealed_size - SE_TAG_SIZE;
        const struct se_gcm gcm = { .key = key,
                                    .iv = head->iv,
                                    .aad = bytes,
                                    .aad_size = at,
                                    .data = bytes + at,
                                    .size = head->sealed_size };

        if (cvm_secret_new(head->sealed_size, ret) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "opening a request");
        if (se_gcm_open(&gcm, bytes + size - SE_TAG_SIZE, ret->data) == 0)
                return 0;
        cvm_secret_done(ret);
        return refuse(err, "the request does not open: it was changed, or the key is another request's");
}

/* --- attestation --- */

int se_attestation_make(const struct se_attestation *attestation, const struct se_recipients *to,
                        struct cvm_bytes *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes front = { 0 };
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret plain = { 0 };
        struct se_request_parts parts = { .front = &front,
                                          .plain_size = SE_MEASUREMENT_SIZE + SE_NONCE_SIZE };

        cvm_write_u64be(&w, attestation->flags | SE_ATTEST_NONCE);
        cvm_write_u32be(&w, ALGORITHM_HMAC_SHA512);
        cvm_write_zeros(&w, 4);
        if (cvm_writer_take(&w, &front) < 0 || cvm_secret_new(parts.plain_size, &plain) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a request");
        memcpy(plain.data, attestation->measurement_key, SE_MEASUREMENT_SIZE);
        memcpy(plain.data + SE_MEASUREMENT_SIZE, attestation->nonce, SE_NONCE_SIZE);
        parts.plain = plain.data;
        return se_request_seal(&parts, to, ret, err);
}

static int take_sealed(const struct cvm_secret *plain, struct se_attestation *ret, struct cvm_error *err) {
        if (plain->size != SE_MEASUREMENT_SIZE && plain->size != SE_MEASUREMENT_SIZE + SE_NONCE_SIZE)
                return refuse(err, "the request has neither a measurement key nor one with a nonce in it");
        memcpy(ret->measurement_key, plain->data, SE_MEASUREMENT_SIZE);
        ret->has_nonce = plain->size > SE_MEASUREMENT_SIZE;
        if (ret->has_nonce)
                memcpy(ret->nonce, plain->data + SE_MEASUREMENT_SIZE, SE_NONCE_SIZE);
        return 0;
}

static int read_front(const uint8_t *bytes, size_t size, struct se_request_head *ret_head,
                      uint64_t *ret_flags, struct cvm_error *err) {
        struct cvm_reader r = cvm_reader_of(bytes, size);
        uint32_t algorithm;
        int e = se_request_head_read(&r, ret_head, err);

        if (e < 0)
                return e;
        if (!cvm_is_zero(ret_head->magic, sizeof ret_head->magic))
                return refuse(err, "this is no attestation request");
        *ret_flags = cvm_read_u64be(&r);
        algorithm = cvm_read_u32be(&r);
        if (algorithm != ALGORITHM_HMAC_SHA512)
                return cvm_fail(err, &CVM_CODE_REQUEST_FORMAT, EBADMSG,
                                "the request asks for the unknown measurement algorithm %u", algorithm);
        cvm_read_view(&r, 4 + SE_COORDINATES_SIZE);
        cvm_read_view(&r, ret_head->n_slots * SE_SLOT_SIZE);
        if (r.failed || r.left != ret_head->sealed_size + SE_TAG_SIZE || (*ret_flags & ~FLAGS_ALL))
                return refuse(err, "the request has other parts or flags than one for attestation");
        return 0;
}

int se_attestation_flags(const uint8_t *bytes, size_t size, uint64_t *ret, struct cvm_error *err) {
        struct se_request_head head;

        return read_front(bytes, size, &head, ret, err);
}

int se_attestation_open(const uint8_t *bytes, size_t size, const uint8_t key[SE_KEY_SIZE],
                        struct cvm_secret *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret plain = { 0 };
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret opened = { 0 };
        struct se_request_head head;
        uint64_t flags;
        int e = read_front(bytes, size, &head, &flags, err);

        if (e >= 0)
                e = se_request_unseal(bytes, size, &head, key, &plain, err);
        if (e >= 0 && cvm_secret_new(sizeof(struct se_attestation), &opened) < 0)
                e = cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "opening a request");
        if (e < 0)
                return e;
        ((struct se_attestation *)opened.data)->flags = flags;
        e = take_sealed(&plain, (struct se_attestation *)opened.data, err);
        if (e >= 0) {
                *ret = opened;
                opened = (struct cvm_secret){ 0 };
        }
        return e;
}

static const struct {
        uint64_t flag;
        size_t size, offset; /* of the pointer in struct se_additional */
} additional[] = {
        { SE_ATTEST_IMAGE_KEY, 32, offsetof(struct se_additional, image_key) },
        { SE_ATTEST_REQUEST_KEY, 32, offsetof(struct se_additional, request_key) },
        { SE_ATTEST_SECRETS, 64, offsetof(struct se_additional, secrets) },
        { SE_ATTEST_FIRMWARE, 320, offsetof(struct se_additional, firmware) },
};

size_t se_additional_size(uint64_t flags) {
        size_t size = 0;

        for (size_t i = 0; i < ARRAY_SIZE(additional); i++)
                size += flags & additional[i].flag ? additional[i].size : 0;
        return size;
}

int se_additional_read(uint64_t flags, const void *data, size_t size, struct se_additional *ret,
                       struct cvm_error *err) {
        struct cvm_reader r = cvm_reader_of(data, size);

        *ret = (struct se_additional){ 0 };
        for (size_t i = 0; i < ARRAY_SIZE(additional); i++)
                if (flags & additional[i].flag)
                        *(const uint8_t **)((uint8_t *)ret + additional[i].offset) =
                                        cvm_read_view(&r, additional[i].size);
        return cvm_reader_done(&r) ? 0
                                   : cvm_fail(err, &CVM_CODE_REPORT_FORMAT, EBADMSG,
                                              "the additional data is not what the request asks for");
}

void se_image_measurement(const uint8_t boot_tags[SE_BOOT_TAGS_SIZE], uint8_t ret[CVM_SHA384_SIZE]) {
        cvm_sha384(boot_tags, SE_BOOT_TAGS_SIZE, ret);
}

int se_measure(const struct se_attestation *attestation, const struct se_measured *measured,
               uint8_t ret[SE_MEASUREMENT_SIZE]) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        unsigned n = SE_MEASUREMENT_SIZE;
        int r;

        if (measured->user_data_size > SE_USER_DATA_MAX || measured->additional_size > UINT32_MAX)
                return -EINVAL;
        cvm_write_copy(&w, measured->boot_tags, sizeof measured->boot_tags);
        cvm_write_copy(&w, measured->cuid, sizeof measured->cuid);
        cvm_write_u16be(&w, (uint16_t)measured->user_data_size);
        cvm_write_zeros(&w, 2);
        cvm_write_u32be(&w, (uint32_t)measured->additional_size);
        cvm_write_copy(&w, measured->user_data, measured->user_data_size);
        if (attestation->has_nonce)
                cvm_write_copy(&w, attestation->nonce, SE_NONCE_SIZE);
        cvm_write_copy(&w, measured->additional, measured->additional_size);
        r = cvm_writer_take(&w, &bytes);
        if (r < 0)
                return r;
        return HMAC(EVP_sha512(), attestation->measurement_key, SE_MEASUREMENT_SIZE, bytes.data, bytes.size,
                    ret, &n)
                               ? 0
                               : -ENOMEM;
}

void se_secret_store_hash(const uint8_t *tags, size_t n, bool locked, uint8_t ret[CVM_SHA512_SIZE]) {
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        const uint8_t last = locked;

        if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha512(), NULL) != 1 ||
            EVP_DigestUpdate(ctx, tags, n * SE_TAG_SIZE) != 1 || EVP_DigestUpdate(ctx, &last, 1) != 1 ||
            EVP_DigestFinal_ex(ctx, ret, NULL) != 1)
                abort();
}
