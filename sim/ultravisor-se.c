#include "sim/ultravisor-se.h"

#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>

#include "attest/list-se.h"
#include "attest/secret-se.h"
#include "base/fd.h"
#include "launch/image-se.h"
#include "launch/pages-se.h"

#define WHAT "the image"
#define PIECE (64 * SE_PAGE)
#define REQUEST_CUSTOMER_AT 0x40
#define SECRET_CUSTOMER_AT 0x418
#define HEADER_CUSTOMER_AT 0x40
#define HEADER_SLOTS_AT 0x1a0
#define NOT_FOR_HOST "the request was not made for this host, or was changed"

_Static_assert(SE_LIST_HEAD_SIZE + SIM_STORE_MAX * SE_LISTED_SIZE <= SE_LIST_PAGE, "one page lists all");

/* --- images --- */

static int open_header(EVP_PKEY *host, const struct se_header *header, struct se_keys *keys,
                       struct se_entry *ret, struct cvm_error *err) {
        const char *names[SE_FLAGS_MAX];
        int r = se_slot_open(host, header->bytes + HEADER_CUSTOMER_AT, header->bytes + HEADER_SLOTS_AT,
                             header->n_slots, keys->protection, err);

        if (r >= 0)
                r = se_header_open(header, keys, ret, err);
        if (r >= 0 && se_flag_names(header->pcf, 0, names) > 0)
                r = cvm_fail(err, &CVM_CODE_GUEST_POLICY, EOPNOTSUPP,
                             "it has a flag that the simulated ultravisor does not know (PCF)");
        if (r >= 0 && se_flag_names(0, ret->scf, names) > 0)
                r = cvm_fail(err, &CVM_CODE_GUEST_POLICY, EOPNOTSUPP,
                             "it has a secret flag that the simulated ultravisor does not know (SCF)");
        return r < 0 ? cvm_while(err, r, "'" WHAT "'") : 0;
}

static int copy_component(int image, int flat, const struct se_component *c, const uint8_t *image_key,
                          struct cvm_secret *room, struct cvm_error *err) {
        for (uint64_t at = 0; at < c->size; at += room->size) {
                size_t size = c->size - at < room->size ? (size_t)(c->size - at) : room->size;
                ssize_t n = cvm_read_at(image, c->address + at, room->data, size);
                int r = 0;

                if (n < 0 || (size_t)n != size)
                        return cvm_fail(err, &CVM_CODE_FILE, EIO, "'" WHAT "' cannot be read");
                if (image_key)
                        r = se_pages_decrypt(image_key, c->prefix, at, room->data, size, err);
                if (r < 0)
                        return r;
                r = cvm_write_at(flat, c->address + at, room->data, size);
                if (r < 0)
                        return cvm_fail(err, r == -ENOSPC ? &CVM_CODE_MEMORY_HOST : &CVM_CODE_FILE, -r,
                                        "the opened image cannot be written: %s", strerror(-r));
        }
        return 0;
}

/* Where the header's PSW points the guest begins: an entry in its short form stands at address 0. */
static int write_entry(int flat, const struct se_entry *entry, struct cvm_error *err) {
        uint8_t bytes[8];
        uint64_t psw;

        if (se_short_psw(entry->psw_mask, entry->psw_address, &psw) < 0)
                return cvm_fail(err, &CVM_CODE_IMAGE_FORMAT, EBADMSG,
                                "'" WHAT "' begins where a simulated guest cannot");
        for (size_t i = 0; i < sizeof bytes; i++)
                bytes[i] = (uint8_t)(psw >> (56 - 8 * i));
        return cvm_write_at(flat, 0, bytes, sizeof bytes) < 0
                               ? cvm_fail(err, &CVM_CODE_FILE, EIO, "the opened image cannot be written")
                               : 0;
}

/* With that flag all requests must carry what is derived from the image's own key. */
static int begin_store(const struct se_header *header, const uint8_t *cck, uint64_t scf,
                       struct sim_store *ret, struct cvm_error *err) {
        struct sim_store store = { .image_extends = scf & SE_SCF_EXTENSION_SECRET,
                                   .image_takes_key = scf & SE_SCF_CCK_UPDATE };
        uint8_t secret[SE_EXTENSION_SIZE];
        int r = 0;

        if (store.image_extends)
                r = se_extension_secret(cck, se_header_tag(header), secret);
        if (r < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "opening an image");
        if (store.image_extends)
                cvm_sha256(secret, sizeof secret, store.extension);
        OPENSSL_cleanse(secret, sizeof secret);
        *ret = store;
        return 0;
}

int ultravisor_open(EVP_PKEY *host, int image, int flat, struct sim_store *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret keys = { 0 };
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret room = { 0 };
        struct se_image parts;
        struct se_entry entry;
        int r = se_image_read(image, WHAT, &parts, err);

        if (r >= 0)
                r = se_keys_new(&keys, err);
        if (r >= 0)
                r = open_header(host, &parts.header, se_keys(&keys), &entry, err);
        if (r >= 0)
                r = se_image_check(image, WHAT, &parts, err);
        if (r >= 0 && cvm_secret_new(PIECE, &room) < 0)
                r = cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "opening an image");
        for (size_t i = 0; r >= 0 && i < parts.n_components; i++)
                r = copy_component(image, flat, &parts.components[i],
                                   parts.header.pcf & SE_PCF_PLAIN ? NULL : se_keys(&keys)->image, &room,
                                   err);
        if (r >= 0)
                r = write_entry(flat, &entry, err);
        return r < 0 ? r : begin_store(&parts.header, se_keys(&keys)->cck, entry.scf, ret, err);
}

/* --- requests --- */

/* A guest of the simulation has no firmware: it is told as empty. */
static int fill_additional(uint64_t flags, const struct ultravisor_guest *guest, struct cvm_bytes *ret) {
        static const uint8_t firmware[320];
        uint8_t store[CVM_SHA512_SIZE];
        const struct {
                uint64_t flag;
                const uint8_t *value;
                size_t size;
        } fields[] = { { SE_ATTEST_IMAGE_KEY, guest->host_hash, CVM_SHA256_SIZE },
                       { SE_ATTEST_REQUEST_KEY, guest->host_hash, CVM_SHA256_SIZE },
                       { SE_ATTEST_SECRETS, store, sizeof store },
                       { SE_ATTEST_FIRMWARE, firmware, sizeof firmware } };
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };

        se_secret_store_hash(guest->store->tags[0], guest->store->n, guest->store->locked, store);
        for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
                if (flags & fields[i].flag)
                        cvm_write_copy(&w, fields[i].value, fields[i].size);
        return cvm_writer_take(&w, ret);
}

/* The protection key of a request; negative: there is none for this host. */
static int unwrap(EVP_PKEY *host, const struct cvm_bytes *request, size_t customer_at,
                  struct se_request_head *ret_head, uint8_t ret_key[SE_KEY_SIZE]) {
        struct cvm_reader r = cvm_reader_of(request->data, request->size);
        const uint8_t *customer = request->data + customer_at;
        int e = se_request_head_read(&r, ret_head, NULL);

        if (e < 0 || request->size < customer_at + SE_COORDINATES_SIZE + ret_head->n_slots * SE_SLOT_SIZE)
                return -EBADMSG;
        return se_slot_open(host, customer, customer + SE_COORDINATES_SIZE, ret_head->n_slots, ret_key,
                            NULL);
}

static int open_request(EVP_PKEY *host, const struct cvm_bytes *request, struct cvm_secret *ret,
                        struct cvm_error *err) {
        struct se_request_head head;
        uint8_t key[SE_KEY_SIZE];
        uint64_t flags;
        int r = se_attestation_flags(request->data, request->size, &flags, err);

        if (r < 0)
                return r;
        if (unwrap(host, request, REQUEST_CUSTOMER_AT, &head, key) < 0)
                return cvm_fail(err, &CVM_CODE_REQUEST_FORMAT, EBADMSG, NOT_FOR_HOST);
        r = se_attestation_open(request->data, request->size, key, ret, err);
        OPENSSL_cleanse(key, sizeof key);
        return r;
}

int ultravisor_attest(EVP_PKEY *host, const struct cvm_bytes *request, const struct ultravisor_guest *guest,
                      struct se_exchange *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret opened = { 0 };
        CVM_CLEANUP(se_exchange_done) struct se_exchange x = { .is_answer = true };
        struct se_measured measured = { .user_data = guest->user_data,
                                        .user_data_size = guest->user_data_size };
        uint8_t measurement[SE_MEASUREMENT_SIZE];
        const struct se_attestation *attestation;
        int r = open_request(host, request, &opened, err);

        if (r < 0)
                return r;
        attestation = (const struct se_attestation *)opened.data;
        r = fill_additional(attestation->flags, guest, &x.additional);
        memcpy(measured.boot_tags, guest->boot_tags, SE_BOOT_TAGS_SIZE);
        memcpy(measured.cuid, guest->cuid, SE_CUID_SIZE);
        memcpy(x.cuid, guest->cuid, SE_CUID_SIZE);
        measured.additional = x.additional.data;
        measured.additional_size = x.additional.size;
        if (r >= 0)
                r = se_measure(attestation, &measured, measurement);
        if (r < 0 || cvm_bytes_copy(measurement, sizeof measurement, &x.measurement) < 0 ||
            cvm_bytes_copy(request->data, request->size, &x.request) < 0 ||
            cvm_bytes_copy(guest->user_data, guest->user_data_size, &x.user_data) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "answering a request");
        *ret = x;
        x = (struct se_exchange){ 0 };
        return 0;
}

/* --- secrets --- */

/* SHA-256 of the extension secret, which all requests to a guest must share. */
static int open_secret(EVP_PKEY *host, const struct cvm_bytes *request, uint8_t ret[CVM_SHA256_SIZE]) {
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret opened = { 0 };
        struct se_request_head head;
        uint8_t key[SE_KEY_SIZE];
        int r = unwrap(host, request, SECRET_CUSTOMER_AT, &head, key);

        if (r >= 0)
                r = se_request_unseal(request->data, request->size, &head, key, &opened, NULL);
        OPENSSL_cleanse(key, sizeof key);
        if (r < 0 || opened.size < SE_EXTENSION_SIZE)
                return -EBADMSG;
        cvm_sha256(opened.data + opened.size - SE_EXTENSION_SIZE, SE_EXTENSION_SIZE, ret);
        return 0;
}

static bool has(const struct sim_store *store, const uint8_t tag[SE_TAG_SIZE]) {
        for (size_t i = 0; i < store->n; i++)
                if (memcmp(store->tags[i], tag, SE_TAG_SIZE) == 0)
                        return true;
        return false;
}

/* Numbers as the architecture has them; which one is for a key that the image does not allow is not
 * published: it is the one for what cannot be added. */
static const struct ultravisor_result
                done = { 0x001, NULL },
                not_one = { 0, "it is no request that adds a secret" },
                locked = { 0x102, "the secret store is locked" },
                locked_already = { 0x102, "it is locked already" },
                unknown_flags = { 0x107, "the request has flags that it does not know" },
                not_for_host = { 0x108, NOT_FOR_HOST }, full = { 0x10b, "the secret store is full" },
                other_image = { 0x10c, "the request is for another image" },
                other_run = { 0x10c, "the request is for another run of the image" },
                no_key = { 0x10c, "the image's header does not allow another customer key" },
                not_images = { 0x10c, "the request has another extension secret than the image" },
                not_firsts = { 0x10c, "the request has another extension secret than the first one" };

/* Whether it is for this guest. */
static struct ultravisor_result check_request(EVP_PKEY *host, const struct cvm_bytes *request,
                                              const struct ultravisor_guest *guest,
                                              struct se_secret_seen *ret_seen,
                                              uint8_t ret_extension[CVM_SHA256_SIZE]) {
        if (se_secret_see(request->data, request->size, ret_seen, NULL) < 0)
                return not_one;
        if (ret_seen->flags & ~SE_SECRET_DISABLE_DUMP)
                return unknown_flags;
        if (open_secret(host, request, ret_extension) < 0)
                return not_for_host;
        if (memcmp(ret_seen->boot_tags, guest->boot_tags, SE_BOOT_TAGS_SIZE) != 0)
                return other_image;
        return cvm_is_zero(ret_seen->cuid, SE_CUID_SIZE) ||
                                               memcmp(ret_seen->cuid, guest->cuid, SE_CUID_SIZE) == 0
                               ? done
                               : other_run;
}

struct ultravisor_result ultravisor_add(EVP_PKEY *host, const struct cvm_bytes *request,
                                        const struct ultravisor_guest *guest, struct sim_store *store) {
        uint8_t extension[CVM_SHA256_SIZE];
        struct se_secret_seen seen;
        struct ultravisor_result result = check_request(host, request, guest, &seen, extension);

        if (result.why)
                return result;
        if (store->locked)
                return locked;
        if (has(store, seen.tag))
                return done;
        if (seen.type == SE_SECRET_CCK_UPDATE && !store->image_takes_key)
                return no_key;
        if ((store->n > 0 || store->image_extends) &&
            memcmp(store->extension, extension, sizeof extension) != 0)
                return store->image_extends ? not_images : not_firsts;
        if (store->n == SIM_STORE_MAX)
                return full;
        memcpy(store->extension, extension, sizeof extension);
        memcpy(store->tags[store->n], seen.tag, SE_TAG_SIZE);
        store->kept[store->n] = (struct sim_kept){ seen.type, seen.size, { 0 } };
        memcpy(store->kept[store->n++].id, seen.id, SE_SECRET_ID_SIZE);
        if (seen.flags & SE_SECRET_DISABLE_DUMP)
                store->forbids_dump = true;
        return done;
}

struct ultravisor_result ultravisor_lock(struct sim_store *store) {
        struct ultravisor_result result = store->locked ? locked_already : done;

        store->locked = true;
        return result;
}

/* The others leave a trace in the store's hash alone: there is nothing by which a guest could ask for them.
 */
static bool is_listed(const struct sim_kept *kept) {
        return kept->type != SE_SECRET_META && kept->type != SE_SECRET_CCK_UPDATE;
}

int ultravisor_list(const struct sim_store *store, struct cvm_bytes *ret) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        uint16_t n = 0, index = 0;

        for (size_t i = 0; i < store->n; i++)
                n += is_listed(&store->kept[i]);
        cvm_write_u16be(&w, n);
        cvm_write_u16be(&w, n);
        cvm_write_zeros(&w, SE_LIST_HEAD_SIZE - 4); /* none follows: all of them have room */
        for (size_t i = 0; i < store->n; i++)
                if (is_listed(&store->kept[i])) {
                        cvm_write_u16be(&w, index++);
                        cvm_write_u16be(&w, store->kept[i].type);
                        cvm_write_u32be(&w, store->kept[i].size);
                        cvm_write_zeros(&w, 8);
                        cvm_write_copy(&w, store->kept[i].id, SE_SECRET_ID_SIZE);
                }
        cvm_write_zeros(&w, SE_LIST_PAGE - SE_LIST_HEAD_SIZE - n * SE_LISTED_SIZE);
        return cvm_writer_take(&w, ret);
}
