#include "attest/seal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attest/hpke.h"
#include "base/json.h"
#include "base/names.h"

static const char prefix[] = "cvmd-secret-v1"; /* with its NUL, both in H and in info */

static const char *const kinds[] = {
        [CVM_SECRET_FILE] = "file",
        [CVM_SECRET_DISK_KEY] = "disk-key",
        [CVM_SECRET_RELEASE] = "release",
        [CVM_SECRET_UV_REQUEST] = "uv-request",
};

const char *cvm_secret_kind_text(enum cvm_secret_kind kind) {
        return (size_t)kind < ARRAY_SIZE(kinds) ? kinds[kind] : NULL;
}

int cvm_secret_header_write(const struct cvm_secret_header *header, struct cvm_bytes *ret) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };

        if (!cvm_secret_name_is_valid(header->name))
                return -EINVAL;
        cvm_write_copy(&w, prefix, sizeof prefix);
        cvm_write_u8(&w, header->platform);
        cvm_write_u8(&w, header->suite);
        cvm_write_u8(&w, header->kind);
        cvm_write_copy(&w, header->uuid, sizeof header->uuid);
        cvm_write_copy(&w, header->keyset, sizeof header->keyset);
        cvm_write_copy(&w, header->binding, sizeof header->binding);
        cvm_write_u64be(&w, header->generation);
        cvm_write_u64be(&w, header->seq);
        cvm_write_u8(&w, (uint8_t)strlen(header->name));
        cvm_write_copy(&w, header->name, strlen(header->name));
        return cvm_writer_take(&w, ret);
}

int cvm_secret_header_read(const void *bytes, size_t size, struct cvm_secret_header *ret,
                           struct cvm_error *err) {
        struct cvm_reader r = cvm_reader_of(bytes, size);
        struct cvm_secret_header h = { 0 };
        char mark[sizeof prefix];
        uint8_t length;

        cvm_read_copy(&r, mark, sizeof mark);
        h.platform = cvm_read_u8(&r);
        h.suite = cvm_read_u8(&r);
        h.kind = cvm_read_u8(&r);
        cvm_read_copy(&r, h.uuid, sizeof h.uuid);
        cvm_read_copy(&r, h.keyset, sizeof h.keyset);
        cvm_read_copy(&r, h.binding, sizeof h.binding);
        h.generation = cvm_read_u64be(&r);
        h.seq = cvm_read_u64be(&r);
        length = cvm_read_u8(&r);
        if (length < sizeof h.name)
                cvm_read_copy(&r, h.name, length);
        if (!cvm_reader_done(&r) || memcmp(mark, prefix, sizeof prefix) != 0)
                return cvm_fail(err, &CVM_CODE_SECRET_HEADER, EBADMSG,
                                "the header of the secret is malformed");
        if (strlen(h.name) != length || !cvm_secret_name_is_valid(h.name))
                return cvm_fail(err, &CVM_CODE_SECRET_HEADER, EBADMSG, "the secret has no valid name");
        if (h.suite != CVM_SUITE)
                return cvm_fail(err, &CVM_CODE_SECRET_HEADER, EBADMSG, "the secret uses suite %u, not %u",
                                h.suite, CVM_SUITE);
        if (!cvm_secret_kind_text(h.kind))
                return cvm_fail(err, &CVM_CODE_SECRET_HEADER, EBADMSG, "the secret is of unknown kind %u",
                                h.kind);
        *ret = h;
        return 0;
}

/* Payload of the signed object. */
struct sealed {
        struct cvm_bytes header;
        struct cvm_bytes enc;
        struct cvm_bytes ciphertext;
};

static const struct cvm_json_field sealed_fields[] = {
        { "header", CVM_JSON_BASE64, .required = true, .offset = offsetof(struct sealed, header),
          .max = 512 },
        { "enc", CVM_JSON_BASE64, .required = true, .offset = offsetof(struct sealed, enc),
          .max = HPKE_ENC_SIZE },
        { "ciphertext", CVM_JSON_BASE64, .required = true, .offset = offsetof(struct sealed, ciphertext),
          .max = CVM_SECRET_MAX + HPKE_TAG_SIZE },
        { 0 },
};

static void sealed_done(struct sealed *s) {
        cvm_bytes_done(&s->header);
        cvm_bytes_done(&s->enc);
        cvm_bytes_done(&s->ciphertext);
}

/* info = "cvmd-secret-v1\0" || SHA-384(H) */
static struct hpke_text make_info(const struct cvm_bytes *header,
                                  uint8_t ret[sizeof prefix + CVM_SHA384_SIZE]) {
        memcpy(ret, prefix, sizeof prefix);
        cvm_sha384(header->data, header->size, ret + sizeof prefix);
        return (struct hpke_text){ ret, sizeof prefix + CVM_SHA384_SIZE };
}

static int sign_sealed(const struct sealed *sealed, EVP_PKEY *owner, char **ret_envelope,
                       struct cvm_error *err) {
        CVM_CLEANUP(cvm_freep) char *payload = cvm_json_write_text(sealed_fields, sealed);

        if (!payload)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "sealing");
        return cvm_envelope_sign(CVM_ENVELOPE_SECRET, payload, strlen(payload), owner, ret_envelope, err);
}

int cvm_secret_seal(const struct cvm_secret_header *header, const uint8_t kem_spki[CVM_SPKI_SIZE],
                    const void *plaintext, size_t size, EVP_PKEY *owner, char **ret_envelope,
                    struct cvm_error *err) {
        CVM_CLEANUP(EVP_PKEY_freep) EVP_PKEY *kem = NULL;
        CVM_CLEANUP(sealed_done) struct sealed sealed = { 0 };
        uint8_t info[sizeof prefix + CVM_SHA384_SIZE], enc[HPKE_ENC_SIZE];
        int r;

        if (size > CVM_SECRET_MAX)
                return cvm_fail(err, &CVM_CODE_TOO_LARGE, EFBIG, "a secret has at most %u bytes",
                                CVM_SECRET_MAX);
        r = cvm_secret_header_write(header, &sealed.header);
        if (r < 0)
                return cvm_fail(err, &CVM_CODE_NAME, r, "'%.64s' is no name of a secret", header->name);
        r = cvm_key_from_spki(CVM_KEY_SEAL, kem_spki, CVM_SPKI_SIZE, &kem, err);
        if (r < 0)
                return r;
        r = hpke_seal(HPKE_AES_256_GCM, kem, NULL, make_info(&sealed.header, info),
                      (struct hpke_text){ sealed.header.data, sealed.header.size },
                      (struct hpke_text){ plaintext, size }, enc, &sealed.ciphertext, err);
        if (r >= 0)
                r = cvm_bytes_copy(enc, sizeof enc, &sealed.enc);
        return r < 0 ? r : sign_sealed(&sealed, owner, ret_envelope, err);
}

/* Fields of the sealed payload that are malformed belong to evidence that does not hold, like the rest of
 * it. */
static int read_sealed(const struct cvm_bytes *payload, struct sealed *sealed, struct cvm_secret_header *ret,
                       struct cvm_error *err) {
        struct cvm_error why = { 0 };
        int r = cvm_json_read_text(payload->data, payload->size, "secret", sealed_fields, sealed, &why);

        if (r < 0)
                return cvm_fail_as(err, &CVM_CODE_SECRET_HEADER, EBADMSG, &why, r);
        if (sealed->enc.size != HPKE_ENC_SIZE)
                return cvm_fail(err, &CVM_CODE_SECRET_HEADER, EBADMSG,
                                "'enc' in 'secret' must have %d bytes", HPKE_ENC_SIZE);
        return cvm_secret_header_read(sealed->header.data, sealed->header.size, ret, err);
}

int cvm_secret_peek(const char *envelope, size_t size, struct cvm_secret_header *ret,
                    struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        CVM_CLEANUP(sealed_done) struct sealed sealed = { 0 };
        int r = cvm_envelope_peek(envelope, size, CVM_ENVELOPE_SECRET, &payload, err);

        return r < 0 ? r : read_sealed(&payload, &sealed, ret, err);
}

int cvm_secret_open(const char *envelope, size_t size, EVP_PKEY *signer, EVP_PKEY *kem,
                    struct cvm_secret_header *ret_header, struct cvm_secret *ret_plaintext,
                    uint8_t ret_digest[CVM_SHA384_SIZE], struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes payload = { 0 };
        CVM_CLEANUP(sealed_done) struct sealed sealed = { 0 };
        uint8_t info[sizeof prefix + CVM_SHA384_SIZE], digest[CVM_SHA384_SIZE];
        struct cvm_secret_header header;
        int r = cvm_envelope_open(envelope, size, CVM_ENVELOPE_SECRET, signer, &payload, digest, err);

        if (r >= 0)
                r = read_sealed(&payload, &sealed, &header, err);
        if (r >= 0)
                r = hpke_open(HPKE_AES_256_GCM, kem, sealed.enc.data, make_info(&sealed.header, info),
                              (struct hpke_text){ sealed.header.data, sealed.header.size },
                              (struct hpke_text){ sealed.ciphertext.data, sealed.ciphertext.size },
                              ret_plaintext, err);
        if (r < 0)
                return r;
        *ret_header = header;
        if (ret_digest)
                memcpy(ret_digest, digest, sizeof digest);
        return 0;
}
