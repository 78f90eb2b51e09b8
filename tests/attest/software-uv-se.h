/*
 * The opposite side of a protected image, in software: what an ultravisor does with a header and pages when
 * it has the host's private key, and what the loader inside then finds. Written from the formats and not
 * with the product's code, so that a builder and its own reader cannot be wrong together. Big-endian
 * throughout.
 */
#pragma once

#include <stdbool.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

struct uv_part {
        const uint8_t *data; /* in the guest's memory */
        size_t size;
};

struct uv_guest {
        uint8_t *memory; /* the image with its components decrypted, owned */
        size_t size;
        uint8_t protection_key[32], cck[32], image_key[64];
        uint64_t psw_mask, psw_address, scf, pcf;
        struct uv_part kernel, cmdline, initrd; /* as the loader is told where they are */
};

static inline uint64_t uv_number(const uint8_t *p, size_t size) {
        uint64_t v = 0;

        while (size--)
                v = v << 8 | *p++;
        return v;
}

static inline bool uv_gcm_open(const uint8_t *key, const uint8_t *iv, const uint8_t *aad, int aad_size,
                               const uint8_t *data, int size, const uint8_t *tag, uint8_t *ret) {
        EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
        int n;
        bool good = EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, iv) == 1 &&
                    (!aad_size || EVP_DecryptUpdate(ctx, NULL, &n, aad, aad_size) == 1) &&
                    EVP_DecryptUpdate(ctx, ret, &n, data, size) == 1 &&
                    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, 16, (void *)tag) == 1 &&
                    EVP_DecryptFinal_ex(ctx, ret + n, &n) == 1;

        EVP_CIPHER_CTX_free(ctx);
        return good;
}

static inline void uv_coordinates(EVP_PKEY *key, uint8_t ret[160]) {
        uint8_t point[133]; /* 04, X and Y of 66 bytes each */
        size_t size = 0;

        EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point, &size);
        memset(ret, 0, 160);
        memcpy(ret + 14, point + 1, 66);
        memcpy(ret + 94, point + 67, 66);
}

static inline EVP_PKEY *uv_public_key(const uint8_t coordinates[160]) {
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
        EVP_PKEY *key = NULL;
        uint8_t point[133] = { 4 };
        OSSL_PARAM parameters[] = {
                OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)"P-521", 0),
                OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
                OSSL_PARAM_construct_end(),
        };

        memcpy(point + 1, coordinates + 14, 66);
        memcpy(point + 67, coordinates + 94, 66);
        EVP_PKEY_fromdata_init(ctx);
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, parameters);
        EVP_PKEY_CTX_free(ctx);
        return key;
}

/* The protection key from the slot that is this host's, if there is one. */
static inline bool uv_unwrap(EVP_PKEY *host, const uint8_t customer[160], const uint8_t *slots, size_t n,
                             uint8_t ret[32]) {
        static const uint8_t iv[12];
        uint8_t own[160], hash[32], shared[70] = { [69] = 1 }, kek[32];
        EVP_PKEY *peer = uv_public_key(customer);
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, host, NULL);
        size_t size = 66;
        bool good = peer && EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, peer) == 1 &&
                    EVP_PKEY_derive(ctx, shared, &size) == 1 && size == 66;

        EVP_PKEY_CTX_free(ctx);
        EVP_PKEY_free(peer);
        uv_coordinates(host, own);
        SHA256(own, sizeof own, hash);
        SHA256(shared, sizeof shared, kek);
        for (size_t i = 0; good && i < n; i++, slots += 80)
                if (memcmp(slots, hash, 32) == 0)
                        return uv_gcm_open(kek, iv, NULL, 0, slots + 32, 32, slots + 64, ret);
        return false;
}

static inline bool uv_open_header(const uint8_t *header, EVP_PKEY *host, struct uv_guest *g) {
        size_t n = uv_number(header + 0x20, 8), aad = 0x1a0 + 80 * n;
        uint8_t plain[128];

        if (!uv_unwrap(host, header + 0x40, header + 0x1a0, n, g->protection_key) ||
            !uv_gcm_open(g->protection_key, header + 0x10, header, (int)aad, header + aad, 128,
                         header + aad + 128, plain))
                return false;
        g->pcf = uv_number(header + 0x38, 8);
        memcpy(g->cck, plain, 32);
        memcpy(g->image_key, plain + 32, 64);
        g->psw_mask = uv_number(plain + 96, 8);
        g->psw_address = uv_number(plain + 104, 8);
        g->scf = uv_number(plain + 112, 8);
        return uv_number(plain + 120, 8) == 0;
}

static inline EVP_MD_CTX *uv_begin(void) {
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();

        EVP_DigestInit_ex(ctx, EVP_sha512(), NULL);
        return ctx;
}

/* Digests of all pages as they are given, then the pages in the clear. */
static inline bool uv_unpack_pages(struct uv_guest *g, const uint8_t *header, const uint8_t *ipib) {
        EVP_MD_CTX *digests[3] = { uv_begin(), uv_begin(), uv_begin() };
        uint8_t digest[3][64], tweak[16], where[8];
        uint64_t n = 0;
        EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
        int out;

        for (size_t i = 0; i < uv_number(ipib + 0x74, 4); i++) {
                const uint8_t *c = ipib + 0x88 + 24 * i;
                uint64_t address = uv_number(c + 8, 8), size = uv_number(c + 16, 8);

                for (uint64_t at = 0; at < size; at += 4096, n++) {
                        uint8_t *page = g->memory + address + at;

                        memcpy(tweak, c, 8);
                        for (int k = 0; k < 8; k++) {
                                tweak[8 + k] = (uint8_t)(at >> (56 - 8 * k));
                                where[k] = (uint8_t)((address + at) >> (56 - 8 * k));
                        }
                        EVP_DigestUpdate(digests[0], page, 4096);
                        EVP_DigestUpdate(digests[1], where, 8);
                        EVP_DigestUpdate(digests[2], tweak, 16);
                        if (g->pcf & 0x10000000)
                                continue;
                        EVP_DecryptInit_ex(ctx, EVP_aes_256_xts(), NULL, g->image_key, tweak);
                        EVP_DecryptUpdate(ctx, page, &out, page, 4096);
                }
        }
        EVP_CIPHER_CTX_free(ctx);
        for (int i = 0; i < 3; i++) {
                EVP_DigestFinal_ex(digests[i], digest[i], NULL);
                EVP_MD_CTX_free(digests[i]);
        }
        return n == uv_number(header + 0x30, 8) && memcmp(header + 0xe0, digest, sizeof digest) == 0;
}

/* What the second stage does first: its arguments stand at its end, before the padding. */
static inline bool uv_run_loader(struct uv_guest *g, uint64_t end) {
        const uint8_t *p;
        struct uv_part *const parts[] = { &g->kernel, &g->cmdline, &g->initrd };

        while (g->memory[end - 1] == 0)
                end--;
        p = g->memory + end + 2 - 64; /* the last argument is the address 0x10000 */
        for (size_t i = 0; i < 3; i++) {
                uint64_t source = uv_number(p + 16 * i, 8), size = uv_number(p + 16 * i + 8, 8);

                if (source > g->size || size > g->size - source)
                        return false;
                *parts[i] = (struct uv_part){ g->memory + source, (size_t)size };
        }
        return uv_number(p + 48, 8) == 0x180000000 && uv_number(p + 56, 8) == 0x10000;
}

/*
 * A host starts the image: it believes the metadata, the first stage's arguments must agree with them
 * (stage3a_size: of the first stage), then all is checked as hardware would. false: it does not run here.
 */
static inline bool uv_start(const uint8_t *image, size_t size, size_t stage3a_size, EVP_PKEY *host,
                            struct uv_guest *ret) {
        static const uint8_t entry[8] = { 0, 8, 0, 1, 0x80, 1, 0x10, 0 };
        const uint8_t *metadata = image + 0xc000, *arguments = image + 0x10000 + stage3a_size - 24;
        uint64_t header = uv_number(metadata + 8, 8), ipib = uv_number(metadata + 20, 8),
                 at = 0x10000 + stage3a_size - 24;
        struct uv_guest g = { .size = size };

        if (memcmp(image, entry, 8) != 0 || memcmp(metadata, "SeImgLnx\0", 8) != 0 ||
            uv_number(metadata + 16, 4) != 1 || uv_number(arguments, 8) + at != header ||
            uv_number(arguments + 16, 8) + at != ipib ||
            uv_number(arguments + 8, 8) != uv_number(image + header + 12, 4) || header % 4096 || ipib % 4096)
                return false;
        g.memory = malloc(size);
        memcpy(g.memory, image, size);
        if (!uv_open_header(image + header, host, &g) ||
            !uv_unpack_pages(&g, image + header, image + ipib) || g.psw_mask != 0x180000000 ||
            !uv_run_loader(&g, ipib)) {
                free(g.memory);
                return false;
        }
        *ret = g;
        return true;
}

/* The memory as it would begin to run: its entry, in short form, where a machine without an ultravisor
 * looks. */
static inline void uv_flatten(struct uv_guest *g) {
        uint64_t psw = 0x0008000000000000 | g->psw_mask | g->psw_address;

        for (int i = 0; i < 8; i++)
                g->memory[i] = (uint8_t)(psw >> (56 - 8 * i));
}

/* --- requests --- */

/* What is sealed in a request whose customer key and slots stand at `customer`; its size, 0: not for this
 * host. */
static inline size_t uv_open_request(const uint8_t *request, size_t size, size_t customer, EVP_PKEY *host,
                                     uint8_t *ret, size_t room) {
        size_t sealed = uv_number(request + 0x2c, 4), n = request[0x27], aad = size - 16 - sealed;
        uint8_t key[32];

        if (uv_number(request + 0x0c, 4) != size || sealed > room || customer + 160 + 80 * n > aad ||
            !uv_unwrap(host, request + customer, request + customer + 160, n, key) ||
            !uv_gcm_open(key, request + 0x10, request, (int)aad, request + aad, (int)sealed,
                         request + size - 16, ret))
                return 0;
        return sealed;
}

/* The measurement that a guest gets for a request: of its image's tags, its id, and what it says itself. */
static inline bool uv_measure(const uint8_t *request, size_t size, EVP_PKEY *host, const uint8_t tags[208],
                              const uint8_t cuid[16], const uint8_t *user, size_t user_size,
                              const uint8_t *additional, size_t additional_size, uint8_t ret[64]) {
        uint8_t sealed[80], message[208 + 16 + 8 + 256 + 16 + 512], *p = message;
        unsigned n = 64;

        if (uv_open_request(request, size, 0x40, host, sealed, sizeof sealed) != 80)
                return false;
        memcpy(p, tags, 208);
        memcpy(p + 208, cuid, 16);
        p += 224;
        memset(p, 0, 8);
        p[0] = (uint8_t)(user_size >> 8);
        p[1] = (uint8_t)user_size;
        p[6] = (uint8_t)(additional_size >> 8);
        p[7] = (uint8_t)additional_size;
        memcpy(p + 8, user, user_size);
        p += 8 + user_size;
        memcpy(p, sealed + 64, 16);
        memcpy(p + 16, additional, additional_size);
        p += 16 + additional_size;
        return HMAC(EVP_sha512(), sealed, 64, message, (size_t)(p - message), ret, &n) != NULL;
}

/* --- the store of one run --- */

struct uv_store {
        uint8_t tags[16 * 16]; /* of the requests that were taken, one behind the other */
        size_t n;
        uint8_t extension[32]; /* the first one's: all others need it */
};

/* What the ultravisor answers to an add-secret request of a guest of this image and id: 1 is success. */
static inline uint16_t uv_add(struct uv_store *store, const uint8_t *request, size_t size, EVP_PKEY *host,
                              const uint8_t tags[208], const uint8_t cuid[16]) {
        static const uint8_t any[16];
        uint8_t plain[8192 + 32];
        size_t n = size > 0x500 && memcmp(request, "asrcbM", 6) == 0
                                   ? uv_open_request(request, size, 0x418, host, plain, sizeof plain)
                                   : 0;

        if (n < 32)
                return 0x108;
        if (store->n == 16)
                return 0x10b;
        if (memcmp(request + 0x38, tags, 208) != 0 ||
            (memcmp(request + 0x108, cuid, 16) != 0 && memcmp(request + 0x108, any, 16) != 0) ||
            (store->n && memcmp(store->extension, plain + n - 32, 32) != 0))
                return 0x10c;
        memcpy(store->extension, plain + n - 32, 32);
        memcpy(store->tags + 16 * store->n++, request + size - 16, 16);
        return 1;
}

/* What an attestation says of it. */
static inline void uv_store_hash(const struct uv_store *store, bool locked, uint8_t ret[64]) {
        uint8_t message[sizeof store->tags + 1];

        memcpy(message, store->tags, 16 * store->n);
        message[16 * store->n] = locked;
        SHA512(message, 16 * store->n + 1, ret);
}
