#include "attest/exchange-se.h"

#include <errno.h>
#include <string.h>

#define VERSION 0x100
#define HEAD_SIZE 0x40
#define MEASUREMENT_MAX 32768
#define ADDITIONAL_MAX 32768

static const uint8_t magic[8] = { 'p', 'v', 'a', 't', 't', 'e', 's', 't' };

enum entry { ENTRY_REQUEST, ENTRY_MEASUREMENT, ENTRY_ADDITIONAL, ENTRY_USER_DATA, ENTRY_CUID, ENTRY_MAX_ };

static const struct {
        const char *name;
        uint32_t max;
} entries[ENTRY_MAX_] = {
        [ENTRY_REQUEST] = { "request", SE_REQUEST_MAX },
        [ENTRY_MEASUREMENT] = { "measurement", MEASUREMENT_MAX },
        [ENTRY_ADDITIONAL] = { "additional data", ADDITIONAL_MAX },
        [ENTRY_USER_DATA] = { "user data", SE_USER_DATA_MAX },
        [ENTRY_CUID] = { "configuration id", SE_CUID_SIZE },
};

struct place {
        uint32_t size, offset;
};

void se_exchange_done(struct se_exchange *x) {
        cvm_bytes_done(&x->request);
        cvm_bytes_done(&x->measurement);
        cvm_bytes_done(&x->additional);
        cvm_bytes_done(&x->user_data);
}

static int refuse(struct cvm_error *err, const char *what) {
        return cvm_fail(err, &CVM_CODE_REPORT_FORMAT, EBADMSG, "%s", what);
}

static int read_places(const void *data, size_t size, struct place ret[ENTRY_MAX_], struct cvm_error *err) {
        struct cvm_reader r = cvm_reader_of(data, size);
        const uint8_t *front = cvm_read_view(&r, sizeof magic);
        uint32_t version = cvm_read_u32be(&r), total = cvm_read_u32be(&r);

        cvm_read_zeros(&r, 8);
        for (size_t i = 0; i < ENTRY_MAX_; i++) {
                ret[i].size = cvm_read_u32be(&r);
                ret[i].offset = cvm_read_u32be(&r);
        }
        if (!front || memcmp(front, magic, sizeof magic) != 0)
                return refuse(err, "this is no attestation exchange file");
        if (r.failed)
                return refuse(err, "the exchange file is cut off, or has reserved bytes that are not zero");
        if (version != VERSION || total != size)
                return refuse(err, "the exchange file is of another version or length than it says");
        for (size_t i = 0; i < ENTRY_MAX_; i++)
                if (ret[i].size > entries[i].max ||
                    (ret[i].offset && (ret[i].offset < HEAD_SIZE || ret[i].offset > size ||
                                       ret[i].size > size - ret[i].offset)))
                        return cvm_fail(err, &CVM_CODE_REPORT_FORMAT, EBADMSG,
                                        "the %s of the exchange file is too large or lies outside of it",
                                        entries[i].name);
        return 0;
}

static int take(const void *data, const struct place *place, struct cvm_bytes *ret) {
        return place->size && place->offset
                               ? cvm_bytes_copy((const uint8_t *)data + place->offset, place->size, ret)
                               : 0;
}

/* An answer has a measurement and a configuration id; a request has neither, but says how long they will be.
 */
static int check_kind(const struct place *p, bool *ret_answer, struct cvm_error *err) {
        bool measured = p[ENTRY_MEASUREMENT].offset, has_cuid = p[ENTRY_CUID].offset;

        if (!p[ENTRY_REQUEST].size || !p[ENTRY_REQUEST].offset || !p[ENTRY_MEASUREMENT].size)
                return refuse(err, "the exchange file has no request, or no measurement");
        if (measured != has_cuid)
                return refuse(err,
                              "the exchange file has a measurement without a configuration id, or such an id alone");
        if (has_cuid && p[ENTRY_CUID].size != SE_CUID_SIZE)
                return refuse(err, "the configuration id does not have 16 bytes");
        *ret_answer = measured;
        return 0;
}

int se_exchange_read(const void *data, size_t size, struct se_exchange *ret, struct cvm_error *err) {
        CVM_CLEANUP(se_exchange_done) struct se_exchange x = { 0 };
        struct place p[ENTRY_MAX_];
        int r = read_places(data, size, p, err);

        if (r >= 0)
                r = check_kind(p, &x.is_answer, err);
        if (r < 0)
                return r;
        if (take(data, &p[ENTRY_REQUEST], &x.request) < 0 ||
            take(data, &p[ENTRY_MEASUREMENT], &x.measurement) < 0 ||
            take(data, &p[ENTRY_ADDITIONAL], &x.additional) < 0 ||
            take(data, &p[ENTRY_USER_DATA], &x.user_data) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "reading an exchange file");
        if (x.is_answer)
                memcpy(x.cuid, (const uint8_t *)data + p[ENTRY_CUID].offset, SE_CUID_SIZE);
        else
                x.expected_additional = p[ENTRY_ADDITIONAL].size;
        *ret = x;
        x = (struct se_exchange){ 0 };
        return 0;
}

/* size 0: absent, and so without an offset. */
static void write_place(struct cvm_writer *w, size_t size, bool expected, size_t *at) {
        cvm_write_u32be(w, (uint32_t)size);
        cvm_write_u32be(w, size && !expected ? (uint32_t)*at : 0);
        *at += expected ? 0 : size;
}

int se_exchange_write(const struct se_exchange *x, struct cvm_bytes *ret) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        bool request = !x->is_answer;
        size_t cuid = request ? 0 : SE_CUID_SIZE, at = HEAD_SIZE;
        size_t total = HEAD_SIZE + x->request.size + x->user_data.size + cuid +
                       (request ? 0 : x->measurement.size + x->additional.size);

        cvm_write_copy(&w, magic, sizeof magic);
        cvm_write_u32be(&w, VERSION);
        cvm_write_u32be(&w, (uint32_t)total);
        cvm_write_zeros(&w, 8);
        write_place(&w, x->request.size, false, &at);
        write_place(&w, request ? SE_MEASUREMENT_SIZE : x->measurement.size, request, &at);
        write_place(&w, request ? x->expected_additional : x->additional.size, request, &at);
        write_place(&w, x->user_data.size, false, &at);
        write_place(&w, cuid, false, &at);
        cvm_write_copy(&w, x->request.data, x->request.size);
        if (!request) {
                cvm_write_copy(&w, x->measurement.data, x->measurement.size);
                cvm_write_copy(&w, x->additional.data, x->additional.size);
        }
        cvm_write_copy(&w, x->user_data.data, x->user_data.size);
        cvm_write_copy(&w, x->cuid, cuid);
        return cvm_writer_take(&w, ret);
}

int se_exchange_verify(const struct se_exchange *answer, const uint8_t key[SE_KEY_SIZE],
                       const uint8_t boot_tags[SE_BOOT_TAGS_SIZE], uint64_t *ret_flags,
                       struct cvm_error *err) {
        CVM_CLEANUP(cvm_secret_done) struct cvm_secret opened = { 0 };
        const struct se_attestation *attestation;
        struct se_measured measured = { .user_data = answer->user_data.data,
                                        .user_data_size = answer->user_data.size,
                                        .additional = answer->additional.data,
                                        .additional_size = answer->additional.size };
        uint8_t expected[SE_MEASUREMENT_SIZE];
        int r;

        if (!answer->is_answer)
                return refuse(err, "this is a request, and no guest has answered it");
        r = se_attestation_open(answer->request.data, answer->request.size, key, &opened, err);
        if (r < 0)
                return r;
        attestation = (const struct se_attestation *)opened.data;
        memcpy(measured.boot_tags, boot_tags, SE_BOOT_TAGS_SIZE);
        memcpy(measured.cuid, answer->cuid, SE_CUID_SIZE);
        if (se_measure(attestation, &measured, expected) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "measuring");
        if (!cvm_equal(expected, sizeof expected, answer->measurement.data, answer->measurement.size))
                return cvm_fail(err, &CVM_CODE_REPORT_MAC, EBADMSG,
                                "the measurement is not that of this image and this request");
        if (ret_flags)
                *ret_flags = attestation->flags;
        return 0;
}
