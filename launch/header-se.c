#include "launch/header-se.h"

#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/bytes.h"
#include "base/fd.h"

#define VERSION 0x100
#define SEALED_SIZE 128
#define SCAN_PAGES 21
#define METADATA_AT 0xc000
#define METADATA_SIZE 28

static const uint8_t magic[8] = { 'I', 'B', 'M', 'S', 'e', 'c', 'E', 'x' };
static const uint8_t metadata_magic[8] = { 'S', 'e', 'I', 'm', 'g', 'L', 'n', 'x' };

/* Where the parts of a header with any number of slots begin. */
enum { AT_IV = 0x10, AT_PLD = 0xe0 };

static int refuse(struct cvm_error *err, const char *what) {
        return cvm_fail(err, &CVM_CODE_IMAGE_FORMAT, EBADMSG, "%s", what);
}

int se_keys_new(struct cvm_secret *ret, struct cvm_error *err) {
        return cvm_secret_new(sizeof(struct se_keys), ret) < 0
                               ? cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making room for keys")
                               : 0;
}

void se_header_boot_tags(const struct se_header *header, uint8_t ret[SE_BOOT_TAGS_SIZE]) {
        memcpy(ret, header->bytes + AT_PLD, 3 * CVM_SHA512_SIZE);
        memcpy(ret + 3 * CVM_SHA512_SIZE, se_header_tag(header), SE_TAG_SIZE);
}

bool se_header_has_host(const struct se_header *header, const uint8_t hash[CVM_SHA256_SIZE]) {
        for (size_t i = 0; i < header->n_slots; i++)
                if (memcmp(se_header_slot(header, i), hash, CVM_SHA256_SIZE) == 0)
                        return true;
        return false;
}

/* --- reading --- */

/* All sizes of a header follow from its number of slots; what it says of them must be just that. */
static int read_sizes(struct cvm_reader *r, struct se_header *ret, struct cvm_error *err) {
        uint64_t size, n_slots, sealed;
        uint32_t version;

        if (memcmp(r->next, magic, sizeof magic) != 0)
                return refuse(err, "there is no header: its first bytes are not 'IBMSecEx'");
        cvm_read_view(r, sizeof magic);
        version = cvm_read_u32be(r);
        if (version != VERSION)
                return cvm_fail(err, &CVM_CODE_IMAGE_FORMAT, EBADMSG,
                                "the header is of version 0x%x; 0x%x is known", version, VERSION);
        size = cvm_read_u32be(r);
        cvm_read_view(r, SE_IV_SIZE);
        cvm_read_zeros(r, 4);
        if (r->failed)
                return refuse(err, "the header has reserved bytes that are not zero");
        n_slots = cvm_read_u64be(r);
        sealed = cvm_read_u64be(r);
        if (n_slots < 1 || n_slots > SE_SLOTS_MAX)
                return refuse(err, "the header has no key slot, or more than 95");
        if (sealed != SEALED_SIZE || size != se_header_size(n_slots))
                return refuse(err, "the header's size does not fit what is in it");
        ret->n_slots = (size_t)n_slots;
        ret->size = (size_t)size;
        return 0;
}

int se_header_read(const uint8_t *bytes, size_t size, struct se_header *ret, struct cvm_error *err) {
        struct cvm_reader r = cvm_reader_of(bytes, size);
        struct se_header header = { 0 };
        int e;

        if (size < se_header_size(1))
                return refuse(err, "there is no header: too few bytes");
        e = read_sizes(&r, &header, err);
        if (e < 0)
                return e;
        if (size < header.size)
                return refuse(err, "the header is cut off");
        header.digests.n_pages = cvm_read_u64be(&r);
        header.pcf = cvm_read_u64be(&r);
        cvm_read_view(&r, SE_COORDINATES_SIZE);
        cvm_read_copy(&r, header.digests.pages, CVM_SHA512_SIZE);
        cvm_read_copy(&r, header.digests.addresses, CVM_SHA512_SIZE);
        cvm_read_copy(&r, header.digests.tweaks, CVM_SHA512_SIZE);
        memcpy(header.bytes, bytes, header.size);
        *ret = header;
        return 0;
}

/* 1: there is one; 0: its magic does not stand there. */
static int read_at(int fd, const char *what, uint64_t offset, struct se_header *ret, struct cvm_error *err) {
        uint8_t bytes[SE_HEADER_MAX];
        ssize_t n = cvm_read_at(fd, offset, bytes, sizeof bytes);
        int r;

        if (n < 0)
                return cvm_fail(err, &CVM_CODE_FILE, (int)-n, "'%s' cannot be read: %s", what,
                                strerror((int)-n));
        if ((size_t)n < sizeof magic || memcmp(bytes, magic, sizeof magic) != 0)
                return 0;
        r = se_header_read(bytes, (size_t)n, ret, err);
        return r < 0 ? cvm_while(err, r, "'%s'", what) : 1;
}

static int read_metadata(int fd, struct se_place *ret) {
        uint8_t bytes[METADATA_SIZE] = { 0 };
        struct cvm_reader r = cvm_reader_of(bytes, sizeof bytes);

        if (cvm_read_at(fd, METADATA_AT, bytes, sizeof bytes) != sizeof bytes ||
            memcmp(bytes, metadata_magic, sizeof metadata_magic) != 0)
                return 0;
        cvm_read_view(&r, sizeof metadata_magic);
        ret->header = cvm_read_u64be(&r);
        ret->version = cvm_read_u32be(&r);
        ret->ipib = cvm_read_u64be(&r);
        ret->has_metadata = true;
        return 1;
}

int se_header_find(int fd, const char *what, struct se_place *ret_place, struct se_header *ret,
                   struct cvm_error *err) {
        struct se_place place = { 0 };
        int r = 0;

        if (read_metadata(fd, &place)) {
                if (place.header % SE_PAGE == 0 && place.header <= INT64_MAX - SE_HEADER_MAX)
                        r = read_at(fd, what, place.header, ret, err);
                if (r == 0)
                        return cvm_fail(err, &CVM_CODE_IMAGE_FORMAT, EBADMSG,
                                        "'%s' has no header where its metadata says", what);
        }
        for (size_t page = 0; r == 0 && page < SCAN_PAGES; page++) {
                place.header = page * SE_PAGE;
                r = read_at(fd, what, place.header, ret, err);
        }
        if (r == 0)
                return cvm_fail(err, &CVM_CODE_IMAGE_FORMAT, EBADMSG,
                                "'%s' is no protected image: there is no header in it", what);
        if (r < 0)
                return r;
        *ret_place = place;
        return 0;
}

/* --- making and opening --- */

static int seal(const struct se_header_inputs *in, struct se_header *h, struct cvm_error *err) {
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret plain = { 0 };
        size_t aad_size = h->size - SEALED_SIZE - SE_TAG_SIZE;
        struct se_gcm gcm = { .key = in->keys->protection,
                              .iv = in->iv,
                              .aad = h->bytes,
                              .aad_size = aad_size,
                              .size = SEALED_SIZE };
        const uint64_t numbers[] = { in->entry.psw_mask, in->entry.psw_address, in->entry.scf };
        uint8_t *p;

        if (cvm_secret_new(SEALED_SIZE, &plain) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a header");
        memcpy(plain.data, in->keys->cck, SE_CCK_SIZE);
        memcpy(plain.data + SE_CCK_SIZE, in->keys->image, SE_IMAGE_KEY_SIZE);
        p = plain.data + SE_CCK_SIZE + SE_IMAGE_KEY_SIZE;
        for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
                for (int shift = 56; shift >= 0; shift -= 8)
                        *p++ = (uint8_t)(numbers[i] >> shift);
        gcm.data = plain.data;
        return se_gcm_seal(&gcm, h->bytes + aad_size, h->bytes + aad_size + SEALED_SIZE) < 0
                               ? cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a header")
                               : 0;
}

static void write_front(const struct se_header_inputs *in, const uint8_t *coordinates,
                        struct cvm_writer *w) {
        cvm_write_copy(w, magic, sizeof magic);
        cvm_write_u32be(w, VERSION);
        cvm_write_u32be(w, (uint32_t)se_header_size(in->n_hosts));
        cvm_write_copy(w, in->iv, SE_IV_SIZE);
        cvm_write_zeros(w, 4);
        cvm_write_u64be(w, in->n_hosts);
        cvm_write_u64be(w, SEALED_SIZE);
        cvm_write_u64be(w, in->digests.n_pages);
        cvm_write_u64be(w, in->pcf);
        cvm_write_copy(w, coordinates, SE_COORDINATES_SIZE);
        cvm_write_copy(w, in->digests.pages, CVM_SHA512_SIZE);
        cvm_write_copy(w, in->digests.addresses, CVM_SHA512_SIZE);
        cvm_write_copy(w, in->digests.tweaks, CVM_SHA512_SIZE);
}

int se_header_make(const struct se_header_inputs *in, struct se_header *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes bytes = { 0 };
        uint8_t coordinates[SE_COORDINATES_SIZE];
        int r;

        if (in->n_hosts < 1 || in->n_hosts > SE_SLOTS_MAX)
                return cvm_fail(err, &CVM_CODE_HOST_KEYS, EINVAL,
                                "an image is made for 1 to %d hosts, not for %zu", SE_SLOTS_MAX,
                                in->n_hosts);
        r = se_coordinates(in->customer, "the customer", coordinates, err);
        write_front(in, coordinates, &w);
        for (size_t i = 0; r >= 0 && i < in->n_hosts; i++) {
                uint8_t slot[SE_SLOT_SIZE];

                r = se_slot_make(in->customer, in->hosts[i], in->keys->protection, slot, err);
                cvm_write_copy(&w, slot, sizeof slot);
        }
        cvm_write_zeros(&w, SEALED_SIZE + SE_TAG_SIZE);
        if (r >= 0 && cvm_writer_take(&w, &bytes) < 0)
                r = cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "making a header");
        if (r >= 0)
                r = se_header_read(bytes.data, bytes.size, ret, err);
        return r < 0 ? r : seal(in, ret, err);
}

int se_header_open(const struct se_header *header, struct se_keys *keys, struct se_entry *ret,
                   struct cvm_error *err) {
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret plain = { 0 };
        size_t aad_size = header->size - SEALED_SIZE - SE_TAG_SIZE;
        const struct se_gcm gcm = { .key = keys->protection,
                                    .iv = header->bytes + AT_IV,
                                    .aad = header->bytes,
                                    .aad_size = aad_size,
                                    .data = header->bytes + aad_size,
                                    .size = SEALED_SIZE };
        struct cvm_reader r;
        struct se_entry entry;

        if (cvm_secret_new(SEALED_SIZE, &plain) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "opening a header");
        if (se_gcm_open(&gcm, se_header_tag(header), plain.data) < 0)
                return cvm_fail(err, &CVM_CODE_IMAGE_CHANGED, EBADMSG,
                                "the header does not open: it was changed, or the header key is another image's");
        r = cvm_reader_of(plain.data, plain.size);
        cvm_read_copy(&r, keys->cck, SE_CCK_SIZE);
        cvm_read_copy(&r, keys->image, SE_IMAGE_KEY_SIZE);
        entry.psw_mask = cvm_read_u64be(&r);
        entry.psw_address = cvm_read_u64be(&r);
        entry.scf = cvm_read_u64be(&r);
        if (cvm_read_u32be(&r) != 0)
                return refuse(err, "the header has optional items, and none is known");
        *ret = entry;
        return 0;
}
