#include "attest/audit-chain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"

#define AT(type, member) .required = true, .offset = offsetof(struct type, member)
#define TIME(type) \
        { "time", CVM_JSON_CUSTOM, AT(type, time), .read = cvm_json_read_time, .write = cvm_json_write_time }
#define TEXT(member) \
        { #member, CVM_JSON_TEXT, AT(audit_row, member), .max = 512 }

const struct cvm_json_field audit_row_fields[] = {
        { "seq", CVM_JSON_U64, AT(audit_row, seq), .min = 1 },
        TIME(audit_row),
        TEXT(kind),
        TEXT(actor),
        TEXT(object),
        TEXT(what),
        TEXT(outcome),
        { "prev", CVM_JSON_HEX, AT(audit_row, prev), .size = CVM_SHA256_SIZE },
        { 0 },
};

const struct cvm_json_field audit_head_fields[] = {
        { "seq", CVM_JSON_U64, AT(audit_head, seq) },
        { "hash", CVM_JSON_HEX, AT(audit_head, hash), .size = CVM_SHA256_SIZE },
        TIME(audit_head),
        { 0 },
};

void audit_row_done(struct audit_row *row) {
        free(row->kind);
        free(row->actor);
        free(row->object);
        free(row->what);
        free(row->outcome);
        *row = (struct audit_row){ 0 };
}

void audit_hash(const uint8_t prev[CVM_SHA256_SIZE], const char *row, size_t size,
                uint8_t ret[CVM_SHA256_SIZE]) {
        static const char domain[] = "cvmd-audit-v1";
        CVM_CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *md = EVP_MD_CTX_new();

        if (!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
                abort();
        EVP_DigestUpdate(md, domain, sizeof domain);
        EVP_DigestUpdate(md, prev, CVM_SHA256_SIZE);
        EVP_DigestUpdate(md, row, size);
        EVP_DigestFinal_ex(md, ret, NULL);
}

struct walk {
        uint8_t hash[CVM_SHA256_SIZE]; /* of the last row */
        uint64_t seq;
        const uint8_t *since;
        bool begun, passed_since;
};

static void note_since(struct walk *w) {
        w->passed_since |= !w->since || memcmp(w->since, w->hash, sizeof w->hash) == 0;
}

static int verify_row(struct walk *w, const char *line, size_t size, struct cvm_error *err) {
        CVM_CLEANUP(audit_row_done) struct audit_row row = { 0 };
        struct cvm_error why = { 0 };
        int r = cvm_json_read_text(line, size, "audit row", audit_row_fields, &row, &why);

        if (r < 0)
                return cvm_while(err, cvm_fail_as(err, &CVM_CODE_AUDIT, EBADMSG, &why, r),
                                 "after row %" PRIu64, w->seq);
        /* An export may begin in the middle: its first row says where. */
        if (!w->begun) {
                w->seq = row.seq - 1;
                memcpy(w->hash, row.prev, sizeof w->hash);
                w->begun = true;
                note_since(w);
        }
        if (row.seq != w->seq + 1 || memcmp(row.prev, w->hash, sizeof w->hash) != 0 ||
            (row.seq == 1 && !cvm_is_zero(row.prev, sizeof row.prev)))
                return cvm_fail(err, &CVM_CODE_AUDIT, EBADMSG,
                                "row %" PRIu64 " does not follow row %" PRIu64, row.seq, w->seq);
        audit_hash(w->hash, line, size, w->hash);
        w->seq = row.seq;
        note_since(w);
        return 0;
}

static int verify_head(struct walk *w, const char *line, size_t size, EVP_PKEY *key, struct audit_head *ret,
                       struct cvm_error *err) {
        int r = key ? cvm_signed_open(line, size, CVM_ENVELOPE_HEAD, audit_head_fields, key, ret, NULL, err)
                    : cvm_signed_peek(line, size, CVM_ENVELOPE_HEAD, audit_head_fields, ret, err);

        if (r < 0)
                return cvm_while(err, r, "the chain's head");
        /* Nothing has come since the head that was kept: this must be that one. */
        if (!w->begun && w->since) {
                w->seq = ret->seq;
                memcpy(w->hash, ret->hash, sizeof w->hash);
        }
        note_since(w);
        if (ret->seq != w->seq || memcmp(ret->hash, w->hash, sizeof w->hash) != 0)
                return cvm_fail(err, &CVM_CODE_AUDIT, EBADMSG, "the signed head is not that of row %" PRIu64,
                                w->seq);
        return 0;
}

int audit_verify(const char *text, size_t size, EVP_PKEY *key, const uint8_t since[CVM_SHA256_SIZE],
                 struct audit_head *ret, struct cvm_error *err) {
        struct walk w = { .since = since };
        const char *line = text, *end = text + size;
        int r;

        while (line < end) {
                const char *newline = memchr(line, '\n', (size_t)(end - line));
                const char *stop = newline ? newline : end;
                bool last = stop + 1 >= end;

                if (last && !newline)
                        break; /* cut in the middle of a line */
                if (last) {
                        r = verify_head(&w, line, (size_t)(stop - line), key, ret, err);
                        if (r >= 0 && !w.passed_since)
                                return cvm_fail(err, &CVM_CODE_AUDIT_SINCE, EBADMSG,
                                                "the chain does not pass through the head that was kept: it was "
                                                "rewritten, or the export begins too late");
                        return r;
                }
                r = verify_row(&w, line, (size_t)(stop - line), err);
                if (r < 0)
                        return r;
                line = stop + 1;
        }
        return cvm_fail(err, &CVM_CODE_AUDIT, EBADMSG, "the export ends without a signed head");
}
